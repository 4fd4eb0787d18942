// In browsers and bundlers: the module is fetched from beside this file.
import load from "./policy.js";

await load({ module_or_path: new URL("./policy_bg.wasm", import.meta.url) });

export { call, plan, validateSettings } from "./policy.js";
export { schema } from "./schema.js";
