// The page. Its whole state is in its editors. Whenever one of them changes, it plans again.
import {
  plan,
  schema,
  type ClaimEvidence,
  type Evidence,
  type Plan,
  type PolicyError,
  type Problem,
  type Review,
  type Shared,
} from "volsync-policy";
import { showFaults, showPlan, signed, type Fault } from "./answer.js";
import { completion } from "./completion.js";
import { byId, copy, element, tell } from "./dom.js";
import { changed, read, sentence, steps, write, type Mark, type Read } from "./documents.js";
import { isDump, Opened, textOf } from "./dump.js";
import { Editor } from "./editor.js";
import { begin, capacityOf, type About } from "./evidence.js";
import { Form } from "./form.js";
import { Gallery } from "./gallery.js";
import { sort } from "./import.js";
import { fromFragment, toFragment } from "./link.js";
import { Manifests } from "./manifests.js";
import { DecisionMap } from "./map.js";

type Part = "claim" | "credentials" | "settings" | "evidence";

const PARTS: { [part in Part]: string } = {
  claim: "Claim",
  credentials: "Base credentials",
  settings: "Settings",
  evidence: "Evidence",
};
const parts = Object.keys(PARTS) as Part[];

/** After a change of these the dump is asked again. After any other, the page no longer shows a claim of the dump. */
const TOLD_BY = ["credentials", "settings", "dump"];

/** The part of a review that an editor holds. */
const keyOf = (part: Part) => (part === "claim" ? "request" : part);

/** Invented credentials for links, which contain none. */
const MADE_UP = {
  kind: "Secret",
  stringData: {
    RESTIC_REPOSITORY: "s3:http://s3.example/bucket",
    RESTIC_PASSWORD: "made-up-password",
    AWS_ACCESS_KEY_ID: "made-up-user",
    AWS_SECRET_ACCESS_KEY: "made-up-key",
  },
};

const edit = (part: Part, complete?: Parameters<typeof completion>[0]) =>
  new Editor(byId(part), PARTS[part], () => replan(part), complete && completion(complete));
const editors: { [part in Part]: Editor } = {
  claim: edit("claim"),
  credentials: edit("credentials"),
  settings: edit("settings", schema("settings")),
  evidence: edit("evidence", schema("evidence")),
};
const manifests = new Manifests(byId("manifests"));
const gallery = new Gallery(byId("story-list"), byId("story"), ({ name, request, ...rest }) =>
  load({ credentials: undefined, settings: undefined, evidence: undefined, ...rest, claim: request }, name),
);
const form = new Form(byId("questions"), (change) => changeEvidence((evidence) => change(evidence, about())));
const map = new DecisionMap(byId("axes"), byId("cells"), (change) =>
  changeEvidence((evidence) => change(evidence, about())),
);
const dump = new Opened(() => {
  gallery.clear();
  replan("dump");
});
const looked = byId<HTMLInputElement>("looked");

/** The texts as they were last read, the current plan, the plan to compare it with, and what was changed last. */
let reads: { [part in Part]: Read };
let current: Plan | undefined;
let before: Plan | undefined;
let changedLast: string | undefined;

/** Plans again after a change of `what`. While one thing is being typed, `before` is the plan before the typing. */
function replan(what: string): void {
  const readAll = () => Object.fromEntries(parts.map((part) => [part, read(editors[part].text)])) as typeof reads;
  reads = readAll();
  if (!TOLD_BY.includes(what)) dump.leave();
  const told = dump.tell(shared());
  if (told) {
    editors.claim.text = write(told.request);
    editors.evidence.text = write(told.plan?.evidence ?? undefined);
    reads = readAll();
  }
  if (what !== changedLast && current) before = current;
  changedLast = what;
  looked.checked = reads.evidence.value !== undefined;
  if (!looked.checked || known()) form.show(known());
  byId("questions").inert = looked.checked && !known();

  const marks = Object.fromEntries(parts.map((part) => [part, [...reads[part].faults]])) as { [part in Part]: Mark[] };
  const isYaml = parts.every((part) => marks[part].length === 0);
  const started = performance.now();
  const answer = !isYaml ? { problems: [] } : told?.plan ? answered(told.plan) : attempt(review());
  const milliseconds = told?.milliseconds ?? performance.now() - started;
  for (const problem of answer.problems) {
    const part = partOf(problem);
    marks[part].push({ ...reads[part].place(stepsIn(problem)), message: sentence(problem) });
  }
  for (const part of parts) editors[part].mark(marks[part]);
  current = answer.plan;
  announce(current ? `${signed(current).words}: ${current.verdict.code}` : "The input is invalid");
  if (current) {
    showPlan(byId("verdict"), byId("brief"), current, names(), milliseconds);
    map.show(known(), about(), (evidence) => attempt({ ...review(), evidence }).plan);
  } else {
    showFaults(
      byId("verdict"),
      byId("brief"),
      parts.flatMap((part) => marks[part].map((mark) => fault(part, mark))),
    );
  }
  manifests.show(current && { plan: current, before, profile: otherProfile });
}

