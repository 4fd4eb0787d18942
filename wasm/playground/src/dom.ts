// Helpers for elements of the page.

type Child = Node | string | null | undefined | false;

/** The element with this id. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** A new element. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | boolean> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...present(children));
  return made;
}

/** Replaces the children of an element. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren(...present(children));
}

/** Shows a message, and announces it to screen readers. */
export function tell(what: string): void {
  fill(byId("told"), ...prose(what));
}

/** Copies a text. Returns whether the browser allowed it. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** A button that copies a text. */
export function copying(text: string | (() => string | undefined)): HTMLButtonElement {
  const button = element("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    const copied = typeof text === "string" ? text : text();
    if (copied === undefined) return;
    tell((await copy(copied)) ? "Copied." : "The browser does not let this page copy.");
  });
  return button;
}

/** Text in which parts in backticks are shown as code. */
export function prose(text: string): Node[] {
  return text
    .split("`")
    .map((part, index) => (index % 2 === 1 ? element("code", {}, part) : document.createTextNode(part)));
}

const present = (children: Child[]) =>
  children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false);
