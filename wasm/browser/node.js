// For Node: the modules are read from the directory of this file.
import { readFileSync } from "node:fs";
import { initSync } from "./policy.js";

const read = (file) => readFileSync(new URL(file, import.meta.url));
initSync({ module: read("./policy_bg.wasm") });

export async function runCase(test) {
  const cases = await import("./cases.js");
  cases.initSync({ module: read("./cases_bg.wasm") });
  return cases.runCase(test);
}

export async function readDump(files) {
  const dumps = await import("./dump.js");
  dumps.initSync({ module: read("./dump_bg.wasm") });
  const dump = new dumps.Dump();
  for (const { name, text } of files) dump.add(name, text);
  return dump;
}

export { call, plan, validateSettings } from "./policy.js";
export { schema } from "./schema.js";
