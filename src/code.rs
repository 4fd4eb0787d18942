//! Reason codes: why a plan is as it is, and what a person can do about it. The reference page
//! `docs/reason-codes.md` is generated from this file.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares the codes, each with its sentence, its way out, and whether a person may accept it.
macro_rules! codes {
    ($($code:ident: $sentence:literal, $way_out:expr, $acceptance:expr;)+) => {
        /// The reason for a verdict.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Code {
            $(#[doc = $sentence] $code,)+
        }

        impl Code {
            /// All codes, in the order in which the decision checks them.
            pub const ALL: [Code; [$(Code::$code),+].len()] = [$(Code::$code),+];

            /// The name of the code in a plan.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$code => stringify!($code),)+
                }
            }

            /// What the code means, in a sentence.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Code::$code => $sentence,)+
                }
            }

            fn what_helps(self) -> WayOut {
                match self {
                    $(Code::$code => $way_out,)+
                }
            }

            /// Whether a person may accept the hold.
            pub fn acceptance(self) -> Acceptance {
                match self {
                    $(Code::$code => $acceptance,)+
                }
            }
        }
    };
}

/// What helps where something is held back.
enum WayOut {
    /// Nothing is held back.
    Done,
    /// It clears by itself.
    Wait(&'static str),
    /// A person has to do something, or has to if it persists.
    Act(&'static str),
}

/// Whether a person may accept a hold, with the annotation `volsync-policy.io/accept` on the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// A person may accept the hold. The decision then continues with the rows below it.
    Possible,
    /// Nobody can accept the hold, or there is nothing to accept.
    None,
}

use Acceptance::{None as Never, Possible};
use WayOut::{Act, Done, Wait};

codes! {
    NotSelected: "The claim does not carry the label, or its namespace is excluded; nothing is done.",
        Done, Never;
    StrayBackup: "The ReplicationSource was created for an earlier claim of the same name, or runs without a valid \
        release; it is deleted at once, before it can age out good snapshots.",
        Wait("Nothing to do: the next plan decides about the backup."), Never;
    ClaimTerminating: "The claim or its namespace is being deleted; everything stays as it is.",
        Done, Never;
    LabelInvalid: "The label's value names no schedule; the claim is not protected, and existing objects stay.",
        Act("Correct the claim as the problem says, or remove the label."), Never;
    VolumeUnsupported: "The claim cannot be backed up or restored; it is not protected, and existing objects stay.",
        Act("Correct the claim as the problem says, or remove the label."), Never;
    NameUnknown: "The claim has no name yet; it is protected once the API server has generated one.",
        Act("Nothing to do if the API server generates the name. Otherwise, give the claim a name."), Never;
    NoEvidence: "Nothing is known about older backups, so the backup is rendered paused and cannot age out any.",
        Act("Plan with evidence. Or set `spec.paused: false` once you know that the volume was restored, or that \
            there was nothing to restore. A snapshot that VolSync took while it was paused is uploaded first."), Never;
    Ungated: "The gate is off: the backup runs at once, and can age out older backups that were never restored.",
        Act("Turn the gate on: set `gate: evidence` in settings."), Never;
    ObjectsUnread: "Not all of the claim's objects in the cluster could be read; everything stays as it is.",
        Act("Nothing to do: the hold clears once they can be read. If it persists, check the permissions and the \
            log of the host."), Never;
    OptOutPending: "The label was removed while the claim waits for its restore; the restore is kept, because the \
        claim cannot bind without it.",
        Act("Put the label back, or delete the claim."), Never;
    OptedOut: "The claim is no longer selected; its ReplicationDestination and ReplicationSource are deleted, and \
        its backups stay.",
        Wait("To protect the claim again, put the label back."), Never;
    NamespaceExcluded: "The claim carries the label in an excluded namespace; existing objects stay as they are.",
        Act("Remove the label, or remove the namespace from `excludeNamespaces` in settings."), Never;
    NotOurs: "An object with the name of one of the manifests is managed by someone else; it is not overwritten.",
        Act("Rename or delete that object. Or hand it over to this policy with the label \
            `app.kubernetes.io/managed-by: volsync-policy`."), Never;
    CredentialsMissing: "The credentials do not make a Secret, so nothing can be restored or backed up.",
        Act("Add the keys that the notes name."), Never;
    VolumeLost: "The claim has lost its volume; everything stays as it is.",
        Act("Delete the claim and create it again: it is then restored."), Never;
    VolumeReplaced: "The claim's backup was released for another volume than the claim has now.",
        Act("Delete the claim and create it again: it is then restored. Or, if this volume has the right data, \
            accept the hold."), Possible;
    Superseded: "Another claim or cluster has taken over the repository, or has written its newest snapshot, since \
        this claim's backup was released.",
        Act("Delete the claim and create it again: the other writer's data is then restored. Or stop the other \
            writer, then accept the hold."), Possible;
    RepositoryReplaced: "The address of the claim's repository now leads to a different repository.",
        Act("Point the credentials back at the repository that was backed up to. Or, if the new repository is the \
            right one, accept the hold."), Possible;
    EntryLost: "The claim's ledger entry is gone, and nothing shows that the claim's backup wrote the newest snapshot.",
        Act("Put the ledger entry back. Or make sure that no other claim or cluster backs up to the repository, then \
            accept the hold."), Possible;
    LedgerUninitialised: "The store has no ledger, so it is unknown whether the claim ever had a backup.",
        Act("Make sure that the credentials name the right bucket and prefix. If this store never had a ledger, run \
            `volsync-policy ledger init` once, and write the id that it prints into `ledger.storeId` in settings. The \
            hold clears then."), Never;
    LedgerMismatch: "The id in the ledger marker differs from `ledger.storeId` in settings.",
        Act("Point the credentials at the right store, or correct `ledger.storeId` in settings. The hold clears \
            then."), Never;
    LedgerUnread: "The ledger could not be read, so it is unknown whether the claim ever had a backup.",
        Act("Nothing to do if the store is only temporarily unavailable: the hold clears once the ledger can be \
            read."), Never;
    RepositoryUnread: "The repository could not be read, so it is unknown whether it has snapshots.",
        Act("Nothing to do if the store is only temporarily unavailable: the hold clears once the repository can be \
            read."), Never;
    RepositoryDamaged: "There are objects where the repository should be, but restic cannot open them as a \
        repository.",
        Act("Repair the repository with restic. Or, if its data is not needed, accept the hold."), Possible;
    SnapshotsGone: "The repository has data but no snapshot: all snapshots were removed.",
        Act("Put the pinned snapshots back with `volsync-policy undo <namespace>/<claim>`, or, in a versioned bucket, \
            remove the delete markers below `snapshots/`. Or accept the hold, to start without the old backups."),
        Possible;
    DataExpected: "The ledger remembers backups of the claim, but its repository has none.",
        Act("Look for the backups: a wrong bucket or prefix has the same effect. Or, if they are permanently lost, \
            accept the hold."), Possible;
    RepositoryRolledBack: "The newest snapshot in the repository is older than the newest that the ledger remembers.",
        Act("Bring back the missing snapshots: `volsync-policy undo <namespace>/<claim>` puts back those that were \
            pinned. Or, if the older ones suffice, accept the hold."), Possible;
    RepositoryMoved: "The claim was backed up to a different repository than its credentials now name.",
        Act("Copy the old repository to the new address, or point the credentials back. After copying, or to start \
            without the old backups, accept the hold."), Possible;
    Released: "The backup was released, and runs.",
        Done, Never;
    SecretOutdated: "The claim's Secret names another repository than settings do; it is rendered again.",
        Wait("Nothing to do: the next plan continues."), Never;
    SameVolume: "The claim's volume is the one that is already backed up, so the backup runs.",
        Done, Never;
    OtherWriterActive: "Another cluster or an unknown writer backs up to the claim's repository.",
        Act("Stop the other writer: the hold clears after two of its intervals without a backup. Or, if it is \
            already stopped, accept the hold."), Possible;
    StartedFresh: "There was nothing to restore, so the claim started empty, and the backup runs.",
        Done, Never;
    AdoptedVolume: "The claim was never backed up, so its volume is backed up as it is.",
        Done, Never;
    UnrestoredVolume: "There are backups, but the claim's volume was not restored from them.",
        Act("Delete the claim and create it again: it is then restored. To keep the data of both, first back up the \
            volume under another name. Or, if this volume has the right data, accept the hold."), Possible;
    ForeignSource: "There are backups, but the claim's volume was created from another data source.",
        Act("Delete the claim and create it again without its data source: it is then restored. Or, if this volume \
            has the right data, accept the hold."), Possible;
    PopulatedFromOtherImage: "The claim's volume was populated from another image than that of its restore.",
        Act("Delete the claim and create it again: it is then restored. Or, if this volume has the right data, \
            accept the hold."), Possible;
    RestoreCameBackEmpty: "There should be backups, but the restore found none.",
        Act("Check the repository and which snapshots its password opens, then delete the claim and create it \
            again. Or accept the hold, so that the claim starts empty. A claim that is Pending can also be created \
            again with `volsync-policy.io/restore: skip <reason>`."), Possible;
    RestoreUnverified: "The restore succeeded, but its log does not say what was restored.",
        Act("Delete the claim and create it again: it is then restored. Or, if the volume has the right data, \
            accept the hold."), Possible;
    RestoredFromElsewhere: "The snapshot that was restored is not in the claim's repository.",
        Act("Delete the claim and create it again: it is then restored. Or, if the right data was restored, accept \
            the hold."), Possible;
    RestoredOlder: "The snapshot that was restored is not the newest: a newer one was written since, or a clock was \
        wrong.",
        Act("Delete the claim and create it again: the newest snapshot is then restored. Or, if the right data was \
            restored, accept the hold."), Possible;
    EntryNotRetired: "The claim's ledger entry is another cluster's, and the store does not honour conditional writes.",
        Act("Stop the other cluster's backup of the claim, then run `volsync-policy ledger retire <namespace>/<claim> \
            --yes`. The hold clears then."), Never;
    EntryUnconfirmed: "The claim's ledger entry is written; the backup runs once the entry was read back.",
        Wait("Nothing to do: the next plan continues."), Never;
    BackupQueued: "The first backups of other claims are ahead of this one's.",
        Wait("Nothing to do: the backup starts when it is its turn."), Never;
    Restored: "The volume was restored from the newest snapshot, so the backup runs.",
        Done, Never;
    MissedAdmission: "The claim was created without a reference to its restore, so it would bind to an empty volume.",
        Act("Delete the claim and create it again once the admission policy works."), Never;
    AwaitingBind: "The claim is not restored by this policy, and waits for its volume.",
        Wait("Nothing to do: the next plan decides once the claim is Bound."), Never;
    StaleRestore: "The ReplicationDestination was created for an earlier claim of the same name, or has already been \
        used; it is deleted.",
        Wait("Nothing to do: the next plan starts a new restore."), Never;
    PopulatorWedged: "VolSync fills the claim from another image than that of its restore; it is made to start over.",
        Wait("Nothing to do: the next plan continues."), Never;
    Binding: "The restore is done, and the claim is about to bind to the restored volume.",
        Wait("Nothing to do. If the claim does not bind, the image cannot be used: delete the ReplicationDestination."),
        Never;
    Restoring: "The restore is in progress.",
        Wait("Nothing to do: the claim binds once the restore is done."), Never;
    RestoreFailing: "The restore has failed several times; the claim stays Pending.",
        Act("Do what the notes say. If the restore can never succeed, delete the claim and create it again with \
            `volsync-policy.io/restore: skip <reason>`."), Never;
    CapacityTooSmall: "The claim requests less storage than it did when it was backed up.",
        Act("Delete the claim and create it again with at least as much storage. Or, if the data fits, accept the \
            hold."), Possible;
    RestoreQueued: "Other restores are ahead of this one.",
        Wait("Nothing to do: the restore starts when it is its turn."), Never;
    RestoreFromBackup: "There are backups, so the claim is restored before it binds.",
        Done, Never;
    FreshVolume: "There never was a backup, so the claim starts empty.",
        Done, Never;
    AcceptedByOperator: "A person accepted the hold, so the claim proceeds.",
        Done, Never;
}

// Neither is derived, because a derived implementation has a branch for each code.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Code::parse(&name).ok_or_else(|| D::Error::custom("expected a reason code"))
    }
}

impl Code {
    /// What a person can do, where something is held back.
    pub fn way_out(self) -> Option<&'static str> {
        match self.what_helps() {
            Done => None,
            Wait(words) | Act(words) => Some(words),
        }
    }

    /// Whether a person has to do something, or has to if the code persists.
    pub fn needs_a_person(self) -> bool {
        matches!(self.what_helps(), Act(_))
    }

    /// Parses the name of a code.
    pub fn parse(name: &str) -> Option<Self> {
        Code::ALL.into_iter().find(|code| code.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_serializes_as_it_is_named_and_can_be_read_back() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(serde_json::from_value::<Code>(code.as_str().into()).unwrap(), code);
        }
        assert!(serde_json::from_str::<Code>(r#""released""#).is_err());
    }

    #[test]
    fn every_sentence_is_one_and_whoever_may_accept_is_told_so() {
        for code in Code::ALL {
            assert!(code.sentence().ends_with('.'), "{code:?}");
            let says_so = code.way_out().is_some_and(|way_out| way_out.contains("ccept"));
            assert_eq!(says_so, code.acceptance() == Possible, "{code:?}");
        }
    }
}
