// The world around a host: an API server, a store, and VolSync at work in both, with raw objects.
import { createHash } from "node:crypto";

const hash = (algorithm, text) => createHash(algorithm).update(text).digest("hex");
const iso = (seconds) => new Date(seconds * 1000).toISOString().replace(".000", "");
const isMap = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** RFC 7386. */
function merged(target, patch) {
  if (!isMap(patch)) return patch;
  const result = isMap(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

/** The fields of an object by path. A list is one field. */
function fields(value, path = []) {
  if (!isMap(value)) return [[JSON.stringify(path), JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, value]) => fields(value, [...path, key]));
}

/** The merge patch that removes a field. */
const without = (path) => JSON.parse(path).reduceRight((patch, key) => ({ [key]: patch }), null);

/** An API server. It answers a refused request with its HTTP status, and reports each change. */
class Cluster {
  objects = new Map();
  #owners = new Map();
  #made = 0;
  #version = 0;

  constructor(clock, changed) {
    this.clock = clock;
    this.changed = changed;
  }

  static key = ({ apiVersion, kind, namespace, name }) =>
    [apiVersion.split("/").slice(0, -1).join(), kind, namespace, name].join("/");

  request(method, ref, options = {}) {
    const key = Cluster.key(ref);
    const live = this.objects.get(key);
    if (method === "POST") return live ? { status: 409 } : this.#create(key, ref, options);
    if (live === undefined) return { status: options.body?.metadata?.uid ? 409 : 404 };
    if (method === "DELETE") return this.#delete(key, live, options.preconditions);
    return method === "PATCH" ? this.#patch(key, live, options) : this.#answer(live);
  }

  #answer = (object) => ({ status: 200, body: structuredClone(object) });

  #create(key, ref, { body, fieldManager }) {
    const { apiVersion, kind, namespace, name } = ref;
    const uid = `${kind.toLowerCase()}-${++this.#made}`;
    const metadata = { ...body.metadata, namespace, name, uid, creationTimestamp: iso(this.clock.now) };
    const { status, ...rest } = body;
    // The API server itself sets the first status only for claims.
    const first = kind === "PersistentVolumeClaim" ? { status: { phase: "Pending" } } : {};
    this.#owners.set(key, new Map(fields(rest).map(([path]) => [path, new Set([`${fieldManager} Update`])])));
    return this.#store(key, { ...rest, apiVersion, kind, metadata, ...first });
  }

  #patch(key, live, { type, subresource, fieldManager, body }) {
    for (const must of ["uid", "resourceVersion"]) {
      const expected = body.metadata?.[must];
      if (expected !== undefined && expected !== live.metadata[must]) return { status: 409 };
    }
    const { uid, resourceVersion, ...metadata } = body.metadata ?? {};
    if (subresource === "status") return this.#store(key, merged(live, { status: body.status ?? {} }));
    const { status, ...wanted } = { ...body, metadata };
    if (type === "apply-patch+yaml") return this.#store(key, this.#applied(key, live, wanted, `${fieldManager} Apply`));
    const patched = merged(live, wanted);
    const [before, after] = [live, patched].map((object) => new Map(fields(object)));
    const owners = this.#owners.get(key);
    for (const path of owners.keys()) if (!after.has(path)) owners.delete(path);
    for (const [path, value] of after) {
      if (before.get(path) !== value) owners.set(path, new Set([`${fieldManager} Update`]));
    }
    return this.#store(key, patched);
  }

  /** Server-side apply with force. Fields that a manager no longer applies are removed, unless another owns them. */
  #applied(key, live, wanted, manager) {
    const [before, now, owners] = [new Map(fields(live)), new Map(fields(wanted)), this.#owners.get(key)];
    let result = merged(live, wanted);
    for (const [path, managers] of owners) {
      if (now.has(path) || !managers.delete(manager) || managers.size > 0) continue;
      owners.delete(path);
      result = merged(result, without(path));
    }
    for (const [path, value] of now) {
      const others = before.get(path) === value ? (owners.get(path) ?? []) : [];
      owners.set(path, new Set([...others, manager]));
    }
    return result;
  }

  /** A write that changes nothing makes no new version. */
  #store(key, object) {
    const live = this.objects.get(key);
    if (live === undefined || JSON.stringify(live) !== JSON.stringify(object)) {
      object.metadata = { ...object.metadata, resourceVersion: `${++this.#version}` };
      this.objects.set(key, object);
      this.changed();
    }
    return this.#answer(object);
  }

  #delete(key, live, preconditions) {
    if (preconditions?.uid !== undefined && preconditions.uid !== live.metadata.uid) return { status: 409 };
    this.objects.delete(key);
    // Objects whose owners are all gone are deleted too, and so on.
    const isOrphan = ({ metadata: { ownerReferences: owners = [] } }, living) =>
      owners.length > 0 && owners.every(({ uid }) => !living.has(uid));
    for (let orphans; orphans?.length !== 0; orphans.forEach(([key]) => this.objects.delete(key))) {
      const living = new Set([...this.objects.values()].map((object) => object.metadata.uid));
      orphans = [...this.objects].filter(([, object]) => isOrphan(object, living));
    }
    this.changed();
    return { status: 200 };
  }
}

