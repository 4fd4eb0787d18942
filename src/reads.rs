//! Reads: what a host must read, in the order in which it must be read.
//!
//! A host asks repeatedly, with what it has seen so far, until nothing is left to read: one answer names the next
//! object (a claim its volume, a Secret its repository), and a cheap read can make an expensive one unnecessary.
//!
//! VolSync does not wait for a host that reads one object after another, so an effect is read before its cause: the
//! claim, then `vs-prime-<uid>`, then the ReplicationDestination; logs and the ledger before the repository. Where the
//! newest snapshot is not the one that the ReplicationSource saved last, it is read once more after the repository.
//! `docs/decisions.md` says what would be misread otherwise.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::address::{ObjectRef, StoreRef};
use crate::ask::Ask;
use crate::document::at;
use crate::eligibility::Eligibility;
use crate::evidence::{DataSource, Evidence, Phase, RestoreEvidence};
use crate::mover::restic::layout;
use crate::observe::TWICE_APART;
use crate::observe::objects::{failures, is_ours};
use crate::part::Part;
use crate::queue::Turn;
use crate::role::Role;
use crate::seen::{Found, Seen};
use crate::settings::RestoreMode;
use crate::target::{Target, is_numbered};

/// Something that a host must read next.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Read {
    /// The key of the answer in `seen`.
    pub role: Role,
    /// What to read.
    #[serde(flatten)]
    pub target: ReadTarget,
    /// How many seconds must have passed since the answer of `repository`, because a repository counts as absent only
    /// if two listings are empty; left out where the read need not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<u32>,
    /// The fields of the object that the policy reads, as paths from its root. A host need not keep any other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Cow<'static, str>>,
}

/// What a host reads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ReadTarget {
    /// An object of Kubernetes.
    Object(ObjectRef),
    /// The last 1,024 bytes of the log of the newest failed pod of a Job.
    Log(ObjectRef),
    /// All keys below a prefix of the store, up to the next `/`; every page of the listing.
    Listing(StoreRef),
    /// An object of the store.
    Bytes(StoreRef),
    /// How many claims are ahead of this one in a queue. If none is, the claim has its turn from then on, until a plan
    /// whose `holds` does not name the queue.
    Turn(Turn),
}

/// How much of a claim must be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Whether objects of this policy were left behind, and the state of the claim.
    Leftovers,
    /// Whether the backup runs for an earlier claim of the same name.
    Backup,
    /// All objects of the cluster, but nothing of the store.
    Objects,
    /// All objects of the cluster, and the ledger.
    Ledger,
    /// Everything.
    Store,
}

impl Depth {
    /// How much of a claim must be read, by what the request asks for and by the evidence so far. `is_recorded` is
    /// [`Observer::is_recorded`](crate::observe::Observer::is_recorded).
    pub(crate) fn of(asked: &Eligibility<Ask>, evidence: &Evidence, is_recorded: bool) -> Self {
        let ask = match asked {
            Eligibility::Unselected(_) => return Depth::Leftovers,
            Eligibility::Terminating | Eligibility::Refused(_) | Eligibility::Unnamed => return Depth::Backup,
            Eligibility::Eligible(ask) => ask,
        };
        // Whatever the store says, a restore that runs is waited for. Its locks matter once it has failed.
        let is_restoring =
            matches!(&evidence.restore, Some(RestoreEvidence::Running(running)) if running.failures == 0);
        let matters = |phase, source| match (phase, source) {
            (Phase::Bound, _) => true,
            (Phase::Pending, DataSource::Ours) => !is_restoring,
            (Phase::Pending, DataSource::None | DataSource::Foreign) => ask.mode == RestoreMode::Side,
            (Phase::Lost, _) => false,
        };
        match &evidence.claim {
            Some(claim) if ask.has_credentials && matters(claim.phase, claim.data_source) => {
                // What a person accepted counts only for what is in the repository.
                if is_recorded && ask.accepted.is_empty() { Depth::Ledger } else { Depth::Store }
            }
            Some(_) | None => Depth::Objects,
        }
    }
}

impl Read {
    /// Asks whether a claim has its turn.
    pub(crate) fn turn(turn: Turn) -> Self {
        Read { role: Role::Queue, target: ReadTarget::Turn(turn), after_seconds: None, fields: Vec::new() }
    }
}

impl Target {
    /// What to read next: what is wanted, can be named, and has no answer yet. `evidence` is what was seen so far.
    pub(crate) fn reads(&self, depth: Depth, evidence: &Evidence, seen: &Seen) -> Vec<Read> {
        let mut wanted = self.wanted(depth, seen);
        wanted.extend((depth == Depth::Store && evidence.needs_second_look()).then_some(Role::SourceAgain));
        let unread = wanted.into_iter().filter(|role| !seen.has(*role));
        let read = |role: Role| {
            let fields = role.fields().iter().map(|field| Cow::Borrowed(*field)).collect();
            let after_seconds = (role == Role::RepositoryAgain).then_some(TWICE_APART);
            Some(Read { role, target: self.read_target(role, seen)?, after_seconds, fields })
        };
        unread.filter_map(read).collect()
    }

