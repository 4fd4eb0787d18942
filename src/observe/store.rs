//! The store: the ledger and the repository, read without the repository's password.

use super::{Observer, TWICE_APART};
use crate::custody::Own;
use crate::evidence::{
    BackupEvidence, Digest, EmptyRepository, Evidence, Failure, Ledger, Listing, NoRepository, Repository,
    RestoreEvidence, Suspicion, Timestamp,
};
use crate::ledger::{self, Unreadable};
use crate::mover::restic::{Outcome, SnapshotId, layout};
use crate::role::Role;
use crate::seen::{self, Found};

impl Observer<'_> {
    /// The claim's ledger entry. While the Secret points elsewhere, one beside the repository that it names counts.
    pub(super) fn ledger(&self) -> Ledger {
        let live = self.target.key(Role::LiveMarker, self.seen).ok();
        match live.map(|_| self.ledger_at(Role::LiveMarker, Role::LiveEntries, Role::LiveEntry)) {
            Some(read @ (Ledger::Entry(_) | Ledger::Unread(_))) => read,
            Some(Ledger::Uninitialised | Ledger::OtherStore | Ledger::None) | None => {
                self.ledger_at(Role::Marker, Role::Entries, Role::Entry)
            }
        }
    }

    fn ledger_at(&self, marker: Role, entries: Role, entry: Role) -> Ledger {
        self.read_ledger(marker, entries, entry).unwrap_or_else(Ledger::Unread)
    }

    fn read_ledger(&self, marker: Role, entries: Role, entry: Role) -> Result<Ledger, Failure> {
        let unreadable = |Unreadable| Failure::Malformed;
        let marker = match self.bytes(marker) {
            Found::Is(marker) => ledger::read_marker(&marker.data).map_err(unreadable)?,
            Found::Absent => return Ok(Ledger::Uninitialised),
            Found::Unread(failure) => return Err(failure),
        };
        if Some(&marker.store_id) != self.settings.ledger.store_id.as_ref() {
            return Ok(Ledger::OtherStore);
        }
        if marker.is_numbered() && self.listing(entries)?.objects.is_empty() {
            return Ok(Ledger::None);
        }
        let entry = match self.bytes(entry) {
            Found::Is(entry) => entry,
            // A numbered entry was listed, so a newer one has been written since.
            Found::Absent if marker.is_numbered() => return Err(Failure::Malformed),
            Found::Absent => return Ok(Ledger::None),
            Found::Unread(failure) => return Err(failure),
        };
        let entry = ledger::read_entry(&entry.data, self.target.judged_address(self.seen).as_ref());
        Ok(Ledger::Entry(Box::new(entry.map_err(unreadable)?)))
    }

    /// The state of the repository; `evidence` is what was read before it.
    pub(super) fn repository(&self, evidence: &Evidence) -> Repository {
        self.read_repository(evidence).unwrap_or_else(Repository::Unread)
    }

    fn read_repository(&self, evidence: &Evidence) -> Result<Repository, Failure> {
        let root = self.listing(Role::Repository)?;
        if root.is_empty() {
            return self.blank(&root);
        }
        let as_of = root.as_of;
        if !root.has_object(layout::CONFIG) || !root.has_folder(layout::KEYS) {
            return Ok(Repository::Damaged(NoRepository { as_of }));
        }
        let fingerprint = match self.bytes(Role::Config) {
            Found::Is(config) => Digest::of(&config.data),
            Found::Absent => return Err(Failure::Malformed),
            Found::Unread(failure) => return Err(failure),
        };
        let locks = if root.has_folder(layout::LOCKS) { self.listing(Role::Locks).ok() } else { None };
        let locked_at = || locks.iter().flat_map(|locks| locks.objects.iter().map(|(_, at)| *at));
        let (oldest_lock, newest_lock) = (locked_at().min(), locked_at().max());
        let opened = EmptyRepository { as_of, fingerprint, oldest_lock, newest_lock };
        if root.has_folder(layout::SNAPSHOTS) {
            let snapshots = self.listing(Role::Snapshots)?;
            // An object with another kind of name is not a snapshot; restic ignores it.
            let named = |(key, at): &(&str, Timestamp)| Some((*at, Digest::parse(key)?));
            let snapshots: Vec<(Timestamp, Digest)> = snapshots.objects.iter().filter_map(named).collect();
            if let Some(listing) = self.holds(&snapshots, &opened, evidence) {
                return Ok(Repository::Holds(Box::new(listing)));
            }
        }
        let has_data = layout::DATA.into_iter().any(|folder| root.has_folder(folder));
        Ok(if has_data { Repository::Emptied(opened) } else { Repository::Initialised(opened) })
    }

    /// The first listing is empty. The repository is absent if a second listing half a minute later is empty too, and
    /// if the object `config` does not exist: a store that denies access may answer with an empty listing.
    fn blank(&self, first: &seen::Listing<'_>) -> Result<Repository, Failure> {
        let again = self.listing(Role::RepositoryAgain)?;
        let is_apart = again.as_of.since(first.as_of) >= u64::from(TWICE_APART);
        match self.bytes(Role::Config) {
            Found::Absent if again.is_empty() && is_apart => {
                Ok(Repository::Absent(NoRepository { as_of: again.as_of }))
            }
            Found::Absent | Found::Is(_) => Err(Failure::Malformed),
            Found::Unread(failure) => Err(failure),
        }
    }

    fn holds(
        &self,
        snapshots: &[(Timestamp, Digest)],
        opened: &EmptyRepository,
        evidence: &Evidence,
    ) -> Option<Listing> {
        let (newest_at, newest_key) = snapshots.iter().max()?;
        let lists = |id: &SnapshotId| snapshots.iter().any(|(_, key)| key.as_str().starts_with(id.as_str()));
        let restored = match &evidence.restore {
            Some(RestoreEvidence::Done(done)) => match &done.outcome {
                Outcome::Restored(id) => Some(id),
                Outcome::Nothing | Outcome::Unread => None,
            },
            Some(
                RestoreEvidence::Absent
                | RestoreEvidence::Foreign
                | RestoreEvidence::Stale
                | RestoreEvidence::Running(_),
            )
            | None => None,
        };
        // Between the recorded snapshot and the saved one, nothing else may have been written.
        let recorded = evidence.release().and_then(|record| record.newest);
        let recorded = snapshots.iter().find(|(_, key)| recorded.as_ref() == Some(key));
        let is_older = |it: &(Timestamp, Digest)| recorded.is_none_or(|recorded| it == recorded || it.0 < recorded.0);
        let is_next = snapshots.iter().all(|it| it.1 == *newest_key || is_older(it));
        let saved = self.saved();
        let is_newest = |id: &SnapshotId| newest_key.as_str().starts_with(id.as_str());
        Some(Listing {
            as_of: opened.as_of,
            fingerprint: opened.fingerprint.clone(),
            oldest_lock: opened.oldest_lock,
            newest_lock: opened.newest_lock,
            count: snapshots.len() as u64,
            newest_key: newest_key.clone(),
            newest_at: *newest_at,
            lists_restored: restored.is_some_and(lists),
            lists_saved: is_next && saved.as_ref().is_some_and(is_newest),
            suspicion: self.suspicion(snapshots, opened, evidence, saved.as_ref()),
        })
    }

    /// The suspicion that somebody else wrote the newest snapshot, although the ledger entry is the claim's own.
    fn suspicion(
        &self,
        snapshots: &[(Timestamp, Digest)],
        opened: &EmptyRepository,
        evidence: &Evidence,
        saved: Option<&SnapshotId>,
    ) -> Option<Suspicion> {
        let own = Own::of(evidence).filter(Own::is_of_the_place)?;
        let backup = evidence.backup.as_ref().and_then(BackupEvidence::ours)?;
        let saved = saved.filter(|_| backup.uid.as_ref() == Some(&own.entry().writer.uid))?;
        let (_, saved) = snapshots.iter().find(|(_, key)| key.as_str().starts_with(saved.as_str()))?;
        let (_, newest) = snapshots.iter().max()?;
        let (record, memory) = (evidence.release(), own.entry().memory.as_ref());
        let recorded = record.as_ref().and_then(|record| record.newest.as_ref());
        let named = [Some(saved), recorded, memory.map(|memory| &memory.newest_key)];
        // In a copy of the repository the times say nothing.
        let released = record.as_ref().and_then(|record| record.fingerprint.as_ref());
        let fingerprints = released.into_iter().chain(memory.map(|memory| &memory.fingerprint));
        let is_other_time = |(at, key): &(Timestamp, Digest)| {
            memory.is_some_and(|memory| memory.newest_key == *key && memory.newest_at != *at)
        };
        let is_copy =
            fingerprints.into_iter().any(|it| *it != opened.fingerprint) || snapshots.iter().any(is_other_time);
        let suspicion = if self.source_rested() { Suspicion::Confirmed } else { Suspicion::Open };
        (!named.contains(&Some(newest)) && !is_copy).then_some(suspicion)
    }

    /// Whether the claim's newest backup is recorded, by its entry and its release record, so that the repository need
    /// not be read before the next one. Another host takes over the entry before it writes to the repository; what
    /// anything else writes there is found with the next backup.
    pub(crate) fn is_recorded(&self, evidence: &Evidence) -> bool {
        let is_saved = |newest: &Digest| self.saved().is_some_and(|id| newest.as_str().starts_with(id.as_str()));
        let remembers = |newest: &Digest| {
            let own = Own::of(evidence).filter(Own::is_of_the_place);
            own.and_then(|own| own.entry().memory.as_ref()).is_some_and(|memory| memory.newest_key == *newest)
        };
        evidence.secret_is_as_rendered()
            && evidence.release().is_some_and(|record| {
                let is_marked = record.overtaken || record.elsewhere || record.moved;
                !is_marked && record.newest.as_ref().is_some_and(|newest| is_saved(newest) && remembers(newest))
            })
    }

    fn listing(&self, role: Role) -> Result<seen::Listing<'_>, Failure> {
        let place = self.target.key(role, self.seen)?;
        match self.seen.listing(role, &place.key) {
            Found::Is(listing) => Ok(listing),
            Found::Absent => Err(Failure::Malformed),
            Found::Unread(failure) => Err(failure),
        }
    }

    fn bytes(&self, role: Role) -> Found<seen::Bytes<'_>> {
        match self.target.key(role, self.seen) {
            Ok(_) => self.seen.bytes(role),
            Err(failure) => Found::Unread(failure),
        }
    }
}
