// Files that a user opens. The content of each document shows what it is.
import { schema } from "volsync-policy";
import { parseAllDocuments } from "yaml";

/** Parts of a review, each under the name of its editor. */
export interface Sorted {
  values: { claim?: unknown; credentials?: unknown; settings?: unknown; evidence?: unknown };
  /** The number of documents that are none of these. */
  strange: number;
}

type Fields = { [key: string]: unknown };

/** The keys by which settings and evidence are distinguished. */
const keysOf = (of: "settings" | "evidence") => Object.keys(schema(of).properties as Fields);

/** Sorts the documents of some texts. The last of each kind counts; of a file with test cases, the first. */
export function sort(texts: string[]): Sorted {
  const sorted: Sorted = { values: {}, strange: 0 };
  for (const document of texts.flatMap(documents)) {
    const part = recognise(document);
    if (part === undefined) sorted.strange += 1;
    else sorted.values = { ...sorted.values, ...part };
  }
  return sorted;
}

function documents(text: string): Fields[] {
  const parsed = [...parseAllDocuments(text)].map((document) => {
    const value: unknown = document.errors.length > 0 ? undefined : document.toJS();
    return typeof value === "object" && value !== null ? (value as Fields) : {};
  });
  return parsed.some(isCase) ? parsed.slice(0, 1) : parsed;
}

const isCase = (document: Fields) => "request" in document && document.kind === undefined;

function recognise(document: Fields): Sorted["values"] | undefined {
  if (isCase(document)) {
    const { request, credentials, settings, evidence } = document;
    return { claim: request, credentials, settings, evidence };
  }
  if (document.kind === "PersistentVolumeClaim" || document.kind === "AdmissionReview") return { claim: document };
  if (document.kind === "Secret") return { credentials: document };
  if (document.kind !== undefined) return undefined;
  // Some keys are in both: it is the one of which it has more keys.
  const count = (keys: string[]) => keys.filter((key) => key in document).length;
  const [settings, evidence] = [count(keysOf("settings")), count(keysOf("evidence"))];
  if (settings === 0 && evidence === 0) return undefined;
  return evidence > settings ? { evidence: document } : { settings: document };
}
