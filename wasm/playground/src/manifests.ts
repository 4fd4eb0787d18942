// The results of the plan, in tabs: as a whole, or compared with another plan.
import { diffLines } from "diff";
import type { Plan } from "volsync-policy";
import { copying, element, fill } from "./dom.js";
import { write } from "./documents.js";
import { highlighted } from "./editor.js";

/** The tabs, each with its title and its text. */
const TABS: { id: string; title: string; text(plan: Plan): string }[] = [
  { id: "source", title: "ReplicationSource", text: ({ manifests }) => write(manifests?.source.object ?? undefined) },
  {
    id: "destination",
    title: "ReplicationDestination",
    text: ({ manifests }) => write(manifests?.destination.object ?? undefined),
  },
  { id: "secret", title: "Secret", text: ({ manifests }) => write(manifests?.secret.object ?? undefined) },
  { id: "patch", title: "Patch", text: ({ patch }) => write(patch ?? undefined) },
  { id: "steps", title: "Steps", text: ({ steps }) => (steps.length > 0 ? write(steps) : "") },
  { id: "plan", title: "Plan", text: (plan) => JSON.stringify(plan, null, 2) },
];

const VIEWS = {
  whole: "everything",
  before: "changes since the previous answer",
  profile: "changes with the other profile",
};

/** A plan, and the plans that it can be compared with. */
export interface Shown {
  plan: Plan;
  before: Plan | undefined;
  profile(): Plan | undefined;
}

/** The tabs on the page. */
export class Manifests {
  readonly #tabs: HTMLButtonElement[];
  readonly #panel = element("div", { role: "tabpanel", id: "panel" });
  readonly #view = element(
    "select",
    { id: "view" },
    ...Object.entries(VIEWS).map(([value, words]) => element("option", { value }, words)),
  );
  #chosen = TABS[0]!;
  #shown: Shown | undefined;

  /** Puts the tabs into `parent`. */
  constructor(parent: Element) {
    this.#tabs = TABS.map(({ id, title }) =>
      element("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": "panel" }, title),
    );
    const list = element("div", { role: "tablist", "aria-label": "What is rendered" }, ...this.#tabs);
    this.#tabs.forEach((tab, index) => tab.addEventListener("click", () => this.#choose(index)));
    list.addEventListener("keydown", (event) => this.#move(event));
    this.#view.addEventListener("change", () => this.#draw());
    const copy = copying(() => this.#shown && this.#chosen.text(this.#shown.plan));
    const bar = element("div", { class: "bar" }, element("label", {}, "Show ", this.#view), copy);
    parent.append(list, bar, this.#panel);
    this.#choose(0);
  }

  /** Shows a plan, or nothing. */
  show(shown: Shown | undefined): void {
    this.#shown = shown;
    this.#draw();
  }

  #choose(index: number): void {
    this.#chosen = TABS[index]!;
    this.#tabs.forEach((tab, other) => {
      tab.setAttribute("aria-selected", String(other === index));
      tab.tabIndex = other === index ? 0 : -1;
    });
    this.#panel.setAttribute("aria-labelledby", `tab-${this.#chosen.id}`);
    this.#draw();
  }

  #move(event: KeyboardEvent): void {
    const [index, last] = [TABS.indexOf(this.#chosen), TABS.length - 1];
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + TABS.length) % TABS.length;
    this.#choose(next);
    this.#tabs[next]!.focus();
  }

  #draw(): void {
    const { text } = this.#chosen;
    if (!this.#shown) return fill(this.#panel, nothing("There is no answer."));
    const { plan, before, profile } = this.#shown;
    const view = this.#view.value as keyof typeof VIEWS;
    const other = view === "before" ? before : view === "profile" ? profile() : undefined;
    if (view !== "whole" && !other) return fill(this.#panel, nothing("There is nothing to compare it with."));
    const lines = other ? difference(text(other), text(plan)) : text(plan) && highlighted(text(plan));
    fill(
      this.#panel,
      lines ? element("pre", { tabindex: "0" }, lines) : nothing(other ? "It is the same." : "There is none."),
    );
  }
}

const nothing = (words: string) => element("p", { class: "none" }, words);

/** The number of lines that are shown around a change. */
const CONTEXT = 3;

/** The lines that differ, with some lines around them; undefined if none differ. */
function difference(one: string, other: string): DocumentFragment | undefined {
  const changes = diffLines(one, other);
  if (!changes.some(({ added, removed }) => added || removed)) return undefined;
  const made = document.createDocumentFragment();
  const put = (sign: string, lines: string[], tag: "ins" | "del" | "span") => {
    for (const line of lines) made.append(element(tag, {}, `${sign} ${line}\n`));
  };
  changes.forEach(({ value, added, removed }, index) => {
    const lines = value.replace(/\n$/, "").split("\n");
    if (added) return put("+", lines, "ins");
    if (removed) return put("-", lines, "del");
    const [first, last] = [index === 0, index === changes.length - 1];
    if (lines.length <= 2 * CONTEXT + 1) return put(" ", lines, "span");
    if (!first) put(" ", lines.slice(0, CONTEXT), "span");
    put(" ", ["…"], "span");
    if (!last) put(" ", lines.slice(-CONTEXT), "span");
  });
  return made;
}