/** A store like S3: one bucket, and a clock of its own, which is ahead of the cluster's. */
class Store {
  objects = new Map();

  constructor(clock, bucket, changed) {
    Object.assign(this, { clock, bucket, changed });
  }

  request(method, key, credentials, { ifMatch, ifNoneMatch, copySource, body } = {}) {
    const now = this.clock.now + AHEAD;
    const date = new Date(now * 1000).toUTCString();
    const answer = (status, rest) => ({ status, date, ...rest });
    if (this.isDown) return { status: 503 };
    if (credentials.AWS_SECRET_ACCESS_KEY !== "made-up-key") return answer(403, { code: "AccessDenied" });
    const [, bucket] = new URL(credentials.RESTIC_REPOSITORY.replace("s3:", "")).pathname.split("/");
    if (bucket !== this.bucket) return answer(404, { code: "NoSuchBucket" });
    if (method === "LIST") return answer(200, { body: this.#list(key) });
    const live = this.objects.get(key);
    if (method === "GET") return live ? answer(200, { body: live.bytes, etag: live.etag }) : answer(404);
    if (method === "DELETE") {
      this.objects.delete(key);
      this.changed();
      return answer(204);
    }
    if (ifNoneMatch === "*" && live) return answer(412);
    if (ifMatch !== undefined && ifMatch !== live?.etag) return answer(live ? 412 : 404);
    const bytes = copySource === undefined ? Buffer.from(body) : this.objects.get(copySource)?.bytes;
    if (bytes === undefined) return answer(404, { code: "NoSuchKey" });
    this.objects.set(key, { bytes, etag: `"${hash("md5", bytes)}"`, lastModified: iso(now) });
    this.changed();
    return answer(200);
  }

  #list(prefix) {
    const below = [...this.objects].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
    const isDeeper = ([key]) => key.slice(prefix.length).includes("/");
    const folders = below.filter(isDeeper).map(([key]) => prefix + key.slice(prefix.length).split("/")[0] + "/");
    const here = below.filter((object) => !isDeeper(object));
    return {
      contents: here.map(([key, { lastModified }]) => ({ key, lastModified })),
      commonPrefixes: [...new Set(folders)],
    };
  }
}

/** How far the store's clock is ahead, in seconds. */
const AHEAD = 1234;

/** How often VolSync does something, in seconds. */
const TICK = 10;

const VOLSYNC = { apiVersion: "volsync.backube/v1alpha1" };

/** Everything around the host, which sees only what `api`, `log`, `store`, `wait` and `until` return. */
export class World {
  /** The host's requests. */
  count = { reads: 0, writes: 0 };
  #clock = { now: Date.UTC(2026, 10, 24, 10) / 1000 };
  /** The versions in which the host read objects last. */
  #watched = new Map();
  /** What the newest failed pod of a Job wrote, by the Job's uid. */
  #logs = new Map();
  /** What is in a volume, by its handle, and in an image, by its uid. */
  #contents = new Map();

