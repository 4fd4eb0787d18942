export { call, plan, reads, validateSettings } from "./policy_for_hosts.js";
export type { PolicyError } from "./policy_for_hosts.js";
export type * from "./types.js";
