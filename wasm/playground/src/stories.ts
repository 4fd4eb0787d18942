// The stories: cases that every engine is tested with, in the order in which they happen, and what others would do.
import { parseAllDocuments } from "yaml";
import cameBackEmpty from "../../../tests/cases/gallery/came-back-empty.yaml";
import database from "../../../tests/cases/gallery/database.yaml";
import freshCluster from "../../../tests/cases/gallery/fresh-cluster.yaml";
import oldVolume from "../../../tests/cases/gallery/old-volume.yaml";
import recreated from "../../../tests/cases/gallery/recreated.yaml";
import storeDown from "../../../tests/cases/gallery/store-down.yaml";
import testClaim from "../../../tests/cases/gallery/test-claim.yaml";
import wrongPrefix from "../../../tests/cases/gallery/wrong-prefix.yaml";

/** What is asked at a point of a story, as a case of the tests has it. */
export interface Step {
  name: string;
  request: unknown;
  credentials?: unknown;
  settings?: unknown;
  evidence?: unknown;
}

/** A story of a claim. */
export interface Story {
  /** The name of its file. */
  id: string;
  title: string;
  /** What happens. */
  plot: string;
  /** What VolSync does by itself. */
  volsync: string;
  /** What a policy for Kyverno did that asked at admission whether there are backups, and generated the objects. */
  kyverno: string;
  steps: Step[];
}

/** The steps of a file; their names begin with what they have in common. */
const steps = (text: string): Step[] =>
  parseAllDocuments(text).map((document) => {
    const { name, ...rest } = document.toJS() as Step;
    return { name: name.replace(/^[^:]*: (.)/, (_, first: string) => first.toUpperCase()), ...rest };
  });

/** All of them; the first is shown first. */
export const STORIES: Story[] = [
  {
    id: "fresh-cluster",
    title: "A new cluster, backups in S3",
    plot: "The cluster was lost. In the new one the claims are created again, from Git; their backups are still in S3.",
    volsync:
      "A claim that names no restore binds empty, and a new ReplicationSource backs that up at once. Where 24 hourly " +
      "and 7 daily snapshots are kept, 24 such backups leave 5 good ones, and 135 leave none.",
    kyverno: "Restored the claim. Two hours after its creation the backup ran; nobody looked at what was restored.",
    steps: steps(freshCluster),
  },
  {
    id: "test-claim",
    title: "The first test claim",
    plot: "The claim of the notes that this project started from: first with their manifests, then by default.",
    volsync:
      "Backs the claim up the moment its ReplicationSource is there, whatever the schedule. A restore without a " +
      "`destinationPVC` fills a volume of VolSync's own, beside the claim.",
    kyverno: "Made both objects as the notes have them: nothing waits for a restore, and nothing holds the backup.",
    steps: steps(testClaim),
  },
  {
    id: "store-down",
    title: "S3 is down at admission",
    plot: "A claim is created while the store does not answer. Whether it was ever backed up, nobody can tell.",
    volsync: "A restore is tried again and again, and the claim waits. A claim that names no restore binds empty.",
    kyverno:
      "Refused the claim. When an access key no longer matched, the service that it asked crashed, and for six days " +
      "every claim in the cluster was refused.",
    steps: steps(storeDown),
  },
  {
    id: "wrong-prefix",
    title: "A mistyped prefix",
    plot: "The base credentials point at a place where nothing is. To restic that is a repository yet to be made.",
    volsync:
      "Makes the repository, restores nothing from it, and says `Successful`. The claim binds empty, and is backed " +
      "up to the wrong place.",
    kyverno: "A service that looks in the wrong place finds no backup there, so the claim was let in, to start empty.",
    steps: steps(wrongPrefix),
  },
  {
    id: "came-back-empty",
    title: "A restore that came back empty",
    plot: "There are 24 snapshots. The restore ended well, by its own account, and put nothing into the volume.",
    volsync:
      "Says `Successful`, as of every restore that finds nothing; only its log tells. The claim binds empty, and " +
      "what the application writes into it ages the 24 out.",
    kyverno: "Asked whether the claim is Bound and two hours old. It was, so the backup ran.",
    steps: steps(cameBackEmpty),
  },
  {
    id: "old-volume",
    title: "A volume from before",
    plot: "A claim has run for years, and now gets the label. What its volume holds was never restored from anything.",
    volsync: "Backs it up at once, into the repository that the Secret names, whatever that holds already.",
    kyverno:
      "Asked for backups when a claim was created, and never again: a label that came later got its backup unasked.",
    steps: steps(oldVolume),
  },
  {
    id: "recreated",
    title: "A claim created again",
    plot: "`kubectl delete pvc`, and the claim is created again. The old one's ReplicationDestination is left over.",
    volsync: "Fills the new claim from the image that the old restore left, whatever its age.",
    kyverno: "Did not touch what it had generated. In a drill the claim came back as it was 13 days before.",
    steps: steps(recreated),
  },
  {
    id: "database",
    title: "A database of an operator",
    plot: "The claim belongs to a database operator, which has backups of its own. Somebody labelled it all the same.",
    volsync: "Does not ask whom a claim belongs to: it copies the files from under the running database.",
    kyverno: "Went by the label alone.",
    steps: steps(database),
  },
];
