//! Roles: what a host looks at, and which fields of it matter.

use serde::{Deserialize, Serialize};

/// Declares the roles.
macro_rules! roles {
    ($($(#[doc = $doc:literal])+ $role:ident = $name:literal;)+) => {
        /// What a read is for. It names the answer in `seen`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
        #[serde(rename_all = "camelCase")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Role {
            $($(#[doc = $doc])+ $role,)+
        }

        impl Role {
            /// All roles, in the order in which they are read.
            pub const ALL: [Role; [$(Role::$role),+].len()] = [$(Role::$role),+];

            /// As it stands in `seen`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Role::$role => $name,)+
                }
            }
        }
    };
}

roles! {
    /// The namespace `kube-system`, whose uid is the cluster's.
    Cluster = "cluster";
    /// The claim's namespace.
    Namespace = "namespace";
    /// The claim, as it is stored.
    Claim = "claim";
    /// The claim's PersistentVolume.
    Volume = "volume";
    /// The claim `vs-prime-<uid>` of VolSync's populator.
    Populator = "populator";
    /// The ReplicationDestination.
    Destination = "destination";
    /// The ReplicationSource.
    Source = "source";
    /// The claim's Secret.
    Secret = "secret";
    /// The ExternalSecret that makes the Secret, with `credentials.kind: ExternalSecret`.
    ExternalSecret = "externalSecret";
    /// The Job of a restore that has yet to finish.
    DestinationJob = "destinationJob";
    /// The log of that Job's newest failed pod.
    DestinationLog = "destinationLog";
    /// The VolumeSnapshot that a finished restore made.
    Image = "image";
    /// The ledger's marker.
    Marker = "marker";
    /// The claim's entry in the ledger.
    Entry = "entry";
    /// What stands right below the repository's place.
    Repository = "repository";
    /// The same once more, where there was nothing.
    RepositoryAgain = "repositoryAgain";
    /// The repository's `config`.
    Config = "config";
    /// The repository's snapshots.
    Snapshots = "snapshots";
    /// The repository's locks.
    Locks = "locks";
}

impl Role {
    /// The fields of the object that are looked at.
    pub(crate) fn fields(self) -> &'static [&'static str] {
        match self {
            Role::Cluster => &["metadata.uid"],
            Role::Namespace => &["metadata.uid", "metadata.deletionTimestamp"],
            Role::Claim => &["metadata", "spec", "status.phase"],
            Role::Volume => &["metadata.uid", "metadata.annotations", "spec.claimRef", "spec.csi"],
            Role::Populator => &["metadata.uid", "spec.dataSourceRef"],
            Role::Destination | Role::Source => &[
                "metadata.uid",
                "metadata.resourceVersion",
                "metadata.labels",
                "metadata.annotations",
                "spec",
                "status",
            ],
            Role::Secret => {
                &["metadata.uid", "metadata.resourceVersion", "metadata.labels", "metadata.annotations", "data"]
            }
            Role::ExternalSecret => {
                &["metadata.uid", "metadata.resourceVersion", "metadata.labels", "metadata.annotations", "spec"]
            }
            Role::DestinationJob => &["metadata.uid", "status.failed"],
            Role::Image => &["metadata.uid", "metadata.ownerReferences"],
            Role::DestinationLog
            | Role::Marker
            | Role::Entry
            | Role::Repository
            | Role::RepositoryAgain
            | Role::Config
            | Role::Snapshots
            | Role::Locks => &[],
        }
    }
}
