// Serves a directory on loopback.
// node serve.mjs FOLDER [PORT]
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/** The file for a path, or nothing. For a directory, it is its page. */
const find = (folder, path) => {
  const file = join(folder, normalize(decodeURIComponent(path)), path.endsWith("/") ? "index.html" : "");
  return statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined;
};

/** A server for the files in `folder`, on the given port, or on a free one. */
export const serve = (folder, port = 0) =>
  new Promise((resolve, reject) => {
    const server = createServer((request, response) => {
      const file = find(folder, new URL(request.url, "http://localhost").pathname);
      if (file === undefined) return response.writeHead(404).end();
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
      createReadStream(file).pipe(response);
    });
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, port] = process.argv.slice(2);
  const server = await serve(folder, Number(port ?? 0));
  console.log(`http://127.0.0.1:${server.address().port}/`);
}
