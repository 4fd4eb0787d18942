//! Roles: what a host reads, and which fields of it matter.

use serde::{Deserialize, Serialize};

/// Declares the roles.
macro_rules! roles {
    ($($(#[doc = $doc:literal])+ $role:ident = $name:literal;)+) => {
        /// The purpose of a read, which is also the key of its answer in `seen`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
        #[serde(rename_all = "camelCase")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Role {
            $($(#[doc = $doc])+ $role,)+
        }

        impl Role {
            /// All roles, in the order in which they are read.
            pub const ALL: [Role; [$(Role::$role),+].len()] = [$(Role::$role),+];

            /// The key of the role's answer in `seen`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Role::$role => $name,)+
                }
            }
        }
    };
}

roles! {
    /// The namespace `kube-system`, whose uid is the identity of the cluster.
    Cluster = "cluster";
    /// The claim's namespace.
    Namespace = "namespace";
    /// The claim, as the API server has it.
    Claim = "claim";
    /// The claim's PersistentVolume.
    Volume = "volume";
    /// The temporary claim `vs-prime-<uid>` of VolSync's volume populator.
    Populator = "populator";
    /// The ReplicationDestination that restores the claim.
    Destination = "destination";
    /// The ReplicationSource that backs up the claim.
    Source = "source";
    /// The claim's Secret.
    Secret = "secret";
    /// The ExternalSecret that creates the Secret, with `credentials.kind: ExternalSecret`.
    ExternalSecret = "externalSecret";
    /// The Job of a restore that has not finished.
    DestinationJob = "destinationJob";
    /// The log of the newest failed pod of the restore's Job.
    DestinationLog = "destinationLog";
    /// The image of a finished restore: the VolumeSnapshot that holds the restored data.
    Image = "image";
    /// The ledger marker, which holds the id of the store.
    Marker = "marker";
    /// The claim's numbered ledger entries, where the marker says that entries are numbered.
    Entries = "entries";
    /// The claim's ledger entry.
    Entry = "entry";
    /// The ledger marker beside the repository that the Secret names, where that is not the rendered one.
    LiveMarker = "liveMarker";
    /// The claim's numbered ledger entries beside the repository that the Secret names, where that is not the rendered
    /// one.
    LiveEntries = "liveEntries";
    /// The claim's ledger entry beside the repository that the Secret names, where that is not the rendered one.
    LiveEntry = "liveEntry";
    /// The objects and folders directly below the repository's address.
    Repository = "repository";
    /// The same listing at least 30 seconds later, where the first was empty.
    RepositoryAgain = "repositoryAgain";
    /// The repository's object `config`.
    Config = "config";
    /// The repository's snapshots.
    Snapshots = "snapshots";
    /// The repository's locks.
    Locks = "locks";
    /// The ReplicationSource once more, after the snapshots: only where somebody else may have written the newest one
    /// under the claim's own ledger entry.
    SourceAgain = "sourceAgain";
    /// How many claims are ahead in a queue: only where a restore or a first backup is to start.
    Queue = "queue";
}

impl Role {
    /// The fields of the object that the policy reads.
    pub(crate) fn fields(self) -> &'static [&'static str] {
        match self {
            Role::Cluster => &["metadata.uid"],
            Role::Namespace => &["metadata.uid", "metadata.deletionTimestamp"],
            Role::Claim => &["metadata", "spec", "status.phase"],
            Role::Volume => &["metadata.uid", "metadata.annotations", "spec.claimRef", "spec.csi"],
            Role::Populator => &["metadata.uid", "spec.dataSourceRef"],
            Role::Destination | Role::Source | Role::SourceAgain => &[
                "metadata.uid",
                "metadata.resourceVersion",
                "metadata.labels",
                "metadata.annotations",
                "metadata.ownerReferences",
                "spec",
                "status",
            ],
            Role::Secret => &[
                "metadata.uid",
                "metadata.resourceVersion",
                "metadata.labels",
                "metadata.annotations",
                "metadata.ownerReferences",
                "type",
                "data",
            ],
            Role::ExternalSecret => &[
                "metadata.uid",
                "metadata.resourceVersion",
                "metadata.labels",
                "metadata.annotations",
                "metadata.ownerReferences",
                "spec",
            ],
            Role::DestinationJob => &["metadata.uid", "status.failed"],
            Role::Image => &["metadata.uid", "metadata.ownerReferences"],
            Role::DestinationLog
            | Role::Marker
            | Role::Entries
            | Role::Entry
            | Role::LiveMarker
            | Role::LiveEntries
            | Role::LiveEntry
            | Role::Repository
            | Role::RepositoryAgain
            | Role::Config
            | Role::Snapshots
            | Role::Locks
            | Role::Queue => &[],
        }
    }
}