    fn read_target(&self, role: Role, seen: &Seen) -> Option<ReadTarget> {
        match role {
            Role::DestinationLog => self.object(role, seen).map(ReadTarget::Log),
            Role::Entries
            | Role::LiveEntries
            | Role::Repository
            | Role::RepositoryAgain
            | Role::Snapshots
            | Role::Locks => self.key(role, seen).ok().map(ReadTarget::Listing),
            Role::Marker | Role::Entry | Role::LiveMarker | Role::LiveEntry | Role::Config => {
                self.key(role, seen).ok().map(ReadTarget::Bytes)
            }
            role => self.object(role, seen).map(ReadTarget::Object),
        }
    }

    /// The roles that matter, in order, as far as that follows from what was seen.
    fn wanted(&self, depth: Depth, seen: &Seen) -> Vec<Role> {
        const CLAIM: [Role; 4] = [Role::Cluster, Role::Namespace, Role::Claim, Role::Volume];
        let found = |role| self.found(role, seen);
        let mut roles = Vec::new();
        if depth == Depth::Leftovers {
            roles.extend(Part::roles());
            if Part::roles().filter_map(found).any(is_ours) {
                roles.extend(CLAIM);
                roles.push(Role::Populator);
            }
            return roles;
        }
        roles.extend(CLAIM);
        if depth == Depth::Backup {
            roles.push(Role::Source);
            return roles;
        }
        if found(Role::Claim).is_none() {
            return roles;
        }
        roles.push(Role::Populator);
        roles.extend(Part::roles());
        roles.extend(self.is_external.then_some(Role::ExternalSecret));
        let is_read = |role: &Role| seen.has(*role) || self.object(*role, seen).is_none();
        if roles.iter().all(is_read) && roles.iter().skip(CLAIM.len() + 1).copied().filter_map(found).all(is_ours) {
            roles.extend(self.wanted_of_restore(seen));
            match depth {
                Depth::Store => {
                    let ledger = self.wanted_of_ledger(seen);
                    let is_read = ledger.iter().all(|role| seen.has(*role));
                    roles.extend(ledger);
                    roles.extend(is_read.then(|| self.wanted_of_repository(seen)).into_iter().flatten());
                }
                Depth::Ledger => roles.extend(self.wanted_of_ledger(seen)),
                Depth::Leftovers | Depth::Backup | Depth::Objects => {}
            }
        }
        roles
    }

    /// What tells the state of the restore, where its ReplicationDestination alone does not.
    fn wanted_of_restore(&self, seen: &Seen) -> Vec<Role> {
        let Some(destination) = self.found(Role::Destination, seen) else { return Vec::new() };
        if at(destination, &["status", "latestImage"]).is_some() {
            return vec![Role::Image];
        }
        let has_failed = self.found(Role::DestinationJob, seen).is_some_and(|job| failures(job) > 0);
        let log = has_failed.then_some(Role::DestinationLog);
        [Role::DestinationJob].into_iter().chain(log).collect()
    }

    /// The marker says where the entry is.
    fn wanted_of_ledger(&self, seen: &Seen) -> Vec<Role> {
        let mut roles = Vec::new();
        for (marker, entries, entry) in
            [(Role::Marker, Role::Entries, Role::Entry), (Role::LiveMarker, Role::LiveEntries, Role::LiveEntry)]
        {
            roles.push(marker);
            roles.extend(is_numbered(marker, seen).unwrap_or_default().then_some(entries));
            roles.push(entry);
        }
        roles.retain(|role| self.key(*role, seen).is_ok());
        roles
    }

    /// The parts of the repository that exist.
    fn wanted_of_repository(&self, seen: &Seen) -> Vec<Role> {
        let mut roles = vec![Role::Repository];
        let Ok(StoreRef { key, .. }) = self.key(Role::Repository, seen) else { return roles };
        let Found::Is(listing) = seen.listing(Role::Repository, &key) else { return roles };
        if listing.is_empty() {
            roles.extend([Role::Config, Role::RepositoryAgain]);
        }
        roles.extend(listing.has_object(layout::CONFIG).then_some(Role::Config));
        roles.extend(listing.has_folder(layout::SNAPSHOTS).then_some(Role::Snapshots));
        roles.extend(listing.has_folder(layout::LOCKS).then_some(Role::Locks));
        roles
    }
}
