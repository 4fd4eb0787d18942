// The stories: golden cases in the order in which they happen, with what would happen without the policy.
import { parseAllDocuments } from "yaml";
import cameBackEmpty from "../../../tests/cases/gallery/came-back-empty.yaml";
import database from "../../../tests/cases/gallery/database.yaml";
import freshCluster from "../../../tests/cases/gallery/fresh-cluster.yaml";
import oldVolume from "../../../tests/cases/gallery/old-volume.yaml";
import recreated from "../../../tests/cases/gallery/recreated.yaml";
import storeDown from "../../../tests/cases/gallery/store-down.yaml";
import testClaim from "../../../tests/cases/gallery/test-claim.yaml";
import wrongPrefix from "../../../tests/cases/gallery/wrong-prefix.yaml";

/** A step of a story, as in a golden case. */
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
  /** What a Kyverno policy did that checked for backups at admission, and generated the objects. */
  kyverno: string;
  steps: Step[];
}

/** The steps in a file. Their names begin with the name of the story. */
const steps = (text: string): Step[] =>
  parseAllDocuments(text).map((document) => {
    const { name, ...rest } = document.toJS() as Step;
    return { name: name.replace(/^[^:]*: (.)/, (_, first: string) => first.toUpperCase()), ...rest };
  });

/** All stories; the first is shown first. */
export const STORIES: Story[] = [
  {
    id: "fresh-cluster",
    title: "A new cluster, backups in S3",
    plot: "The cluster was lost. In the new one, the claims are created again from Git. Their backups are still in S3.",
    volsync:
      "A claim that names no restore binds to an empty volume, and a new ReplicationSource backs it up at once. If " +
      "24 hourly and 7 daily snapshots are kept, 24 such backups leave 5 good ones, and 135 leave none.",
    kyverno: "Restored the claim. Two hours after its creation the backup started, whatever had been restored.",
    steps: steps(freshCluster),
  },
  {
    id: "test-claim",
    title: "The first test claim",
    plot: "The claim that this project started from: first with the manifests of that time, then by default.",
    volsync:
      "Backs the claim up as soon as its ReplicationSource exists, whatever the schedule. A restore without a " +
      "`destinationPVC` goes into a volume of VolSync's own, beside the claim.",
    kyverno: "Created both objects in this way: nothing waits for a restore, and nothing holds the backup.",
    steps: steps(testClaim),
  },
  {
    id: "store-down",
    title: "S3 is down at admission",
    plot: "A claim is created while the store cannot be reached. It is unknown whether it was ever backed up.",
    volsync:
      "Tries the restore again and again, and the claim waits. A claim that names no restore binds to an empty volume.",
    kyverno:
      "Rejected the claim. When an access key became invalid, the service that it asked crashed, and for six days " +
      "every claim in the cluster was rejected.",
    steps: steps(storeDown),
  },
  {
    id: "wrong-prefix",
    title: "A mistyped prefix",
    plot: "The base credentials name an empty prefix. For restic, that is where a new repository goes.",
    volsync:
      "Initialises the repository, restores nothing from it, and reports `Successful`. The claim binds to an empty " +
      "volume, and is backed up to the wrong place.",
    kyverno: "Its service found no backup in the wrong place, so the claim was admitted, and started empty.",
    steps: steps(wrongPrefix),
  },
  {
    id: "came-back-empty",
    title: "A restore that came back empty",
    plot: "There are 24 snapshots. The restore succeeded according to its status, but restored nothing.",
    volsync:
      "Reports `Successful`, as for every restore that finds nothing; only the log shows it. The claim binds to an " +
      "empty volume, and backups of what the application writes to it age out the 24.",
    kyverno: "Checked that the claim was Bound and two hours old. It was, so the backup ran.",
    steps: steps(cameBackEmpty),
  },
  {
    id: "old-volume",
    title: "A volume older than the policy",
    plot: "A claim that has been used for years now gets the label. Its volume was never restored from a backup.",
    volsync: "Backs it up at once to the repository that the Secret names, whatever is already in there.",
    kyverno:
      "Checked for backups only when a claim was created. With a label that was added later, the backup ran unchecked.",
    steps: steps(oldVolume),
  },
  {
    id: "recreated",
    title: "A claim created again",
    plot: "`kubectl delete pvc`, and the claim is created again. The old ReplicationDestination still exists.",
    volsync: "Populates the new claim from the image that the old restore left, whatever its age.",
    kyverno: "Did not change what it had generated. In one case, the claim came back as it had been 13 days before.",
    steps: steps(recreated),
  },
  {
    id: "database",
    title: "A database with an operator",
    plot: "The claim belongs to a database operator, which makes its own backups. Someone labelled it anyway.",
    volsync: "Does not check who owns a claim: it copies the files of the running database.",
    kyverno: "Checked only the label.",
    steps: steps(database),
  },
];
