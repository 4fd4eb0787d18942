// A program of a user: it reads a review from standard input, and prints its plan. It is compiled with `tsc --strict`.
import { readFileSync } from "node:fs";
import {
  plan,
  readDump,
  runCase,
  schema,
  validateSettings,
  type CaseReport,
  type ClaimOfDump,
  type Evidence,
  type Plan,
  type PolicyError,
  type Review,
  type Settings,
} from "volsync-policy";

const settings: Settings = { gate: "evidence", backup: { retain: { hourly: 24 }, cacheCapacity: "4Gi" } };
const seen: Evidence = { slot: { queued: 2 }, restore: { done: { image: "a", outcome: "nothing", expects: "data" } } };
// @ts-expect-error: an invalid value
const unknown: Settings = { gate: "off" };
// @ts-expect-error: an unknown key
const misspelt: Settings = { bakup: {} };
// @ts-expect-error: a variant that needs content, given as a string
const quoted: Evidence = { slot: "queued" };
// @ts-expect-error: a review without a request
const empty: Review = {};

const fault = (review: Review): PolicyError => {
  try {
    plan(review);
  } catch (error) {
    return error as PolicyError;
  }
  throw new Error("it was planned");
};
const { name, message, path, hint, problems, stack } = fault({ request: {}, settings: misspelt });

const test = "{name: without a label, request: {kind: PersistentVolumeClaim}, expect: {code: NotSelected}}";
const report: CaseReport = await runCase(test);

const claim = {
  kind: "PersistentVolumeClaim",
  metadata: { namespace: "shop", name: "data", labels: { backup: "hourly" } },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
};
const dump = await readDump([{ name: "dump.json", text: JSON.stringify({ kind: "List", items: [claim] }) }]);
const [of]: ClaimOfDump[] = dump.claims({});
const { plan: planned, missing } = dump.explain(of!.request, { settings }, false);

const text = readFileSync(0, "utf-8");
const answer: Plan = plan(text);
const same: Plan = plan(JSON.parse(text) as Review);
console.log(
  JSON.stringify({
    answer,
    same: JSON.stringify(answer) === JSON.stringify(same),
    valid: validateSettings(settings),
    invalid: validateSettings(unknown),
    missing: fault(empty).path,
    fault: { isError: stack !== undefined, name, message, path, hint, problems },
    report,
    dump: [of!.isSelected, planned.verdict.code, missing[0]!.topic],
    schemas: (["evidence", "plan", "report", "review", "settings"] as const).map((of) => schema(of)["title"]),
  }),
);
