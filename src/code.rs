//! Reason codes: what a verdict says, and what a person can do about it. The reference page of them,
//! `docs/reason-codes.md`, is written from here.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares the codes, each with all there is to say about it.
macro_rules! codes {
    ($($code:ident: $sentence:literal, $way_out:expr, $acceptance:expr;)+) => {
        /// Why a plan is as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Code {
            $(#[doc = $sentence] $code,)+
        }

        impl Code {
            /// All codes, in the order in which the decision comes to them.
            pub const ALL: [Code; [$(Code::$code),+].len()] = [$(Code::$code),+];

            /// As it stands in a plan.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$code => stringify!($code),)+
                }
            }

            /// What it means, in a sentence.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Code::$code => $sentence,)+
                }
            }

            /// What leads out of it, where something is held back.
            pub fn way_out(self) -> Option<&'static str> {
                match self {
                    $(Code::$code => $way_out,)+
                }
            }

            /// Whether a person may accept it.
            pub fn acceptance(self) -> Acceptance {
                match self {
                    $(Code::$code => $acceptance,)+
                }
            }
        }
    };
}

/// Whether a person may accept a hold, by `volsync-policy.io/accept` on the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// They may: the procedure then goes on below it.
    Possible,
    /// They may not, or there is nothing to accept.
    None,
}

use Acceptance::{None as Never, Possible};

