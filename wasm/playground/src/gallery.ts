// The list of stories, and the steps of the chosen one.
import { element, fill, prose } from "./dom.js";
import { STORIES, type Step, type Story } from "./stories.js";

/** The gallery. */
export class Gallery {
  readonly #buttons = new Map<Story, HTMLButtonElement>();
  readonly #told: HTMLElement;
  readonly #chosen: (step: Step) => void;

  /** Lists the stories, and shows the chosen one in `told`. `chosen` is called for each step that is shown. */
  constructor(list: HTMLElement, told: HTMLElement, chosen: (step: Step) => void) {
    [this.#told, this.#chosen] = [told, chosen];
    for (const story of STORIES) {
      const button = element("button", { type: "button", "data-story": story.id }, story.title);
      button.addEventListener("click", () => this.show(story));
      this.#buttons.set(story, button);
      list.append(element("li", {}, button));
    }
  }

  /** Shows a step of a story; by default the first step of the first story. */
  show(story = STORIES[0]!, index = 0): void {
    this.#press(story);
    const others = (who: string, what: string) => element("p", {}, element("strong", {}, who), " ", ...prose(what));
    fill(
      this.#told,
      element("p", { class: "plot" }, ...prose(story.plot)),
      element("ol", {}, ...story.steps.map((_, other) => this.#step(story, other, other === index))),
      element(
        "div",
        { class: "others" },
        others("VolSync by itself:", story.volsync),
        others("A Kyverno policy that checked at admission:", story.kyverno),
      ),
    );
    this.#chosen(story.steps[index]!);
  }

  /** Shows no story. */
  clear(): void {
    this.#press(undefined);
    fill(this.#told);
  }

  #press(chosen: Story | undefined): void {
    for (const [story, button] of this.#buttons) button.setAttribute("aria-pressed", String(story === chosen));
  }

  #step(story: Story, index: number, isShown: boolean): HTMLElement {
    const words = prose(story.steps[index]!.name);
    const button = element("button", { type: "button", "aria-current": isShown ? "step" : "false" }, ...words);
    button.addEventListener("click", () => {
      this.show(story, index);
      this.#told.querySelectorAll<HTMLButtonElement>("ol button")[index]?.focus();
    });
    return element("li", {}, button);
  }
}
