// A waPC host in JavaScript, as in a browser: it loads a module and calls it, with nothing but WebAssembly.
//
//   node host.mjs MODULE < CALLS
//
// CALLS and the output are lines of JSON: {"operation", "payload"} in, {"answer"} or {"error"} out.
import { readFileSync } from "node:fs";

const [text, bytes] = [new TextDecoder("utf-8", { fatal: true }), new TextEncoder()];

/** Instantiates a module, and returns the function that calls its operations. */
export function load(module) {
  const call = {};
  const memory = () => new Uint8Array(instance.exports.memory.buffer);
  const read = (at, length) => memory().slice(at, at + length);
  const imports = {
    __guest_request(operation, payload) {
      memory().set(call.operation, operation);
      memory().set(call.payload, payload);
    },
    __guest_response: (at, length) => void (call.answer = read(at, length)),
    __guest_error: (at, length) => void (call.error = read(at, length)),
  };
  const instance = new WebAssembly.Instance(module, { wapc: imports });
  instance.exports._start?.();
  instance.exports.wapc_init?.();
  return (operation, payload) => {
    Object.assign(call, { operation: bytes.encode(operation), payload: bytes.encode(payload) });
    const answered = instance.exports.__guest_call(call.operation.length, call.payload.length);
    return answered ? { answer: text.decode(call.answer) } : { error: text.decode(call.error) };
  };
}

const invoke = load(new WebAssembly.Module(readFileSync(process.argv[2])));
for (const line of readFileSync(0, "utf-8").split("\n").filter(Boolean)) {
  const { operation, payload } = JSON.parse(line);
  console.log(JSON.stringify(invoke(operation, payload)));
}
