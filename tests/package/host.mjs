// A host in JavaScript: the loop of docs/hosts.md, without any rule. `world` contains its client of the API server
// (`api`, `log`), its client of the store (`store`), and its clock (`wait`, `until`).

/** The rounds of the loop for one claim, until it is gone. Each begins when the plan before it says so. */
export async function* rounds(policy, claim, given, world) {
  for (let read; (read = await world.api("GET", claim)).status !== 404;) {
    const inspection = { ...given, request: read.body, seen: {} };
    await look(policy, inspection, world);
    const plan = policy.plan(inspection);
    yield { inspection, plan, failure: await carryOut(plan, inspection, world) };
    await world.until(plan.again);
  }
}

/** Reads everything that the policy asks for. */
async function look(policy, inspection, world) {
  for (let reads; (reads = policy.reads(inspection)).length > 0;) {
    for (const read of reads) {
      if (read.afterSeconds) await world.wait(read.afterSeconds);
      const form = Object.keys(LOOKS).find((form) => form in read);
      inspection.seen[read.role] = seen(await LOOKS[form](read[form], world, inspection));
    }
  }
}

/** An answer in the form for `seen`. */
function seen({ status, code, date, ...found }) {
  if (status === 200) return { ...found, date };
  if (code === "NoSuchBucket") return { failed: "storeMissing" };
  return status === 404 ? { absent: true, date } : { failed: FAILURES[status] ?? "unreachable" };
}

/** Carries out the writes of a plan. The first that fails ends the round, and is returned. */
export async function carryOut(plan, inspection, world) {
  for (const write of plan.writes) {
    const verb = Object.keys(VERBS).find((verb) => verb in write);
    const { status } = await VERBS[verb](write[verb], world, inspection, plan);
    const isGone = status === 404 && ["delete", "copy", "remove"].includes(verb);
    if (status >= 300 && !isGone) return { ...write, status };
  }
}

const FAILURES = { 401: "denied", 403: "denied", 408: "timeout", 504: "timeout" };

const LOOKS = {
  async object(object, { api }) {
    const { status, body } = await api("GET", object);
    return { status, object: body };
  },
  async log(job, { log }) {
    const { status, body } = await log(job);
    return { status, log: body };
  },
  async listing({ through, key }, { store }, inspection) {
    const { body, ...answer } = await store("LIST", key, credentials(through, inspection));
    return { ...answer, listing: body?.contents, prefixes: body?.commonPrefixes };
  },
  async bytes({ through, key }, { store }, inspection) {
    const { body, ...answer } = await store("GET", key, credentials(through, inspection));
    return { ...answer, bytes: body?.toString("base64") };
  },
  // There is one claim, so none is ahead of it.
  turn: async () => ({ status: 200, ahead: 0 }),
};

const VERBS = {
  create: ({ manifest, fieldManager }, { api }, _, { manifests }) =>
    api("POST", address(manifests[manifest].object), { fieldManager, body: manifests[manifest].object }),
  apply({ manifest, fieldManager, uid, resourceVersion }, { api }, _, { manifests }) {
    const { object } = manifests[manifest];
    const body = { ...object, metadata: { ...object.metadata, uid, resourceVersion } };
    return api("PATCH", address(object), { type: "apply-patch+yaml", force: true, fieldManager, body });
  },
  patch: ({ object, ...patch }, { api }) => api("PATCH", object, { type: "merge-patch+json", ...patch }),
  patchStatus: ({ object, ...patch }, { api }) =>
    api("PATCH", object, { type: "merge-patch+json", subresource: "status", ...patch }),
  delete: ({ object, uid }, { api }) => api("DELETE", object, { preconditions: { uid } }),
  put: ({ through, key, text, ifMatch, ifNoneMatch }, { store }, inspection) =>
    store("PUT", key, credentials(through, inspection), { ifMatch, ifNoneMatch, body: text }),
  copy: ({ from, to }, { store }, inspection) =>
    store("PUT", to.key, credentials(to.through, inspection), { copySource: from.key }),
  remove: ({ through, key }, { store }, inspection) => store("DELETE", key, credentials(through, inspection)),
};

const address = ({ apiVersion, kind, metadata: { namespace, name } }) => ({ apiVersion, kind, namespace, name });

/** The credentials for the store: the base credentials, or those in the claim's Secret. */
function credentials(through, { credentials, seen }) {
  if (through === "base") return credentials.stringData;
  const data = Object.entries(seen.secret.object.data);
  return Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
}
