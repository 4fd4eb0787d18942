// The evidence as a form, with one sentence for each question.
import type { Evidence } from "volsync-policy";
import { element } from "./dom.js";
import { TOPICS, type Count, type Fact, type Question, type Topic } from "./evidence.js";

/** Is called with a change to the evidence. The page adds what the change needs to know about the claim. */
type Changed = (change: (evidence: Evidence, about: Parameters<Question["write"]>[2]) => void) => void;

/** The form on the page. */
export class Form {
  readonly #redraws: ((evidence: Evidence) => void)[] = [];
  readonly #form: HTMLElement;
  readonly #changed: Changed;

  /** Fills `form`. `changed` is called for each answer of the user. */
  constructor(form: HTMLElement, changed: Changed) {
    [this.#form, this.#changed] = [form, changed];
    form.append(...TOPICS.map((topic) => this.#topic(topic)));
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** Shows evidence, or that there is none. */
  show(evidence: Evidence | undefined): void {
    this.#form.hidden = evidence === undefined;
    if (evidence) for (const redraw of this.#redraws) redraw(evidence);
  }

  #topic({ title, questions, counts, facts }: Topic): HTMLElement {
    return element(
      "fieldset",
      {},
      element("legend", {}, title),
      ...questions.map((question) => this.#question(question)),
      ...counts.map((count) => this.#count(count)),
      ...facts.map((fact) => this.#fact(fact)),
    );
  }

  #question({ topic, answers, read, write }: Question): HTMLElement {
    const other = element("option", { value: "" }, "is as in the YAML");
    const options = Object.entries(answers).map(([value, words]) => element("option", { value }, words));
    const id = topic.toLowerCase().replace(/\W+/g, "-");
    const select = element("select", { id }, ...options, other);
    const sentence = element("div", { class: "question" }, element("label", { for: id }, topic), select);
    select.addEventListener("change", () => this.#changed((evidence, about) => write(evidence, select.value, about)));
    this.#redraws.push((evidence) => {
      const key = read(evidence);
      const known = key !== undefined && key in answers;
      sentence.hidden = key === undefined;
      other.hidden = known;
      select.value = known ? key : "";
    });
    return sentence;
  }

  #count({ topic, least, read, write }: Count): HTMLElement {
    const input = element("input", { type: "number", min: String(least), step: "1" });
    const label = element("label", { class: "count" }, input, topic);
    input.addEventListener("input", () => {
      if (input.value !== "" && input.checkValidity())
        this.#changed((evidence) => write(evidence, input.valueAsNumber));
    });
    this.#redraws.push((evidence) => {
      const value = read(evidence);
      label.hidden = value === undefined;
      if (value !== undefined && input.valueAsNumber !== value) input.value = String(value);
    });
    return label;
  }

  #fact({ topic, read, write }: Fact): HTMLElement {
    const input = element("input", { type: "checkbox" });
    const label = element("label", { class: "fact" }, input, topic);
    input.addEventListener("change", () => this.#changed((evidence) => write(evidence, input.checked)));
    this.#redraws.push((evidence) => {
      const value = read(evidence);
      label.hidden = value === undefined;
      input.checked = value === true;
    });
    return label;
  }
}
