// Caches the page for use without a network: all of it or nothing. The files for dumps are cached once they are
// fetched.
declare const FILES: string[];
declare const LATER: string[];
declare const VERSION: string;
const worker = self as unknown as ServiceWorkerGlobalScope;

/** Other pages of the origin may have caches too. */
const PREFIX = `volsync-policy ${worker.registration.scope} `;
const CACHE = PREFIX + VERSION;

const fetchAll = async () => {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })));
  await worker.skipWaiting();
};

const removeOld = async () => {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await worker.clients.claim();
};

const answer = async (request: Request) => {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request, { ignoreSearch: true });
  if (kept) return kept;
  const response = await fetch(request);
  const isLater = LATER.some((file) => request.url === new URL(file, worker.registration.scope).href);
  if (isLater && response.ok) await cache.put(request, response.clone());
  return response;
};

worker.addEventListener("install", (event) => event.waitUntil(fetchAll()));
worker.addEventListener("activate", (event) => event.waitUntil(removeOld()));
worker.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

export {};
