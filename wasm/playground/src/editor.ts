// An editor for YAML. It has a shadow root, in which CodeMirror needs no inline style, because the content security
// policy of the page allows none.
import { autocompletion, completionKeymap, type CompletionSource } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml, yamlLanguage } from "@codemirror/lang-yaml";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { EditorState, Transaction } from "@codemirror/state";
import { drawSelection, EditorView, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { classHighlighter, highlightCode } from "@lezer/highlight";
import { element } from "./dom.js";
import type { Mark } from "./documents.js";

const theme = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--paper)", fontSize: "13px", maxHeight: "26rem" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-gutters": { backgroundColor: "var(--paper)", color: "var(--faint)", border: "none" },
  ".cm-gutter-lint": { width: "1em" },
  ".cm-content": { caretColor: "var(--ink)", paddingBlock: "8px" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--selection)",
  },
  ".cm-placeholder": { color: "var(--faint)" },
  ".cm-matchingBracket": { backgroundColor: "var(--selection)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--ink)", border: "1px solid var(--line)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-completionDetail": { color: "inherit", opacity: "0.8" },
  ".cm-completionInfo": { maxWidth: "24rem" },
  ".cm-diagnostic": { fontFamily: "var(--sans)" },
  ".cm-lintRange-error": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--bad)",
    textUnderlineOffset: "3px",
  },
  ".tok-propertyName": { color: "var(--key)" },
  ".tok-string, .tok-string2": { color: "var(--text)" },
  ".tok-number, .tok-bool, .tok-atom, .tok-keyword": { color: "var(--atom)" },
  ".tok-comment, .tok-meta": { color: "var(--faint)" },
});

/** An editor on the page. */
export class Editor {
  readonly #view: EditorView;
  readonly #root: ShadowRoot;

  /** Creates an editor in `parent`, with the name `label`. `changed` is called when the user changes its text. */
  constructor(parent: Element, label: string, changed: () => void, complete?: CompletionSource) {
    const host = element("div", { class: "editor" });
    parent.append(host);
    this.#root = host.attachShadow({ mode: "open" });
    const extensions = [
      lineNumbers(),
      history(),
      drawSelection(),
      indentOnInput(),
      indentUnit.of("  "),
      bracketMatching(),
      yaml(),
      syntaxHighlighting(classHighlighter),
      lintGutter(),
      autocompletion({ override: complete ? [complete] : [] }),
      keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
      placeholder("nothing"),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
      EditorView.updateListener.of((update) => {
        if (update.transactions.some((it) => it.docChanged && it.annotation(Transaction.userEvent))) changed();
      }),
      theme,
    ];
    const state = EditorState.create({ extensions });
    this.#view = new EditorView({ state, parent: this.#root, root: this.#root });
  }

  /** The text of the editor. */
  get text(): string {
    return this.#view.state.doc.toString();
  }

  set text(text: string) {
    if (text === this.text) return;
    this.#view.dispatch({ changes: { from: 0, to: this.#view.state.doc.length, insert: text } });
  }

  /** Marks problems. */
  mark(marks: Mark[]): void {
    const { length } = this.#view.state.doc;
    const within = (at: number) => Math.min(at, length);
    const diagnostics = marks.map(({ from, to, message }) => ({
      from: within(from),
      to: within(Math.max(to, from)),
      severity: "error" as const,
      message,
    }));
    this.#view.dispatch(setDiagnostics(this.#view.state, diagnostics));
  }

  /** The number of the line, from 1, of a place in the text. */
  lineAt(at: number): number {
    return this.#view.state.doc.lineAt(Math.min(at, this.#view.state.doc.length)).number;
  }

  /** Puts the cursor at a place. */
  focus(at = 0): void {
    this.#view.focus();
    this.#view.dispatch({ selection: { anchor: Math.min(at, this.#view.state.doc.length) }, scrollIntoView: true });
  }
}

/** YAML with colours, for reading. */
export function highlighted(text: string): DocumentFragment {
  const made = document.createDocumentFragment();
  const put = (part: string, classes: string) =>
    made.append(classes ? element("span", { class: classes }, part) : part);
  highlightCode(text, yamlLanguage.parser.parse(text), classHighlighter, put, () => made.append("\n"));
  return made;
}
