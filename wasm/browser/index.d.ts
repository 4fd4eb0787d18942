export { call, plan, validateSettings } from "./policy.js";
export type { PolicyError } from "./policy.js";
export { schema } from "./schema.js";
export type * from "./types.js";
