import type { runCase as run } from "./cases.js";

/** Runs a policy test. Its module is loaded when the first is run. */
export function runCase(...test: Parameters<typeof run>): Promise<ReturnType<typeof run>>;
export { call, plan, validateSettings } from "./policy.js";
export type { PolicyError } from "./policy.js";
export { schema } from "./schema.js";
export type * from "./types.js";