/** Announces the decision to screen readers, unless it is the same as before. */
function announce(what: string): void {
  if (byId("said").textContent !== what) byId("said").textContent = what;
}

/** A plan with the problems of its claim, or the problems of the review. */
function attempt(review: Review): { plan?: Plan; problems: Problem[] } {
  try {
    return answered(plan(review));
  } catch (error) {
    const { problems, message } = error as PolicyError;
    return { problems: problems ?? [{ path: "", message }] };
  }
}

/** A plan with the problems of its claim. */
const answered = (plan: Plan): { plan: Plan; problems: Problem[] } => ({
  plan,
  problems: plan.verdict.problem ? [plan.verdict.problem] : [],
});

/** The parts that are the same for all claims of a dump. */
const shared = () => ({ credentials: reads.credentials.value, settings: reads.settings.value }) as Shared;

function review(): Review {
  const values = parts.map((part) => [keyOf(part), reads[part].value]).filter(([, value]) => value !== undefined);
  return Object.fromEntries(values) as Review;
}

/** The editor for a problem. The place of a claim's own problem is relative to the claim. */
const partOf = ({ path }: Problem): Part => parts.find((part) => steps(path)[0] === keyOf(part)) ?? "claim";

const stepsIn = (problem: Problem) =>
  steps(problem.path).slice(steps(problem.path)[0] === keyOf(partOf(problem)) ? 1 : 0);

function fault(part: Part, { from, message }: Mark): Fault {
  const place = `${PARTS[part]}, line ${editors[part].lineAt(from)}`;
  const go = () => {
    if (part === "evidence") byId<HTMLDetailsElement>("evidence").open = true;
    editors[part].focus(from);
  };
  return { place, message, go };
}

/** The plan with the profile that settings do not name; without evidence if that profile has no gate. */
function otherProfile(): Plan | undefined {
  const settings = (reads.settings.value ?? {}) as { profile?: string };
  const profile = settings.profile === "seed" ? ("default" as const) : ("seed" as const);
  const { evidence, ...rest } = { ...review(), settings: { ...settings, profile } };
  return attempt({ ...rest, evidence }).plan ?? attempt(rest).plan;
}

/** The evidence, if the policy can read it. */
function known(): Evidence | undefined {
  const evidence = reads.evidence.value as Evidence | undefined;
  const request = { kind: "PersistentVolumeClaim" };
  return evidence !== undefined && attempt({ request, evidence }).plan ? evidence : undefined;
}

/** The claim in the request. */
function claim(): {
  metadata?: { name?: string; namespace?: string; uid?: string };
  spec?: { resources?: { requests?: { storage?: unknown } } };
} {
  const given = (reads.claim.value ?? {}) as { request?: unknown; object?: unknown; oldObject?: unknown };
  const request = (given.request ?? given) as { object?: unknown; oldObject?: unknown };
  return (request.object ?? request.oldObject ?? request) as ReturnType<typeof claim>;
}

const names = () => ({ namespace: claim().metadata?.namespace ?? "default", name: claim().metadata?.name ?? "NAME" });

const about = (): About => ({
  uid: claim().metadata?.uid ?? "claim-2",
  capacity: capacityOf(claim().spec?.resources?.requests?.storage),
});

function changeEvidence(change: (evidence: Evidence) => void): void {
  const evidence = structuredClone(known() ?? begin(about()));
  const source = evidence.claim?.source;
  change(evidence);
  editors.evidence.text = write(evidence);
  if (evidence.claim && evidence.claim.source !== source) refer(evidence.claim.source);
  replan("form");
}

