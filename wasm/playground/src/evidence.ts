// Evidence as questions with answers in words. Invented values are always the same, and consistent.
import type {
  Evidence,
  Failure,
  FinishedRestore,
  Listing,
  Memory,
  ReleaseRecord,
  Repository,
  VolumeId,
  Writer,
} from "volsync-policy";

const DRIVER = "csi.example";
const IMAGE = "image-2";
const OTHER_IMAGE = "image-1";
const FINGERPRINT = "f1".repeat(32);
const OTHER_FINGERPRINT = "f2".repeat(32);
const NEWEST = "de5770e6".padEnd(64, "0");
const NEWER = "bbf9de44".padEnd(64, "0");
const OLDER_ID = "60377347";
const OTHER_REPOSITORY = "ad".repeat(32);
const NOW = "2026-11-24T10:00:00Z";
const HALF_AN_HOUR_AGO = "2026-11-24T09:30:00Z";
const CAPACITY = "1Gi";

const VOLUME: VolumeId = { driver: DRIVER, handle: "vol-2" };
const OTHER_VOLUME: VolumeId = { driver: DRIVER, handle: "vol-1" };

/** What the questions need to know about the claim. */
export interface About {
  uid: string;
  capacity: string;
}

/** A question about the evidence, and its answers. */
export interface Question {
  /** The subject: the beginning of a sentence. */
  topic: string;
  /** The possible ends of the sentence, each with a key. */
  answers: { [key: string]: string };
  /** The key of the answer; undefined if none applies. */
  read(evidence: Evidence): string | undefined;
  /** Changes the evidence so that an answer applies. */
  write(evidence: Evidence, key: string, about: About): void;
}

/** A number in the evidence. */
export interface Count {
  topic: string;
  least: number;
  /** The number; undefined if there is nothing to count. */
  read(evidence: Evidence): number | undefined;
  write(evidence: Evidence, value: number): void;
}

/** A fact that is true or false. */
export interface Fact {
  topic: string;
  /** Whether it is true; undefined if it does not apply. */
  read(evidence: Evidence): boolean | undefined;
  write(evidence: Evidence, value: boolean): void;
}

/** The questions about one topic. */
export interface Topic {
  title: string;
  questions: Question[];
  counts: Count[];
  facts: Fact[];
}

/** The evidence for a claim that was just created, in a cluster where it never existed before. */
export function begin({ uid }: About): Evidence {
  return {
    cluster: "blue",
    claim: { uid, phase: "Pending", source: "ours", volume: "none" },
    secret: "absent",
    restore: "absent",
    populator: "idle",
    backup: "absent",
    repository: { absent: { asOf: NOW } },
    ledger: "none",
  };
}

const FAILURES: { [key in Failure]: string } = {
  notTried: "no attempt was made",
  unreachable: "the store cannot be reached",
  denied: "access was denied",
  timeout: "the store did not answer in time",
  storeMissing: "the bucket does not exist",
  unsupported: "it is not on S3",
  malformed: "the answer is invalid",
};
const UNREAD = Object.fromEntries(
  Object.entries(FAILURES).map(([key, why]) => [`unread ${key}`, `can't be read: ${why}`]),
);
const NOT_READ = { unread: "was not read" };

/** The key of a variant: its name or, if something could not be read, the reason. */
function variant(value: unknown): string {
  if (typeof value === "string") return value;
  const [name, inner] = Object.entries(value ?? { unread: "notTried" })[0] ?? ["", ""];
  return name === "unread" ? `unread ${inner}` : name;
}

const unread = (key: string): { unread: Failure } => ({ unread: key.slice("unread ".length) as Failure });

const listing = ({ repository }: Evidence): Listing | undefined =>
  repository !== undefined && "holds" in repository ? repository.holds : undefined;

const entry = ({ ledger }: Evidence) => (typeof ledger === "object" && "entry" in ledger ? ledger.entry : undefined);

const done = ({ restore }: Evidence): FinishedRestore | undefined =>
  typeof restore === "object" && restore !== null && "done" in restore ? restore.done : undefined;

const running = ({ restore }: Evidence) =>
  typeof restore === "object" && restore !== null && "running" in restore ? restore.running : undefined;

const ours = ({ backup }: Evidence) => (typeof backup === "object" && backup !== null ? backup.ours : undefined);

const volume = ({ claim }: Evidence): VolumeId =>
  typeof claim?.volume === "object" && claim.volume !== null ? claim.volume.of : VOLUME;

const newest = (evidence: Evidence) => listing(evidence)?.newestKey ?? NEWEST;

const fingerprint = (evidence: Evidence): string => {
  const { repository } = evidence;
  const opened = Object.values(repository ?? {})[0] as { fingerprint?: string } | undefined;
  return opened?.fingerprint ?? FINGERPRINT;
};