codes! {
    NotSelected: "The claim does not carry the label, or its namespace is excluded; nothing is done.",
        None, Never;
    StrayBackup: "A ReplicationSource of ours runs for another incarnation of the claim, or without a release that \
        stands; it is deleted at once, before it ages out a good backup.",
        Some("Nothing to do: the next plan decides what becomes of the backup."), Never;
    ClaimTerminating: "The claim is being deleted; everything stays as it is.",
        None, Never;
    LabelInvalid: "The label's value names no schedule; the claim is not protected, and what is there stays.",
        Some("Fix the claim as the problem says, or remove the label."), Never;
    VolumeUnsupported: "The claim cannot be backed up or restored; it is not protected, and what is there stays.",
        Some("Fix the claim as the problem says, or remove the label."), Never;
    NameUnknown: "The API server has yet to name the claim; it is planned for once it has a name.",
        Some("Nothing, where an API server names it; else give the claim a name."), Never;
    NoEvidence: "Nobody looked whether older backups exist, so the backup is rendered paused: it can age out none.",
        Some("Let the host apply it, which gathers evidence; or set `spec.paused: false` once you know that the \
            volume was restored, or that there was nothing to restore. What was copied while it was paused is \
            uploaded first."), Never;
    Ungated: "The gate is off: the backup runs at once, and can age out older backups that were never restored.",
        Some("Switch the gate on: `gate: evidence` in settings."), Never;
    ObjectsUnread: "The cluster's own objects could not all be read; everything stays as it is.",
        Some("Nothing to do: it clears once they can be read. If it stays, look at the host's log and its \
            permissions."), Never;
    OptOutPending: "The label is gone while the claim still waits for its restore; the restore is kept, for the claim \
        cannot bind without it.",
        Some("Put the label back, or delete the claim."), Never;
    OptedOut: "The claim is no longer selected; its ReplicationDestination and ReplicationSource are deleted, its \
        backups stay.",
        Some("To protect it again, put the label back."), Never;
    NamespaceExcluded: "The claim carries the label in an excluded namespace; what is there stays as it is.",
        Some("Remove the label, or the namespace from `excludeNamespaces` in settings."), Never;
    NotOurs: "An object of another owner has the name of one of ours; nothing is overwritten.",
        Some("Rename or delete that object, or hand it over: label it `app.kubernetes.io/managed-by: volsync-policy`."),
        Never;
    CredentialsMissing: "The credentials do not make a Secret, so nothing can be restored or backed up.",
        Some("Add the keys that the notes name."), Never;
    VolumeLost: "The claim has lost its volume; what is there stays as it is.",
        Some("Delete the claim and create it again: it is restored."), Never;
    VolumeReplaced: "The claim's backup was released for another volume than the one it has now.",
        Some("Delete the claim and create it again: it is restored. Or, if this volume's data is the right one, \
            accept."), Possible;
    Superseded: "Another claim or cluster has taken over the repository since this claim's backup was released.",
        Some("Delete the claim and create it again: it restores what the other wrote. Or stop the other, and then \
            accept."), Possible;
    RepositoryReplaced: "Where the claim's repository was, there is another one now.",
        Some("Point the credentials back at the repository that was backed up to. Or, if this is the one to go on \
            with, accept."), Possible;
    LedgerUninitialised: "The store has no ledger, so nobody can tell whether the claim ever had a backup.",
        Some("Initialise the ledger once, with `volsync-policy ledger init`; it clears then."), Never;
    LedgerMismatch: "The ledger is that of another store than settings name.",
        Some("Point the credentials at the right store, or correct `ledger.storeId` in settings; it clears then."),
        Never;
    LedgerUnread: "The ledger could not be read, so nobody can tell whether the claim ever had a backup.",
        Some("Nothing to do once the store can be read again; it clears by itself."), Never;
    RepositoryUnread: "The repository could not be read, and what cannot be read is not taken for empty.",
        Some("Nothing to do once the store can be read again; it clears by itself."), Never;
    RepositoryDamaged: "What stands where the repository should be is no repository that restic can open.",
        Some("Repair it with restic. Or, if nothing in it is wanted, accept."), Possible;
    SnapshotsGone: "The repository has data and no snapshot: someone removed them all.",
        Some("In a bucket with versions, remove the delete markers under `snapshots/`. Or accept, to start anew."),
        Possible;
    DataExpected: "The claim was backed up before, and there is no trace of it.",
        Some("Look for the backups: a wrong bucket or prefix reads like this. Or, if they are gone for good, accept."),
        Possible;
    RepositoryRolledBack: "The newest backup that is remembered is newer than the newest there is.",
        Some("Bring back the missing snapshots. Or, if older ones are good enough, accept."), Possible;
    RepositoryMoved: "The claim was backed up to another repository than the one it is pointed at.",
        Some("Copy the old repository to the new place, or point the credentials back. Then, or to start anew, \
            accept."), Possible;
    Released: "The backup runs.",
        None, Never;
    SecretOutdated: "The claim's Secret points at another repository than settings say, and is rendered anew.",
        Some("Nothing to do: the next plan goes on."), Never;
    SameVolume: "The claim's volume is the one that is already backed up, so the backup runs.",
        None, Never;
    OtherWriterActive: "Another cluster or an unknown writer backs up to the claim's repository.",
        Some("Stop the other: it clears after two of its intervals without a backup. Or, if the other is stopped \
            already, accept."), Possible;
    StartedFresh: "There was nothing to restore, so the claim started empty, and the backup runs.",
        None, Never;
    AdoptedVolume: "The claim was never backed up, so its volume is adopted as it is, and the backup runs.",
        None, Never;
    UnrestoredVolume: "There are backups, and the claim's volume was not restored from them.",
        Some("Delete the claim and create it again: it is restored. To keep both, back the volume up under another \
            name first. Or, if this volume's data is the right one, accept."), Possible;
    ForeignSource: "There are backups, and the claim's volume was made from something else.",
        Some("Delete the claim and create it again without its data source: it is restored. Or, if this volume's \
            data is the right one, accept."), Possible;
    PopulatedFromOtherImage: "The claim's volume was made from another image than the one its restore gave.",
        Some("Delete the claim and create it again: it is restored. Or, if this volume's data is the right one, \
            accept."), Possible;
    RestoreCameBackEmpty: "There should be backups, and the restore found none.",
        Some("Look at the repository and its password's snapshots, then delete the claim and create it again. Or \
            accept that it starts empty; while it is Pending also with `volsync-policy.io/restore: skip <reason>`."),
        Possible;
    RestoreUnverified: "The restore ended well, and its log is gone, so nobody can tell what was restored.",
        Some("Delete the claim and create it again: it is restored. Or look at the volume and, if its data is right, \
            accept."), Possible;
    RestoredFromElsewhere: "The snapshot that was restored is not in the claim's repository.",
        Some("Delete the claim and create it again: it is restored. Or, if what was restored is right, accept."),
        Possible;
    RestoredOlder: "The snapshot that was restored is not the newest: someone wrote since, or a clock was fast.",
        Some("Delete the claim and create it again: the newest is restored. Or, if what was restored is right, \
            accept."), Possible;
    Restored: "The volume was restored from the newest backup, so the backup runs.",
        None, Never;
    MissedAdmission: "The claim was created without a reference to its restore, so it would bind empty.",
        Some("Delete the claim and create it again, once admission is up."), Never;
    AwaitingBind: "The claim waits for its volume; it is not restored by this policy.",
        Some("Nothing to do: the next plan decides once it is Bound."), Never;
    StaleRestore: "The ReplicationDestination is that of another incarnation or has served, and is deleted.",
        Some("Nothing to do: the next plan restores anew."), Never;
    PopulatorWedged: "VolSync fills the claim from an image that is not its restore's; it is made to start over.",
        Some("Nothing to do: the next plan goes on."), Never;
    Binding: "The restore is done, and the claim is about to bind to it.",
        Some("Nothing to do. If it stays, the image cannot be used: delete the ReplicationDestination."), Never;
    Restoring: "The restore is under way.",
        Some("Nothing to do: the claim binds once it is done."), Never;
    RestoreFailing: "The restore fails again and again; the claim stays Pending.",
        Some("Do as the notes say. If it can never finish, delete the claim and create it again with \
            `volsync-policy.io/restore: skip <reason>`."), Never;
    CapacityTooSmall: "The claim requests less storage than what was backed up had.",
        Some("Delete the claim and create it again with at least as much. Or, if the data fits, accept."), Possible;
    RestoreQueued: "Other restores go first.",
        Some("Nothing to do: its turn comes."), Never;
    RestoreFromBackup: "There are backups: the claim is restored before it binds.",
        None, Never;
    FreshVolume: "There never was a backup: the claim starts empty.",
        None, Never;
    AcceptedByOperator: "A person accepted the hold that stood here, so it goes on.",
        None, Never;
}

// Neither is derived: that writes out a branch for each.
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
    /// The code of that name.
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
