// The decision map: every combination of the answers to two questions about the evidence, each planned by the policy.
import type { Evidence, Plan } from "volsync-policy";
import { signed, tone } from "./answer.js";
import { element, fill } from "./dom.js";
import { TOPICS, type About, type Question } from "./evidence.js";

const QUESTIONS = TOPICS.flatMap(({ questions }) => questions);

/** Is called with a change to the evidence. */
type Chosen = (change: (evidence: Evidence, about: About) => void) => void;

/** The map on the page. */
export class DecisionMap {
  readonly #rows: HTMLSelectElement;
  readonly #columns: HTMLSelectElement;
  #redraw = () => {};

  /** Puts the choice of the two questions and the cells on the page. `chosen` is called when the user clicks a cell. */
  constructor(
    axes: HTMLElement,
    readonly cells: HTMLElement,
    readonly chosen: Chosen,
  ) {
    const axis = (chosen: string) => {
      const options = QUESTIONS.map(({ topic }, index) =>
        element("option", { value: String(index), selected: topic === chosen }, topic),
      );
      const select = element("select", {}, ...options);
      select.addEventListener("change", () => this.#redraw());
      return select;
    };
    [this.#rows, this.#columns] = [axis("The restore"), axis("The repository")];
    axes.append(element("label", {}, "Down ", this.#rows), element("label", {}, "Across ", this.#columns));
  }

  /** Draws the map for some evidence; `plan` fills the cells. */
  show(evidence: Evidence | undefined, about: About, plan: (evidence: Evidence) => Plan | undefined): void {
    this.#redraw = () => {
      const [rows, columns] = [this.#rows, this.#columns].map((select) => QUESTIONS[Number(select.value)]!) as [
        Question,
        Question,
      ];
      fill(
        this.cells,
        evidence
          ? this.#table(evidence, about, plan, rows, columns)
          : element("p", {}, "There is no evidence to vary."),
      );
    };
    this.#redraw();
  }

  #table(
    evidence: Evidence,
    about: About,
    plan: (evidence: Evidence) => Plan | undefined,
    rows: Question,
    columns: Question,
  ): HTMLElement {
    const across = rows === columns ? [["", ""] as [string, string]] : Object.entries(columns.answers);
    const cell = (row: string, column: string) => {
      const change = (varied: Evidence) => {
        if (column) columns.write(varied, column, about);
        rows.write(varied, row, about);
      };
      const varied = structuredClone(evidence);
      change(varied);
      const made = plan(varied);
      if (!made) return element("td", {}, "–");
      const { sign, words } = signed(made);
      const isHere = rows.read(evidence) === row && (!column || columns.read(evidence) === column);
      const button = element(
        "button",
        { type: "button", class: tone(made), title: words, "aria-current": isHere ? "true" : "false" },
        element("span", { "aria-hidden": "true" }, `${sign} `),
        made.verdict.code,
      );
      button.addEventListener("click", () => this.chosen(change));
      return element("td", {}, button);
    };
    const head = element("tr", {}, element("td"), ...across.map(([, words]) => element("th", { scope: "col" }, words)));
    const body = Object.entries(rows.answers).map(([row, words]) =>
      element("tr", {}, element("th", { scope: "row" }, words), ...across.map(([column]) => cell(row, column))),
    );
    return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
  }
}