const same = (one: VolumeId, other: VolumeId) => one.driver === other.driver && one.handle === other.handle;

const release = (evidence: Evidence): ReleaseRecord | undefined =>
  evidence.claim?.released ?? ours(evidence)?.released ?? undefined;

const claim: Topic = {
  title: "The claim",
  questions: [
    {
      topic: "The claim",
      answers: {
        Pending: "is Pending, without a volume",
        Bound: "is Bound to a volume",
        Lost: "has lost its volume",
        ...NOT_READ,
      },
      read: ({ claim }) => claim?.phase ?? "unread",
      write(evidence, key, { uid }) {
        if (key === "unread") return void delete evidence.claim;
        const before = evidence.claim ?? { uid, source: "ours" };
        const phase = key as "Pending" | "Bound" | "Lost";
        evidence.claim = { ...before, phase, volume: phase === "Pending" ? "none" : { of: volume(evidence) } };
        if (phase === "Pending") delete evidence.claim.populatedFrom;
      },
    },
    {
      topic: "Its data comes",
      answers: { ours: "from its own restore", none: "from nowhere", foreign: "from something else" },
      read: ({ claim }) => claim?.source,
      write({ claim }, key) {
        if (claim) claim.source = key as "ours" | "none" | "foreign";
      },
    },
    {
      topic: "Its volume was populated",
      answers: {
        unknown: "from nothing, or it is unknown",
        restored: "from the restore's image",
        other: "from another image",
      },
      read({ claim, ...rest }) {
        if (!claim || claim.phase === "Pending") return undefined;
        if (!claim.populatedFrom) return "unknown";
        return claim.populatedFrom === (done(rest)?.image ?? IMAGE) ? "restored" : "other";
      },
      write(evidence, key) {
        if (!evidence.claim) return;
        delete evidence.claim.populatedFrom;
        if (key === "restored") evidence.claim.populatedFrom = done(evidence)?.image ?? IMAGE;
        if (key === "other") evidence.claim.populatedFrom = OTHER_IMAGE;
      },
    },
    {
      topic: "Its backup",
      answers: {
        never: "was never released",
        released: "was released, for this volume",
        volume: "was released, for another volume",
        overtaken: "was released, and another took over",
      },
      read(evidence) {
        const record = release(evidence);
        if (record === undefined) return "never";
        if (record.overtaken) return "overtaken";
        return same(record.volume, volume(evidence)) ? "released" : "volume";
      },
      write(evidence, key, { uid }) {
        delete evidence.claim?.released;
        delete ours(evidence)?.released;
        if (key === "never" || !evidence.claim) return;
        const record: ReleaseRecord = { uid, volume: volume(evidence), fingerprint: fingerprint(evidence), term: 2 };
        if (key === "volume") record.volume = same(volume(evidence), OTHER_VOLUME) ? VOLUME : OTHER_VOLUME;
        if (key === "overtaken") record.overtaken = true;
        evidence.claim.released = record;
      },
    },
  ],
  counts: [],
  facts: [
    {
      topic: "it is being deleted",
      read: ({ claim }) => (claim ? claim.terminating === true : undefined),
      write({ claim }, value) {
        if (claim) claim.terminating = value;
      },
    },
  ],
};

