// Completion from a JSON Schema, for YAML in block style.
import type { Completion, CompletionContext, CompletionSource } from "@codemirror/autocomplete";
import { element, prose } from "./dom.js";

interface Schema {
  $ref?: string;
  $defs?: { [name: string]: Schema };
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  const?: unknown;
  enum?: unknown[];
  type?: string | string[];
  description?: string;
  properties?: { [key: string]: Schema };
  items?: Schema;
  additionalProperties?: Schema | boolean;
  default?: unknown;
}

/** Offers the keys and values that `root` allows at the cursor. */
export function completion(root: Schema): CompletionSource {
  /** A schema and the schemas that it is composed of. */
  const whole = (schema: Schema): Schema[] => {
    const reference = schema.$ref?.split("/").pop();
    const inner = [schema.allOf, schema.anyOf, schema.oneOf].flatMap((schemas) => schemas ?? []);
    const referred = reference === undefined ? undefined : root.$defs?.[reference];
    return [schema, ...(referred ? [referred] : []), ...inner].flatMap((it) => (it === schema ? [it] : whole(it)));
  };
  const below = (schemas: Schema[], key: string): Schema[] =>
    schemas.flatMap(({ properties, items, additionalProperties }) => {
      const found = properties?.[key] ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
      return found ? whole(found) : items ? below(whole(items), key) : [];
    });

  return (context) => {
    const { path, key, written } = cursor(context);
    const from = context.pos - written.length;
    if (written === "" && key === undefined && !context.explicit) return null;
    const schemas = path.reduce(below, whole(root));
    const options = key === undefined ? schemas.flatMap(keys) : below(schemas, key).flatMap(values);
    return options.length > 0 ? { from, options, validFor: /^[\w-]*$/ } : null;
  };
}

const keys = ({ properties, items }: Schema): Completion[] =>
  Object.entries(properties ?? items?.properties ?? {}).map(([label, schema]) =>
    option(label, schema, "property", `${label}: `),
  );

const values = (schema: Schema): Completion[] => {
  const listed = schema.const === undefined ? (schema.enum ?? []) : [schema.const];
  const all = schema.type === "boolean" ? [true, false] : listed.filter((value) => value !== null);
  return all.map((value) => option(String(value), schema, "enum", String(value)));
};

function option(label: string, schema: Schema, type: string, apply: string): Completion {
  const { description } = schema;
  const standard = schema.default === undefined || schema.default === null ? "" : JSON.stringify(schema.default);
  const info = () => element("p", {}, ...prose(description ?? ""));
  return { label, type, apply, ...(standard.length < 24 && { detail: standard }), ...(description && { info }) };
}

/** The context of the cursor: the keys above it, the key whose value it is in, and the start of the word. */
function cursor({ state, pos }: CompletionContext): { path: string[]; key: string | undefined; written: string } {
  const line = state.doc.lineAt(pos);
  const text = line.text.slice(0, pos - line.from);
  const [, lead = "", key, written = ""] = /^((?:\s|-\s)*)(?:([\w.-]+):\s+)?([\w-]*)$/.exec(text) ?? [];
  const path: string[] = [];
  let indent = lead.length;
  for (let number = line.number - 1; number > 0 && indent > 0; number -= 1) {
    const [, above = "", name] = /^((?:\s|-\s)*)([\w.-]+):\s*(?:#.*)?$/.exec(state.doc.line(number).text) ?? [];
    if (name !== undefined && above.length < indent) {
      path.unshift(name);
      indent = above.length;
    }
  }
  return { path, key, written };
}
