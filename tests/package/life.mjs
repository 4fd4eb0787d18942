// The life of a claim, from its creation to its first backup and through a second creation. A host in JavaScript drives
// it with raw objects. The result is one line of JSON.
import assert from "node:assert/strict";
import * as policy from "volsync-policy/host";
import { carryOut, rounds } from "./host.mjs";
import { World } from "./world.mjs";

const [RELEASED, CONSUMED] = ["volsync-policy.io/released", "volsync-policy.io/consumed"];
const LEDGER = "here/.volsync-policy";
const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: "shop", name: "data" };
const VOLSYNC = { apiVersion: "volsync.backube/v1alpha1", namespace: "shop" };
const DESTINATION = { ...VOLSYNC, kind: "ReplicationDestination", name: "data-restore" };
const SOURCE = { ...VOLSYNC, kind: "ReplicationSource", name: "data-backup" };
const created = {
  apiVersion: "v1",
  kind: "PersistentVolumeClaim",
  metadata: { namespace: "shop", name: "data", labels: { backup: "hourly" } },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, storageClassName: "csi" },
};
const given = {
  settings: { ledger: { storeId: "store-1" }, restore: { clearDeadLocks: true } },
  credentials: {
    kind: "Secret",
    stringData: {
      RESTIC_REPOSITORY: "s3:http://s3.example.internal:9000/backups/here",
      RESTIC_PASSWORD: "made-up-password",
      AWS_ACCESS_KEY_ID: "made-up-user",
      AWS_SECRET_ACCESS_KEY: "made-up-key",
    },
  },
};

/** A backup runs only for the existing claim, and only after its release is recorded on it and in the ledger. */
function releasedBeforeItRuns(world) {
  for (const source of world.list("ReplicationSource").filter((source) => source.spec.paused !== true)) {
    const { uid, annotations } = world.get(CLAIM).metadata;
    assert.equal(source.metadata.ownerReferences[0].uid, uid);
    assert.equal(JSON.parse(annotations?.[RELEASED] ?? "{}").uid, uid);
    assert.equal(entry(world)?.writer.uid, uid);
  }
}

/** The claim's ledger entry. */
function entry(world) {
  const stored = world.s3.objects.get(`${LEDGER}/entries/shop/data.json`);
  return stored && JSON.parse(stored.bytes);
}

/** The names of the snapshots, the newest last. */
function snapshots(world) {
  const stored = [...world.s3.objects].filter(([key]) => key.startsWith("here/shop/data/snapshots/"));
  return stored.map(([key]) => key.split("/").at(-1));
}

