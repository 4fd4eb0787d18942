// In browsers and bundlers: the modules are fetched from beside this file.
import load from "./policy.js";

await load({ module_or_path: new URL("./policy_bg.wasm", import.meta.url) });

export async function runCase(test) {
  const cases = await import("./cases.js");
  await cases.default({ module_or_path: new URL("./cases_bg.wasm", import.meta.url) });
  return cases.runCase(test);
}

export { call, plan, validateSettings } from "./policy.js";
export { schema } from "./schema.js";