const store: Topic = {
  title: "The store",
  questions: [
    {
      topic: "The repository",
      answers: {
        absent: "does not exist",
        initialised: "was never backed up to",
        holds: "has snapshots",
        emptied: "has data, but no snapshot any more",
        damaged: "is damaged, or is something else",
        ...UNREAD,
      },
      read: ({ repository }) => variant(repository),
      write(evidence, key) {
        const opened = { asOf: NOW, fingerprint: FINGERPRINT };
        const holds = { ...opened, count: 24, newestKey: NEWEST, newestAt: HALF_AN_HOUR_AGO, listsRestored: true };
        const states: { [key: string]: Repository } = {
          absent: { absent: { asOf: NOW } },
          damaged: { damaged: { asOf: NOW } },
          initialised: { initialised: opened },
          emptied: { emptied: opened },
          holds: { holds },
        };
        evidence.repository = states[key] ?? unread(key);
      },
    },
    {
      topic: "The ledger",
      answers: {
        none: "has no entry for the claim",
        entry: "has an entry for the claim",
        uninitialised: "does not exist yet",
        otherStore: "is another store's",
        ...UNREAD,
      },
      read: ({ ledger }) => variant(ledger),
      write(evidence, key, { capacity }) {
        if (key === "entry") {
          const memory: Memory = {
            fingerprint: fingerprint(evidence),
            newestKey: newest(evidence),
            newestAt: HALF_AN_HOUR_AGO,
          };
          evidence.ledger = {
            entry: { repository: "same", writer: writer("earlier", evidence, ""), memory, capacity },
          };
        } else {
          evidence.ledger = key.startsWith("unread") ? unread(key) : (key as "none" | "uninitialised" | "otherStore");
        }
      },
    },
    {
      topic: "It remembers",
      answers: {
        newest: "the newest snapshot",
        newer: "a newer snapshot than any",
        replaced: "another repository",
        nothing: "no backup yet",
      },
      read(evidence) {
        const known = entry(evidence);
        if (!known) return undefined;
        if (!known.memory) return "nothing";
        if (known.memory.fingerprint !== fingerprint(evidence)) return "replaced";
        return known.memory.newestKey === newest(evidence) ? "newest" : "newer";
      },
      write(evidence, key) {
        const known = entry(evidence);
        if (!known) return;
        delete known.memory;
        if (key === "nothing") return;
        const newestAt = key === "newer" ? NOW : (listing(evidence)?.newestAt ?? HALF_AN_HOUR_AGO);
        known.memory = {
          fingerprint: key === "replaced" ? OTHER_FINGERPRINT : fingerprint(evidence),
          newestKey: key === "newer" ? NEWER : newest(evidence),
          newestAt,
        };
      },
    },
    {
      topic: "Its writer",
      answers: {
        self: "is this claim, with this volume",
        earlier: "was an earlier claim",
        volume: "was an earlier one, with this volume",
        cluster: "is another cluster's claim",
      },
      read(evidence) {
        const known = entry(evidence)?.writer;
        if (!known) return undefined;
        if (known.cluster !== evidence.cluster) return "cluster";
        if (!same(known.volume, volume(evidence))) return "earlier";
        return known.uid === evidence.claim?.uid ? "self" : "volume";
      },
      write(evidence, key, { uid }) {
        const known = entry(evidence);
        if (known) known.writer = writer(key, evidence, uid);
      },
    },
  ],
  counts: [
    {
      topic: "snapshots",
      least: 1,
      read: (evidence) => listing(evidence)?.count,
      write(evidence, value) {
        const known = listing(evidence);
        if (known) known.count = value;
      },
    },
    {
      topic: "minutes since the newest",
      least: 0,
      read(evidence) {
        const known = listing(evidence);
        return known && Math.round((Date.parse(known.asOf) - Date.parse(known.newestAt)) / 60_000);
      },
      write(evidence, value) {
        const known = listing(evidence);
        if (known) known.newestAt = new Date(Date.parse(known.asOf) - value * 60_000).toISOString().replace(".000", "");
      },
    },
  ],
  facts: [
    {
      topic: "a person declared that its backups are permanently lost",
      read: (evidence) => (entry(evidence) ? entry(evidence)?.retired === true : undefined),
      write(evidence, value) {
        const known = entry(evidence);
        if (known) known.retired = value;
      },
    },
  ],
};

function writer(key: string, evidence: Evidence, uid: string): Writer {
  return {
    cluster: key === "cluster" ? "green" : (evidence.cluster ?? "blue"),
    uid: key === "self" ? (evidence.claim?.uid ?? uid) : "claim-1",
    volume: key === "earlier" ? OTHER_VOLUME : volume(evidence),
    interval: 3600,
    since: "2026-11-24T05:00:00Z",
    term: 2,
  };
}

