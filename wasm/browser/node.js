// In Node: the module is read from beside this file.
import { readFileSync } from "node:fs";
import { initSync } from "./policy.js";

initSync({ module: readFileSync(new URL("./policy_bg.wasm", import.meta.url)) });

export { call, plan, validateSettings } from "./policy.js";
export { schema } from "./schema.js";
