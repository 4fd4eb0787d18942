// A link that holds what stands in the editors, but never credentials: all in the fragment, which no browser sends.

/** What a link holds. */
export interface Shared {
  claim: string;
  settings: string;
  evidence: string;
}

const PREFIX = "#review=";

/** The fragment that holds these. */
export async function toFragment({ claim, settings, evidence }: Shared): Promise<string> {
  const json = new TextEncoder().encode(JSON.stringify({ claim, settings, evidence }));
  const bytes = await through(json, new CompressionStream("deflate-raw"));
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return PREFIX + base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** What a fragment holds; nothing where it is none of ours, or cannot be read. */
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