  /** `changed` is called after each change. */
  constructor(bucket, changed) {
    this.cluster = new Cluster(this.#clock, () => changed(this));
    this.s3 = new Store(this.#clock, bucket, () => changed(this));
  }

  api = async (method, ref, options) => {
    this.count[method === "GET" ? "reads" : "writes"] += 1;
    const answer = this.cluster.request(method, ref, options);
    if (method === "GET") this.#watched.set(Cluster.key(ref), answer.body?.metadata.resourceVersion);
    return answer;
  };

  store = async (method, key, credentials, options) => {
    this.count[["GET", "LIST"].includes(method) ? "reads" : "writes"] += 1;
    return this.s3.request(method, key, credentials, options);
  };

  /** The last 1,024 bytes that the newest failed pod of a Job wrote. */
  log = async (job) => {
    this.count.reads += 1;
    const log = this.#logs.get(this.get(job)?.metadata.uid);
    return log === undefined ? { status: 404 } : { status: 200, body: Buffer.from(log).subarray(-1024).toString() };
  };

  /** Lets time pass. */
  wait = async (seconds) => void (this.#clock.now += seconds);

  /** Lets VolSync work until these seconds have passed, or one of these objects is not as the host read it. */
  until = async ({ afterSeconds, objects }) => {
    const keys = objects.map(Cluster.key);
    const version = (key) => this.cluster.objects.get(key)?.metadata.resourceVersion;
    const end = this.#clock.now + afterSeconds;
    while (this.#clock.now < end && keys.every((key) => version(key) === this.#watched.get(key))) {
      this.#clock.now += TICK;
      this.#work();
    }
  };

  /** The handle of the volume of a claim that is Bound. */
  handle(claim) {
    const { volumeName: name } = this.get(claim).spec;
    return this.get({ apiVersion: "v1", kind: "PersistentVolume", name }).spec.csi.volumeHandle;
  }

  /** What an application finds in a claim's volume. */
  read = (claim) => this.#contents.get(this.handle(claim));

  /** What an application writes there. */
  write = (claim, data) => void this.#contents.set(this.handle(claim), data);

  get = (ref) => this.cluster.request("GET", ref).body;

  list = (kind) => [...this.cluster.objects.values()].filter((object) => object.kind === kind);

  #create = (object) =>
    this.cluster.request("POST", { ...object, ...object.metadata }, { body: object, fieldManager: "volsync" }).body;

  #patch(object, body, subresource) {
    const options = { type: "merge-patch+json", fieldManager: "volsync", body, subresource };
    this.cluster.request("PATCH", { ...object, ...object.metadata }, options);
  }

  #delete = (object) => this.cluster.request("DELETE", { ...object, ...object.metadata });

  /** One step of everything that VolSync and the storage have to do. A host may see the state after each. */
  #work() {
    for (const claim of this.list("PersistentVolumeClaim")) this.#populate(claim);
    for (const destination of this.list("ReplicationDestination")) this.#restore(destination);
    for (const source of this.list("ReplicationSource")) this.#backUp(source);
    const uids = this.list("PersistentVolumeClaim").map((claim) => claim.metadata.uid);
    for (const volume of this.list("PersistentVolume")) {
      if (!uids.includes(volume.spec.claimRef.uid)) this.#delete(volume);
    }
  }

  /** A step in a run of a ReplicationDestination or ReplicationSource: it starts, and then its mover ends. */
  #run(object, isDue, mover) {
    const { metadata, spec, status = {} } = object;
    const secret = this.get({ apiVersion: "v1", kind: "Secret", ...metadata, name: spec.restic.repository });
    if (!isDue || secret === undefined) return;
    const { namespace } = metadata;
    const name = `volsync-${object.kind === "ReplicationSource" ? "src" : "dst"}-${metadata.name}`;
    const apiVersion = "batch/v1";
    if (status.lastSyncStartTime === undefined) {
      const ownerReferences = [{ ...VOLSYNC, kind: object.kind, name: metadata.name, uid: metadata.uid }];
      this.#create({ apiVersion, kind: "Job", metadata: { namespace, name, ownerReferences } });
      return this.#patch(object, { status: { lastSyncStartTime: iso(this.#clock.now) } }, "status");
    }
    const data = Object.entries(secret.data);
    const credentials = Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
    const job = this.get({ apiVersion, kind: "Job", namespace, name });
    const ended = mover(this.#repository(credentials), job);
    if (ended === undefined) return;
    this.#delete(job);
    const { logs, ...rest } = ended;
    const done = { lastSyncStartTime: null, lastSyncTime: iso(this.#clock.now) };
    this.#patch(object, { status: { ...done, ...rest, latestMoverStatus: { result: "Successful", logs } } }, "status");
  }

  /** The repository that a mover uses: its files, and what restic does there. */
  #repository(credentials) {
    const prefix = new URL(credentials.RESTIC_REPOSITORY.replace("s3:", "")).pathname.split("/").slice(2).join("/");
    const request = (method, name, body) => this.s3.request(method, `${prefix}/${name}`, credentials, { body });
    const put = (name, body) => void request("PUT", name, body);
    return {
      put,
      isLocked: () => request("LIST", "locks/").body.contents.length > 0,
      /** Initialises the repository, if there is none. Returns the mover's log lines about it. */
      initialise: () => {
        if (request("GET", "config").status === 200) return [];
        put("config", `config of ${this.#clock.now}`);
        put(`keys/${hash("sha256", "key")}`, "key");
        return ["=== Initialize Dir ===", `created restic repository a230e0500e at ${credentials.RESTIC_REPOSITORY}`];
      },
      newest: () => {
        const listed = request("LIST", "snapshots/").body.contents;
        const snapshots = listed.map(({ key }) => JSON.parse(this.s3.objects.get(key).bytes));
        return snapshots.sort((a, b) => b.time - a.time)[0];
      },
    };
  }

  /** entry.sh: a restore from a repository that does not exist, or is empty, succeeds, and its image is empty. */
  #restore(destination) {
    const { metadata, spec, status = {} } = destination;
    this.#run(destination, status.lastManualSync !== spec.trigger.manual, (repository, job) => {
      if (repository.isLocked()) {
        const { status = { failed: 0 } } = job;
        this.#logs.set(job.metadata.uid, "unable to create lock in backend: repository is already locked by PID 27");
        this.#patch(job, { status: { failed: status.failed + 1 } }, "status");
        return;
      }
      const initialised = repository.initialise();
      const snapshot = repository.newest();
      const said =
        snapshot === undefined
          ? ["No eligible snapshots found", "=== No data will be restored ==="]
          : [`restoring snapshot ${snapshot.id.slice(0, 8)} of [/data] at ${iso(snapshot.time)} by root@volsync to .`];
      const image = this.#create({
        apiVersion: "snapshot.storage.k8s.io/v1",
        kind: "VolumeSnapshot",
        metadata: {
          namespace: metadata.namespace,
          name: `volsync-${metadata.name}-dest-${iso(this.#clock.now).replace(/\D/g, "")}`,
          ownerReferences: [{ ...VOLSYNC, kind: destination.kind, name: metadata.name, uid: metadata.uid }],
        },
      });
      this.#contents.set(image.metadata.uid, snapshot?.data);
      return {
        lastManualSync: spec.trigger.manual,
        latestImage: { apiGroup: "snapshot.storage.k8s.io", kind: image.kind, name: image.metadata.name },
        logs: [...initialised, ...said, "Restic completed in 3s"].join("\n"),
      };
    });
  }

  /** VolSync's populator takes any image that there is, once, and populates the claim from it. */
  #populate(claim) {
    const { metadata, spec, status } = claim;
    if (status.phase !== "Pending" || spec.dataSourceRef?.kind !== "ReplicationDestination") return;
    const { namespace, uid } = metadata;
    const destination = this.get({ ...VOLSYNC, namespace, ...spec.dataSourceRef });
    const prime = this.get({ apiVersion: "v1", kind: claim.kind, namespace, name: `vs-prime-${uid}` });
    const latest = destination?.status?.latestImage;
    if (prime === undefined) {
      if (latest === undefined) return;
      const ownerReferences = [{ apiVersion: "v1", kind: claim.kind, name: metadata.name, uid }];
      return void this.#create({
        apiVersion: "v1",
        kind: claim.kind,
        metadata: { namespace, name: `vs-prime-${uid}`, ownerReferences },
        spec: { ...spec, dataSourceRef: latest },
      });
    }
    const { name } = prime.spec.dataSourceRef;
    const image = this.get({ apiVersion: "snapshot.storage.k8s.io/v1", kind: "VolumeSnapshot", namespace, name });
    if (image === undefined) return;
    const volume = this.#create({
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: {
        name: `pvc-${prime.metadata.uid}`,
        annotations: { "volsync.backube/populated-from": `${namespace}/${name}` },
      },
      spec: {
        csi: { driver: "csi.example.com", volumeHandle: `volume-of-${prime.metadata.uid}` },
        claimRef: { namespace, name: metadata.name, uid },
      },
    });
    this.#contents.set(volume.spec.csi.volumeHandle, this.#contents.get(image.metadata.uid));
    this.#patch(claim, { spec: { volumeName: volume.metadata.name } });
    this.#patch(claim, { status: { phase: "Bound" } }, "status");
    this.#delete(prime);
  }

  /** entry.sh: a new ReplicationSource backs up at once, then on its schedule; never while it is paused. */
  #backUp(source) {
    const { metadata, spec, status = {} } = source;
    const hour = (time) => Math.floor(Date.parse(time) / 3600_000);
    const isDue =
      status.lastSyncStartTime !== undefined ||
      status.lastSyncTime === undefined ||
      hour(iso(this.#clock.now)) > hour(status.lastSyncTime);
    const volume = { apiVersion: "v1", kind: "PersistentVolumeClaim", ...metadata, name: spec.sourcePVC };
    this.#run(source, isDue && !spec.paused, (repository) => {
      const data = this.read(volume);
      if (data === undefined) return { logs: "== Directory is empty skipping backup ===" };
      const initialised = repository.initialise();
      const time = this.#clock.now;
      const id = hash("sha256", `${time} ${data}`);
      repository.put(`data/${id.slice(0, 2)}/${id}`, data);
      repository.put(`index/${id}`, id);
      repository.put(`snapshots/${id}`, JSON.stringify({ id, time, data }));
      const said = ["processed 1 files, 2 B in 0:00", `snapshot ${id.slice(0, 8)} saved`, "Restic completed in 3s"];
      return { logs: [...initialised, ...said].join("\n") };
    });
  }
}
