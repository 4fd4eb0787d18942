// Calls `plan` of the npm package in a page of Chromium, as often as requested, and prints how long that took.
//
//   node chromium.mjs PACKAGE < QUESTIONS
//
// QUESTIONS are lines of JSON, {"review", "calls"}. After a line `ready`, the milliseconds for each are printed.
import { createInterface } from "node:readline";

import { launch } from "../../wasm/playground/chromium.mjs";
import { serve } from "../../wasm/playground/serve.mjs";

const server = await serve(process.argv[2]);
const browser = await launch();
const page = await browser.newPage();
// Any page of the origin will do.
await page.goto(`http://127.0.0.1:${server.address().port}/package.json`);
await page.evaluate(async () => (globalThis.policy = await import("/index.js")));
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const milliseconds = await page.evaluate(({ review, calls }) => {
    const start = performance.now();
    for (let call = 0; call < calls; call++) policy.plan(review);
    return performance.now() - start;
  }, JSON.parse(line));
  console.log(milliseconds);
}
await browser.close();
server.close();