const world = new World("backups", releasedBeforeItRuns);
const add = (object) => world.cluster.request("POST", { ...object, ...object.metadata }, { body: object });
for (const name of ["kube-system", "shop"]) add({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
const marker = JSON.stringify({ version: 1, storeId: "store-1" });
world.s3.request("PUT", `${LEDGER}/store.json`, given.credentials.stringData, { body: marker });

/** A person creates the claim, and admission patches it. */
function create() {
  const { patch } = policy.plan({ ...given, request: created });
  const [{ op, path, value: dataSourceRef }] = patch;
  assert.deepEqual([patch.length, op, path], [1, "add", "/spec/dataSourceRef"]);
  add({ ...created, spec: { ...created.spec, dataSourceRef } });
  return world.get(CLAIM).metadata.uid;
}

const [codes, verbs] = [[], new Set()];
const host = rounds(policy, CLAIM, given, world);

/** Runs rounds of the host until something holds, and returns the last one. */
async function until(holds) {
  for (let left = 30; left > 0; left -= 1) {
    const { value: round } = await host.next();
    const { code } = round.plan.verdict;
    if (codes.at(-1) !== code) codes.push(code);
    assert.equal(round.failure, undefined);
    for (const { step, ...write } of round.plan.writes) verbs.add(Object.keys(write)[0]);
    if (holds(round)) return round;
  }
  assert.fail(`it did not come about; ${codes.join()}`);
}

const untilCode = (code) => until(({ plan }) => plan.verdict.code === code);
const untilRemembered = (count) =>
  until(() => snapshots(world).length === count && entry(world).memory?.newestKey === snapshots(world).at(-1));

/** Another host has read the same as the first, and is slower: its first write is refused, and it makes no other. */
async function rival({ plan, inspection }, refusal) {
  const before = world.count.writes;
  const failure = await carryOut(plan, inspection, world);
  assert.deepEqual(failure, { ...plan.writes[0], status: refusal });
  assert.equal(world.count.writes, before + 1);
}

/** There is nothing to do until something happens. */
async function quiet() {
  const before = world.count.writes;
  const { plan } = await until(() => true);
  assert.deepEqual([plan.verdict.code, plan.writes, plan.again.afterSeconds], ["Released", [], 3600]);
  assert.equal(world.count.writes, before);
}

// A store that does not answer is not an empty one.
const first = create();
world.s3.isDown = true;
assert.deepEqual((await until(() => true)).plan.writes, []);
world.s3.isDown = false;

// There never was a backup: the restore finds nothing, and the claim starts empty.
await untilCode("FreshVolume");
const fresh = await untilCode("StartedFresh");
assert.equal(fresh.plan.evidence.restore.done.outcome, "nothing");
assert.equal(world.read(CLAIM), undefined);
await rival(fresh, 412);
world.write(CLAIM, "orders of the first hour");
assert.equal(entry(world).memory, undefined);
await untilRemembered(1);
await quiet();
world.write(CLAIM, "orders of two hours");
await untilRemembered(2);
await quiet();

// The claim is deleted with everything that was created for it, and created again. The lock of a killed mover remains.
const lock = `here/shop/data/locks/${"0".repeat(64)}`;
world.s3.request("PUT", lock, given.credentials.stringData, { body: "lock" });
await world.wait(2 * 3600);
world.cluster.request("DELETE", CLAIM);
for (const kind of ["ReplicationSource", "ReplicationDestination", "Secret"]) assert.deepEqual(world.list(kind), []);
const [, newest] = snapshots(world);
const second = create();
assert.notEqual(second, first);
await untilCode("RestoreFromBackup");
const { plan } = await until(({ plan }) => plan.writes.some(({ remove }) => remove !== undefined));
assert.equal(plan.evidence.restore.running.cause, "locked");
const restored = await untilCode("Restored");
assert.equal(restored.plan.evidence.restore.done.outcome.restored, newest.slice(0, 8));
assert.equal(world.read(CLAIM), "orders of two hours");
assert.equal(entry(world).writer.uid, second);
await rival(restored, 412);

// The image is removed, so that no later claim is populated from it.
const { metadata, status } = world.get(DESTINATION);
assert.equal(metadata.annotations[CONSUMED], restored.plan.evidence.restore.done.image);
assert.equal(status.latestImage, undefined);
assert.deepEqual(world.list("VolumeSnapshot"), []);
await untilRemembered(3);
await quiet();

// Someone edits what the policy wrote: it is restored.
const edit = {
  type: "merge-patch+json",
  fieldManager: "a-person",
  body: { spec: { restic: { retain: { hourly: 1 } } } },
};
world.cluster.request("PATCH", SOURCE, edit);
const applied = await until(({ plan }) => plan.writes.some(({ apply }) => apply?.manifest === "source"));
assert.equal(world.get(SOURCE).spec.restic.retain.hourly, 24);
await rival(applied, 409);
await quiet();

// Settings get a key and lose it again, and so do the manifests.
const { settings } = given;
const cacheClass = () => world.get(SOURCE).spec.restic.cacheStorageClassName;
given.settings = { ...settings, backup: { cacheStorageClassName: "fast" } };
await until(() => cacheClass() === "fast");
given.settings = settings;
await until(() => cacheClass() === undefined);
await quiet();

// Settings lose a field that was set when the object was created: it is removed, and the others stay.
given.settings = { ...settings, backup: { retain: { hourly: 24 } } };
await until(() => world.get(SOURCE).spec.restic.retain.daily === undefined);
assert.deepEqual(world.get(SOURCE).spec.restic.retain, { hourly: 24 });
await quiet();

console.log(JSON.stringify({ codes, verbs: [...verbs].sort(), ...world.count }));
