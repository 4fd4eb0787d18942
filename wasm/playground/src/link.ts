// A link with the contents of the editors, but never with credentials. All of it is in the fragment, which browsers do
// not send.

/** The contents of a link. */
export interface Shared {
  claim: string;
  settings: string;
  evidence: string;
}

const PREFIX = "#review=";

/** The fragment for these contents. */
export async function toFragment({ claim, settings, evidence }: Shared): Promise<string> {
  const json = new TextEncoder().encode(JSON.stringify({ claim, settings, evidence }));
  const bytes = await through(json, new CompressionStream("deflate-raw"));
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return PREFIX + base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The contents of a fragment; undefined if it is not one of these, or cannot be read. */
export async function fromFragment(fragment: string): Promise<Shared | undefined> {
  if (!fragment.startsWith(PREFIX)) return undefined;
  try {
    const base64 = fragment.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const json = await through(bytes, new DecompressionStream("deflate-raw"));
    const { claim, settings, evidence } = JSON.parse(new TextDecoder().decode(json)) as Partial<Shared>;
    return { claim: String(claim ?? ""), settings: String(settings ?? ""), evidence: String(evidence ?? "") };
  } catch {
    return undefined;
  }
}

async function through(bytes: Uint8Array<ArrayBuffer>, stream: CompressionStream | DecompressionStream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}
