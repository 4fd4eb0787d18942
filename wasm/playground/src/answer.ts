// The answer: what was decided, why, and what a person can do.
import type { Plan, Verdict } from "volsync-policy";
import { copying, element, fill, prose } from "./dom.js";

/** A problem because of which there is no answer. */
export interface Fault {
  /** The name of the editor, and the line in it. */
  place: string;
  message: string;
  /** Puts the cursor there. */
  go(): void;
}

/** What happens to a claim, in a word, each with a colour and a sign. */
type Tone = "runs" | "waits" | "held" | "paused" | "removed" | "kept" | "refused";

const TONES: { [tone in Tone]: { sign: string; words: string } } = {
  runs: { sign: "✓", words: "The backup runs" },
  waits: { sign: "…", words: "Not backed up yet" },
  held: { sign: "‖", words: "Held, until a person decides" },
  paused: { sign: "‖", words: "The backup is paused" },
  removed: { sign: "−", words: "The backup ends" },
  kept: { sign: "=", words: "Left as it is" },
  refused: { sign: "✕", words: "Refused" },
};

/** The appearance of a verdict. */
export function tone({ verdict, refusal }: Plan): Tone {
  if (refusal !== null || verdict.admission === "deny") return "refused";
  if (verdict.backup === "release") return "runs";
  if (verdict.hold) return "held";
  return ({ pause: "paused", delete: "removed", withhold: "waits", keep: "kept" } as const)[verdict.backup];
}

/** The sign and the words of a verdict. */
export const signed = (plan: Plan): { sign: string; words: string } => TONES[tone(plan)];

/** Shows a plan, and only the decision in `brief`. */
export function showPlan(
  target: Element,
  brief: Element,
  plan: Plan,
  claim: { namespace: string; name: string },
  milliseconds: number,
): void {
  const { verdict, notes } = plan;
  const { sign, words } = signed(plan);
  const { hold, covers, problem, wayOut } = verdict;
  target.className = brief.className = tone(plan);
  brief.textContent = `${sign} ${words}: ${verdict.code}`;
  fill(
    target,
    element("p", { class: "tone" }, element("span", { class: "sign", "aria-hidden": "true" }, sign), words),
    element("p", { class: "message" }, ...prose(verdict.message)),
    element(
      "p",
      { class: "code" },
      element("code", { id: "code" }, verdict.code),
      element("span", {}, `row ${verdict.row}`),
      element("span", { id: "took" }, `planned in ${milliseconds.toFixed(1)} ms`),
    ),
    problem && element("p", {}, element("strong", {}, problem.path), ": ", ...prose(problem.message)),
    problem?.hint && element("p", {}, ...prose(problem.hint)),
    wayOut && titled("Way out", element("p", {}, ...prose(wayOut))),
    hold &&
      titled(
        "To accept it",
        element("p", {}, "The acceptance counts only for these facts:"),
        element(
          "dl",
          { class: "covers" },
          ...covers.flatMap(({ topic, text }) => [element("dt", {}, topic), element("dd", {}, text)]),
        ),
        element("pre", { class: "command" }, accept(claim, hold)),
        copying(accept(claim, hold)),
      ),
    titled(
      "What is done",
      element(
        "dl",
        {},
        ...done(plan).flatMap(([what, how]) => [element("dt", {}, what), element("dd", {}, ...prose(how))]),
      ),
    ),
    notes.length > 0 &&
      titled(
        "Notes",
        element(
          "ul",
          {},
          ...notes.map(({ code, message }) => element("li", {}, element("code", {}, code), " ", ...prose(message))),
        ),
      ),
  );
}

/** Shows the problems because of which there is no answer. */
export function showFaults(target: Element, brief: Element, faults: Fault[]): void {
  target.className = brief.className = "faults";
  brief.textContent = "! This cannot be read";
  const item = ({ place, message, go }: Fault) => {
    const button = element("button", { type: "button", class: "link" }, place);
    button.addEventListener("click", go);
    return element("li", {}, button, " ", ...prose(message));
  };
  fill(
    target,
    element(
      "p",
      { class: "tone" },
      element("span", { class: "sign", "aria-hidden": "true" }, "!"),
      "The input is invalid",
    ),
    element("ul", {}, ...faults.map(item)),
  );
}

const titled = (title: string, ...body: Node[]) => element("div", { class: "part" }, element("h3", {}, title), ...body);

const accept = ({ namespace, name }: { namespace: string; name: string }, hold: string) =>
  `kubectl annotate --overwrite pvc ${name} -n ${namespace} volsync-policy.io/accept="${hold} <reason>"`;

/** The action on each object, in words. */
function done(plan: Plan): [string, string][] {
  const { verdict, manifests, patch } = plan;
  const denied = verdict.admission === "deny" && "is rejected";
  const admission = denied || (patch ? "gets a reference to its restore when it is created" : "is admitted unchanged");
  const claim: [string, string] = ["Claim", admission];
  if (!manifests) return [claim];
  return [
    claim,
    ["Secret", SECRET[manifests.secret.action]],
    ["ReplicationDestination", RESTORE[verdict.restore]],
    ["ReplicationSource", BACKUP[verdict.backup]],
  ];
}

const SECRET: { [action in Verdict["restore"]]: string } = {
  apply: "is applied",
  keep: "is not applied",
  consume: "stays",
  delete: "is deleted",
};

const RESTORE: { [action in Verdict["restore"]]: string } = {
  apply: "is created: the claim stays Pending until it is done",
  consume: "has its image consumed, so that no later claim is populated from it",
  delete: "is deleted",
  keep: "stays as it is",
};

const BACKUP: { [action in Verdict["backup"]]: string } = {
  release: "runs: at once if it is new, then on its schedule",
  pause: "is rendered paused",
  withhold: "is not created for now",
  keep: "stays as it is",
  delete: "is deleted as soon as no backup is in progress",
};
