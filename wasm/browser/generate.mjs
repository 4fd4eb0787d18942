// Writes the parts of the package that follow from the JSON Schemas: `types.d.ts`, and the schemas as a module.
// node generate.mjs SCHEMAS PACKAGE
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, parse } from "node:path";
import { compile } from "json-schema-to-typescript";

const [, , from, into] = process.argv;
const names = readdirSync(from)
  .map((file) => parse(file).name)
  .sort();
const schemas = Object.fromEntries(names.map((name) => [name, JSON.parse(readFileSync(join(from, `${name}.json`)))]));

// Two definitions with the same name in different schemas are the same Rust type.
const $defs = {};
for (const { $defs: inner, $schema, ...whole } of Object.values(schemas)) {
  for (const [name, definition] of Object.entries({ ...inner, [whole.title]: whole })) {
    if (name in $defs && JSON.stringify($defs[name]) !== JSON.stringify(definition)) {
      const { title: one, ...mine } = $defs[name];
      const { title: other, ...yours } = definition;
      if (JSON.stringify(mine) !== JSON.stringify(yours)) throw new Error(`two types are called ${name}`);
    }
    $defs[name] ??= definition;
  }
}

/** A reference with its own description or default is the same type with another text. */
const described = (node) => {
  if (Array.isArray(node)) return node.map(described);
  if (node === null || typeof node !== "object") return node;
  const {
    $ref,
    default: _,
    ...rest
  } = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, described(value)]));
  if ($ref === undefined) return rest;
  return Object.keys(rest).length === 0 ? { $ref } : { ...rest, allOf: [{ $ref }] };
};
const types = await compile(described({ $defs }), "", {
  additionalProperties: false,
  bannerComment: "// Generated from the policy's own types.",
  unreachableDefinitions: true,
});
// Where a definition was in the schema does not matter to a reader.
const place = / \*\s*This interface was referenced by `undefined`'s JSON-Schema\n \* via the `definition` ".*"\.\n/
  .source;
const origin = new RegExp(`/\\*\\*\\n${place} \\*/\\n|(?: \\*\\s*\\n)?${place}`, "g");
writeFileSync(join(into, "types.d.ts"), types.replaceAll(origin, ""));

const list = names.map((name) => JSON.stringify(name)).join(" | ");
writeFileSync(
  join(into, "schema.js"),
  `const schemas = ${JSON.stringify(schemas)};
export const schema = (of) => structuredClone(schemas[of]);
`,
);
writeFileSync(
  join(into, "schema.d.ts"),
  `/** A JSON Schema of what goes in or out. */
export function schema(of: ${list}): Record<string, unknown>;
`,
);