/** Gives the claim the data source of the evidence, because the policy refuses evidence that contradicts the claim. */
function refer(source: ClaimEvidence["source"]): void {
  const name = (current?.manifests?.destination.object?.metadata as { name?: string } | undefined)?.name;
  const references = {
    none: undefined,
    ours: { apiGroup: "volsync.backube", kind: "ReplicationDestination", name },
    foreign: { apiGroup: "snapshot.storage.k8s.io", kind: "VolumeSnapshot", name: "friday" },
  };
  editors.claim.text = changed(editors.claim.text, ["spec", "dataSourceRef"], references[source]);
}

/** Puts values into the editors. The editors that are not named stay as they are. */
function load(values: { [part in Part]?: unknown }, what: string): void {
  for (const part of parts) if (part in values) editors[part].text = write(values[part]);
  replan(what);
}

// Import and export.

looked.addEventListener("change", () => load({ evidence: looked.checked ? begin(about()) : undefined }, "looked"));

byId("share").addEventListener("click", async () => {
  const { claim, settings, evidence } = editors;
  const fragment = await toFragment({ claim: claim.text, settings: settings.text, evidence: evidence.text });
  history.replaceState(null, "", fragment);
  const isCopied = await copy(location.href);
  tell(`The link is ${isCopied ? "copied" : "in the address bar"}. It contains everything except the credentials.`);
});

byId("download").addEventListener("click", () => {
  const objects = [
    current?.manifests?.secret.object,
    current?.manifests?.destination.object,
    current?.manifests?.source.object,
  ];
  const documents = objects.filter((object) => object).map(write);
  if (documents.length === 0) return tell("There are no manifests.");
  const href = URL.createObjectURL(new Blob([documents.join("---\n")], { type: "application/yaml" }));
  element("a", { href, download: `${names().name}.yaml` }).click();
  URL.revokeObjectURL(href);
  tell("Apply them with `kubectl apply --server-side`.");
});

/** Opens files: each by its content, or all of them as a dump. */
async function take(files: Iterable<File>, areDump = false): Promise<void> {
  try {
    const texts = await Promise.all([...files].map(textOf));
    const dumps = texts.filter(({ text }) => areDump || isDump(text));
    const { values, strange } = sort(texts.filter((file) => !dumps.includes(file)).map(({ text }) => text));
    const loaded = parts.filter((part) => part in values);
    // If no document is recognised, the error for a dump names the place.
    if (loaded.length === 0 && dumps.length === 0) dumps.push(...texts);
    if (loaded.length > 0) load(values, loaded.every((part) => TOLD_BY.includes(part)) ? "settings" : "files");
    if (dumps.length > 0) {
      tell(`Reading ${dumps.map(({ name }) => name).join(", ")}…`);
      await dump.open(dumps, shared());
    }
    const what = loaded.length > 0 ? `Loaded: ${loaded.map((part) => PARTS[part]).join(", ")}.` : "";
    const known = "a claim, a Secret, settings, evidence, a test case or a dump";
    tell(loaded.length === 0 || strange === 0 ? what : `${what} Not recognised: ${strange}. What is: ${known}.`);
  } catch (error) {
    tell((error as Error).message);
  }
}

for (const [button, input, areDump] of [
  ["open", "files", false],
  ["open-dump", "dump-files", true],
] as const) {
  const files = byId<HTMLInputElement>(input);
  byId(button).addEventListener("click", () => files.click());
  files.addEventListener("change", () => {
    void take(files.files ?? [], areDump);
    // The same file may be opened again, with another content.
    files.value = "";
  });
}
document.addEventListener("dragover", (event) => event.preventDefault());
// Capture the event before the editors do, which would insert the files where they were dropped.
document.addEventListener(
  "drop",
  (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    void take(event.dataTransfer.files);
  },
  { capture: true },
);

async function start(): Promise<void> {
  const shared = await fromFragment(location.hash);
  if (shared === undefined) {
    if (location.hash.length > 1) tell("The link cannot be read.");
    return gallery.show();
  }
  gallery.clear();
  editors.credentials.text = write(MADE_UP);
  for (const part of ["claim", "settings", "evidence"] as const) editors[part].text = shared[part];
  replan("link");
}

addEventListener("hashchange", () => void start());
await start();
performance.mark("answered");
if ("serviceWorker" in navigator) await navigator.serviceWorker.register("worker.js").catch(() => undefined);
