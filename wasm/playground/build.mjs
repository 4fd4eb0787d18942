// Builds the page from its sources, the npm package, and the cases of its stories.
// node build.mjs PACKAGE INTO
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const [, , from, to] = process.argv;
const [here, into] = [dirname(fileURLToPath(import.meta.url)), resolve(to)];

/** The budgets on the wire, in bytes after gzip. */
const BUDGETS = { "playground.js": 250_000, "policy_bg.wasm": 162_000, "dump_bg.wasm": 460_000 };

/** The files that are fetched only when a dump is read. */
const LATER = ["dump_bg.wasm"];

rmSync(into, { recursive: true, force: true });
mkdirSync(into, { recursive: true });

const bundle = (entry, options) =>
  build({
    entryPoints: [join(here, "src", entry)],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2023",
    legalComments: "eof",
    loader: { ".yaml": "text" },
    alias: { "volsync-policy": resolve(from, "index.js") },
    logLevel: "warning",
    ...options,
  });

await bundle("main.ts", { outfile: join(into, "playground.js") });
for (const file of ["index.html", "playground.css", "icon.svg"]) cpSync(join(here, file), join(into, file));
for (const file of ["policy_bg.wasm", ...LATER]) cpSync(join(from, file), join(into, file));

// The worker contains the hash of all files. If one of them changes, so does the worker, which then fetches all of
// them.
const files = readdirSync(into).sort();
const hash = createHash("sha256");
for (const file of files) hash.update(file).update(readFileSync(join(into, file)));
const now = files.filter((file) => !LATER.includes(file));
const define = {
  FILES: JSON.stringify(["./", ...now]),
  LATER: JSON.stringify(LATER),
  VERSION: JSON.stringify(hash.digest("hex").slice(0, 16)),
};
await bundle("worker.ts", { outfile: join(into, "worker.js"), define });

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;
const weigh = (file) => gzipSync(readFileSync(join(into, file)), { level: 9 }).length;
for (const file of readdirSync(into).sort()) console.error(`${join(to, file)}: ${kilobytes(weigh(file))} gzip`);
for (const [file, budget] of Object.entries(BUDGETS)) {
  if (weigh(file) > budget) {
    console.error(`error: ${file} is heavier than ${kilobytes(budget)}; leave something out of it`);
    process.exitCode = 1;
  }
}
