// The policy for hosts, in browsers and bundlers. Its module is fetched from the directory of this file.
import load from "./policy_for_hosts.js";

await load({ module_or_path: new URL("./policy_for_hosts_bg.wasm", import.meta.url) });

export { call, plan, reads, validateSettings } from "./policy_for_hosts.js";
