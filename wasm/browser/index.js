// For browsers and bundlers: the modules are fetched from the directory of this file.
import load from "./policy.js";

await load({ module_or_path: new URL("./policy_bg.wasm", import.meta.url) });

export async function runCase(test) {
  const cases = await import("./cases.js");
  await cases.default({ module_or_path: new URL("./cases_bg.wasm", import.meta.url) });
  return cases.runCase(test);
}

export async function readDump(files) {
  const dumps = await import("./dump.js");
  await dumps.default({ module_or_path: new URL("./dump_bg.wasm", import.meta.url) });
  const dump = new dumps.Dump();
  for (const { name, text } of files) dump.add(name, text);
  return dump;
}

export { call, plan, validateSettings } from "./policy.js";
export { schema } from "./schema.js";
