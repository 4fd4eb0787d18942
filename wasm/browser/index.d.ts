import type { runCase as run } from "./cases.js";
import type { Dump } from "./dump.js";

/** Runs a policy test. Its module is loaded with the first one. */
export function runCase(...test: Parameters<typeof run>): Promise<ReturnType<typeof run>>;
/** Reads a dump from the texts of its files. Its module is loaded with the first one. */
export function readDump(files: Iterable<{ name: string; text: string }>): Promise<Dump>;
export type { ClaimOfDump, Dump, Explanation, Shared } from "./dump.js";
export { call, plan, validateSettings } from "./policy.js";
export type { PolicyError } from "./policy.js";
export { schema } from "./schema.js";
export type * from "./types.js";
