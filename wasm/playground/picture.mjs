// Takes the picture of the built page that is in the README.
// node picture.mjs PAGE FILE
import { launch } from "./chromium.mjs";
import { serve } from "./serve.mjs";

const [, , folder, file] = process.argv;
const server = await serve(folder);
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: "light" });
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.locator('[data-story="came-back-empty"]').click();
await page.screenshot({ path: file });
await browser.close();
server.close();
