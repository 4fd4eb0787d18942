// YAML: what a text contains, and where a place that the policy names is in it.
import type { Problem } from "volsync-policy";
import { isMap, isNode, isPair, isSeq, LineCounter, parseDocument, stringify, type Document, type Pair } from "yaml";

/** A range of text. */
export interface Range {
  from: number;
  to: number;
}

/** A problem, and where it is. */
export interface Mark extends Range {
  message: string;
}

/** The text of an editor, parsed. */
export interface Read {
  /** The value; undefined if the text is empty or invalid YAML. */
  value: unknown;
  /** The places where it is invalid YAML. */
  faults: Mark[];
  /** The range of a place: of its innermost part that exists. */
  place(path: Step[]): Range;
}

type Step = string | number;

/** Parses a text. */
export function read(text: string): Read {
  const document = parseDocument(text, { lineCounter: new LineCounter(), prettyErrors: false });
  const faults = document.errors.map(({ message, pos: [from, to] }) => ({ from, to, message }));
  if (faults.length > 0) return { value: undefined, faults, place: () => ({ from: 0, to: 0 }) };
  try {
    return { value: document.toJS() ?? undefined, faults, place: (path) => place(document, path, text) };
  } catch (error) {
    const fault = { from: 0, to: 0, message: error instanceof Error ? error.message : String(error) };
    return { value: undefined, faults: [fault], place: () => fault };
  }
}

/** A value as YAML. */
export function write(value: unknown): string {
  return value === undefined ? "" : stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** A text in which the value at a place is replaced or removed. The rest stays as it is written. */
export function changed(text: string, path: Step[], value: unknown): string {
  const document = parseDocument(text);
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, value);
  return document.toString({ lineWidth: 0 });
}

/** The steps of a path in the policy's notation: `request.metadata.labels["a/b"][0]`. */
export function steps(path: string): Step[] {
  const parts = path.matchAll(/([A-Za-z0-9_]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]/g);
  return [...parts].map(([, word, index, key]) =>
    index !== undefined ? Number(index) : (word ?? (key ?? "").replace(/\\(.)/g, "$1")),
  );
}

/** A problem as one line. */
export function sentence({ message, hint }: Problem): string {
  return hint ? `${message}; ${hint}` : message;
}

function place(document: Document, path: Step[], text: string): Range {
  let [node, found]: [unknown, Range] = [document.contents, { from: 0, to: firstLine(text) }];
  for (const step of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => named(key) === String(step)) : undefined;
    if (pair !== undefined) {
      [node, found] = [pair.value, rangeOf(pair) ?? found];
    } else if (isSeq(node) && typeof step === "number") {
      const item = node.items[step];
      [node, found] = [item, ranged(item) ?? found];
    } else {
      break;
    }
  }
  return found;
}

/** The range of a key and, if it is on the same line, its value. */
function rangeOf({ key, value }: Pair): Range | undefined {
  const [one, other] = [ranged(key), isMap(value) || isSeq(value) ? undefined : ranged(value)];
  return one && { from: one.from, to: Math.max(one.to, other?.to ?? 0) };
}

function ranged(node: unknown): Range | undefined {
  if (isPair(node)) return rangeOf(node);
  return isNode(node) && node.range ? { from: node.range[0], to: node.range[1] } : undefined;
}

const named = (key: unknown) => (isNode(key) ? String(key.toJSON()) : String(key));

const firstLine = (text: string) => (text.indexOf("\n") < 0 ? text.length : text.indexOf("\n"));
