// The policy for hosts, in Node. Its module is read from the directory of this file.
import { readFileSync } from "node:fs";
import { initSync } from "./policy_for_hosts.js";

initSync({ module: readFileSync(new URL("./policy_for_hosts_bg.wasm", import.meta.url)) });

export { call, plan, reads, validateSettings } from "./policy_for_hosts.js";