const restore: Topic = {
  title: "The restore",
  questions: [
    {
      topic: "The restore",
      answers: {
        absent: "does not exist",
        running: "is in progress",
        newest: "restored the newest snapshot",
        older: "restored an older snapshot",
        elsewhere: "restored a snapshot that is not listed",
        nothing: "is done, and restored nothing",
        log: "is done, and its log is gone",
        stale: "is an earlier claim's",
        foreign: "is someone else's",
        ...NOT_READ,
      },
      read(evidence) {
        if (evidence.restore === undefined || evidence.restore === null) return "unread";
        const finished = done(evidence)?.outcome;
        if (finished === undefined) return variant(evidence.restore);
        if (typeof finished === "string") return finished === "unread" ? "log" : finished;
        if (newest(evidence).startsWith(finished.restored)) return "newest";
        return listing(evidence)?.listsRestored === false ? "elsewhere" : "older";
      },
      write(evidence, key) {
        const listed = listing(evidence);
        if (listed) listed.listsRestored = key !== "elsewhere";
        if (key === "unread") return void delete evidence.restore;
        const finished = (outcome: FinishedRestore["outcome"]) => {
          const expects = listed || entry(evidence)?.memory ? "data" : "nothing";
          evidence.restore = { done: { image: IMAGE, outcome, expects } };
        };
        if (key === "absent" || key === "foreign" || key === "stale") evidence.restore = key;
        else if (key === "running") evidence.restore = { running: {} };
        else if (key === "nothing") finished("nothing");
        else if (key === "log") finished("unread");
        else finished({ restored: key === "newest" ? newest(evidence).slice(0, 8) : OLDER_ID });
      },
    },
    {
      topic: "VolSync's populator",
      answers: {
        idle: "does nothing",
        restored: "populates the claim from the restore's image",
        other: "populates the claim from another image",
        ...NOT_READ,
      },
      read(evidence) {
        const { populator } = evidence;
        if (populator === undefined || populator === null) return "unread";
        if (populator === "idle") return "idle";
        return populator.filling === (done(evidence)?.image ?? IMAGE) ? "restored" : "other";
      },
      write(evidence, key) {
        if (key === "unread") delete evidence.populator;
        else if (key === "idle") evidence.populator = "idle";
        else evidence.populator = { filling: key === "restored" ? (done(evidence)?.image ?? IMAGE) : OTHER_IMAGE };
      },
    },
  ],
  counts: [
    {
      topic: "failed attempts",
      least: 0,
      read: (evidence) => (running(evidence) ? (running(evidence)?.failures ?? 0) : undefined),
      write(evidence, value) {
        const known = running(evidence);
        if (known) known.failures = value;
      },
    },
    {
      topic: "other restores ahead of it",
      least: 0,
      read({ slot }) {
        const known = slot as "free" | { queued: number } | undefined;
        return typeof known === "object" ? known.queued : 0;
      },
      write(evidence, value) {
        evidence.slot = value === 0 ? "free" : { queued: value };
      },
    },
  ],
  facts: [
    {
      topic: "a backup was expected",
      read: (evidence) => (done(evidence) ? (done(evidence)?.expects ?? "data") === "data" : undefined),
      write(evidence, value) {
        const known = done(evidence);
        if (known) known.expects = value ? "data" : "nothing";
      },
    },
    {
      topic: "its image is consumed",
      read: (evidence) => (done(evidence) ? done(evidence)?.consumed === true : undefined),
      write(evidence, value) {
        const known = done(evidence);
        if (known) known.consumed = value;
      },
    },
  ],
};

const backup: Topic = {
  title: "The backup",
  questions: [
    {
      topic: "The ReplicationSource",
      answers: {
        absent: "does not exist",
        running: "runs",
        paused: "is paused",
        other: "is an earlier claim's",
        foreign: "is someone else's",
        ...NOT_READ,
      },
      read(evidence) {
        const { backup, claim } = evidence;
        if (backup === undefined || backup === null) return "unread";
        if (typeof backup === "string") return backup;
        return claim && backup.ours.uid !== claim.uid ? "other" : backup.ours.state;
      },
      write(evidence, key, { uid }) {
        const { claim } = evidence;
        if (key === "unread") delete evidence.backup;
        else if (key === "absent" || key === "foreign") evidence.backup = key;
        else if (key === "other") evidence.backup = { ours: { uid: "claim-1", state: "running" } };
        else evidence.backup = { ours: { uid: claim?.uid ?? uid, state: key as "running" | "paused" } };
      },
    },
    {
      topic: "The Secret",
      answers: {
        absent: "does not exist",
        same: "is as it would be rendered",
        elsewhere: "names another repository",
        password: "has another password",
        foreign: "is someone else's",
        ...NOT_READ,
      },
      read({ secret }) {
        if (secret === undefined || secret === null) return "unread";
        if (typeof secret === "string") return secret;
        if (secret.ours.repository !== "same") return "elsewhere";
        return secret.ours.password === "same" ? "same" : "password";
      },
      write(evidence, key) {
        if (key === "unread") return void delete evidence.secret;
        if (key === "absent" || key === "foreign") return void (evidence.secret = key);
        const repository = key === "elsewhere" ? { other: OTHER_REPOSITORY } : ("same" as const);
        evidence.secret = { ours: { repository, password: key === "password" ? "other" : "same" } };
      },
    },
  ],
  counts: [],
  facts: [
    {
      topic: "a backup is in progress",
      read: (evidence) => (ours(evidence) ? ours(evidence)?.syncing === true : undefined),
      write(evidence, value) {
        const known = ours(evidence);
        if (known) known.syncing = value;
      },
    },
  ],
};

/** All questions, in the order in which they matter in the life of a claim. */
export const TOPICS: Topic[] = [store, claim, restore, backup];

/** The storage that the claim requests, if it does not say. */
export const capacityOf = (requested: unknown): string => (typeof requested === "string" ? requested : CAPACITY);
