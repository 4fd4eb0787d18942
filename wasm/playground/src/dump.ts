// A dump that a user opens: its claims, and what it says about the chosen one.
import { readDump, type ClaimOfDump, type Dump, type Explanation, type Shared } from "volsync-policy";
import { byId, element, fill, prose } from "./dom.js";

/** The largest file that a page can handle, in bytes. */
const LIMIT = 64_000_000;

/** A longer text is a dump, because nothing else that the page opens is so long. */
const LARGE = 1_000_000;

/** A list of objects, or of the keys of a store. */
const LIST = /^items:|"(items|Contents)": *\[|"kind": *"\w*List"/m;

/** An object at the top level of a kind that only dumps contain. */
const OBJECT =
  /^ {0,4}"?kind"?: *"?(StoreListing|PersistentVolume|Replication(Source|Destination)|Job|VolumeSnapshot|Namespace)\b/m;

/** Whether a text looks like a dump. It is not parsed, because that would take minutes for a large one. */
export const isDump = (text: string) => text.length > LARGE || LIST.test(text) || OBJECT.test(text);

/** Reads a file. Throws if it is too large for a page. */
export async function textOf(file: File): Promise<{ name: string; text: string }> {
  const { name, size } = file;
  if (size <= LIMIT) return { name, text: await file.text() };
  const [is, most] = [size, LIMIT].map((bytes) => `${Math.ceil(bytes / 1e6)} MB`);
  const hint = "`volsync-policy redact` makes it smaller, and `volsync-policy explain --seen` takes it as it is";
  throw new Error(`${name}: too large: it has ${is}, and a page takes ${most}; ${hint}`);
}

/** The chosen claim, what the dump says about it, and how long that took. There may be no answer. */
export type Told = Pick<ClaimOfDump, "request"> & Partial<Explanation> & { milliseconds: number };

/** The dump on the page. */
export class Opened {
  readonly #about = element("p");
  readonly #claims = element("select", { id: "dump-claim" });
  readonly #assumes = element("input", { type: "checkbox", id: "dump-assumes" });
  readonly #missing = element("div");
  readonly #chosen: () => void;
  #dump: Dump | undefined;
  #listed: ClaimOfDump[] = [];
  /** The settings and credentials with which the claims were listed. */
  #listedBy = "";

  /** Fills the section of the page. `chosen` is called for every choice of the user. */
  constructor(chosen: () => void) {
    this.#chosen = chosen;
    for (const control of [this.#claims, this.#assumes]) control.addEventListener("change", chosen);
    const close = element("button", { type: "button", id: "dump-close" }, "Close the dump");
    close.addEventListener("click", () => this.#close());
    const assume = "Assume that its Secrets contain what the base credentials would make";
    byId("dump").append(
      this.#about,
      element("div", { class: "question" }, element("label", { for: "dump-claim" }, "Claim"), this.#claims),
      element("label", { class: "fact" }, this.#assumes, assume),
      this.#missing,
      close,
    );
  }

  /** Reads a dump, and chooses one of its claims. Throws if it cannot be read, or contains no claim. */
  async open(files: { name: string; text: string }[], shared: Shared): Promise<void> {
    const names = files.map(({ name }) => name).join(", ");
    const dump = await readDump(files);
    const claims = list(dump, shared);
    const first = claims.find(({ isSelected }) => isSelected) ?? claims[0];
    if (!first) throw new Error(`${names}: no claim is in it; \`kubectl get pvc -A -o json\` prints them`);
    this.#dump?.free();
    this.#dump = dump;
    this.#show(claims, claims.indexOf(first), JSON.stringify(shared));
    fill(byId("dump-title"), `Dump: ${names}`);
    byId("dump").hidden = false;
    this.#claims.focus();
    this.#chosen();
  }

  /** What the dump says about the chosen claim; undefined if none is chosen. */
  tell(shared: Shared): Told | undefined {
    if (!this.#dump || this.#claims.value === "") return undefined;
    const [index, by] = [Number(this.#claims.value), JSON.stringify(shared)];
    if (by !== this.#listedBy) this.#show(list(this.#dump, shared), index, by);
    const { request } = this.#listed[index]!;
    const started = performance.now();
    try {
      const explanation = this.#dump.explain(request, shared, this.#assumes.checked);
      this.#say(explanation.missing);
      return { request, ...explanation, milliseconds: performance.now() - started };
    } catch (error) {
      this.#say([{ topic: "problem", sentence: (error as Error).message }]);
      return { request, milliseconds: performance.now() - started };
    }
  }

  /** Chooses no claim, because the page no longer shows what the dump says. */
  leave(): void {
    this.#claims.selectedIndex = 0;
    this.#say([]);
  }

  /** Shows the claims as listed with `shared`, and chooses the one at `index`. */
  #show(claims: ClaimOfDump[], index: number, by: string): void {
    [this.#listed, this.#listedBy] = [claims, by];
    const group = (label: string, isOfIt: (claim: ClaimOfDump) => boolean) => {
      const options = claims.flatMap((claim, index) => (isOfIt(claim) ? [option(claim, index)] : []));
      return options.length > 0 && element("optgroup", { label: `${label} (${options.length})` }, ...options);
    };
    fill(
      this.#claims,
      element("option", { value: "" }, "none of the dump"),
      group("Labelled", ({ isSelected }) => isSelected),
      group("Without the label, or in an excluded namespace", ({ isSelected }) => !isSelected),
    );
    this.#claims.value = String(index);
    const labelled = claims.filter(({ isSelected }) => isSelected).length;
    fill(
      this.#about,
      `Claims: ${claims.length}; with the label: ${labelled}. They are planned with the base credentials and the ` +
        "settings below, which must be those of the cluster. What is not in the dump is unread. The values of its " +
        "Secrets were removed when it was read.",
    );
  }

  #say(missing: { topic: string; sentence: string }[]): void {
    const told = missing.flatMap(({ topic, sentence }) => [
      element("dt", {}, topic),
      element("dd", {}, ...prose(sentence)),
    ]);
    fill(this.#missing, told.length > 0 && element("dl", { id: "dump-missing" }, ...told));
  }

  #close(): void {
    this.#dump?.free();
    this.#dump = undefined;
    this.#show([], 0, "");
    this.#say([]);
    byId("dump").hidden = true;
    byId("open-dump").focus();
  }
}

/** The claims of a dump, listed with the default settings if the given ones are invalid. */
function list(dump: Dump, shared: Shared): ClaimOfDump[] {
  try {
    return dump.claims(shared);
  } catch {
    return dump.claims({});
  }
}

function option({ request }: ClaimOfDump, index: number): HTMLOptionElement {
  const { namespace, name } = (request as { metadata: { namespace?: string; name: string } }).metadata;
  return element("option", { value: String(index) }, `${namespace ?? ""}/${name}`);
}
