//! The states of the ledger and of the repository that make a difference, including unread ones.

use std::collections::BTreeSet;

use volsync_policy::Quantity;
use volsync_policy::evidence::{
    Address, EmptyRepository, Entry, Failure, Ledger, Listing, Memory, NoRepository, Repository, Suspicion, Timestamp,
    Writer,
};

use crate::{ELSEWHERE, HERE, HOUR, NOW, UID, UID_BEFORE, digest, fingerprints, volume};

/// A ledger and a repository.
#[derive(Clone)]
pub struct Store {
    pub ledger: Ledger,
    pub repository: Repository,
}

/// When the newest snapshot that a ledger entry remembers was written.
const REMEMBERED: Timestamp = Timestamp::from_unix(50 * HOUR);

pub fn repositories() -> Vec<Repository> {
    let mut repositories = vec![Repository::Unread(Failure::Timeout)];
    let recently = Timestamp::from_unix(51 * HOUR);
    for as_of in [NOW, recently] {
        repositories.push(Repository::Absent(NoRepository { as_of }));
        repositories.push(Repository::Damaged(NoRepository { as_of }));
        for fingerprint in fingerprints() {
            let opened =
                EmptyRepository { as_of, fingerprint: fingerprint.clone(), oldest_lock: None, newest_lock: None };
            repositories.extend([Repository::Initialised(opened.clone()), Repository::Emptied(opened)]);
            for (newest_key, lists_restored, lists_saved) in
                [('a', true, false), ('b', true, false), ('b', false, false), ('b', false, true)]
            {
                for newest_at in [49, 50, 51] {
                    repositories.push(Repository::Holds(Box::new(Listing {
                        as_of,
                        fingerprint: fingerprint.clone(),
                        oldest_lock: None,
                        newest_lock: None,
                        count: 14,
                        newest_key: digest(newest_key),
                        newest_at: Timestamp::from_unix(newest_at * HOUR),
                        lists_restored,
                        lists_saved,
                        suspicion: None,
                    })));
                }
            }
            // It is known that another writer than that of the claim's own entry wrote the newest snapshot.
            let suspected = |repository: &Repository| {
                let listing = repository.listing()?.clone();
                let is_new = !listing.lists_restored && !listing.lists_saved && listing.newest_at == recently;
                let suspicion = Some(Suspicion::Confirmed);
                is_new.then(|| Repository::Holds(Box::new(Listing { suspicion, ..listing })))
            };
            let suspected = repositories.iter().rev().take(12).filter_map(suspected);
            repositories.extend(suspected.collect::<Vec<_>>());
        }
    }
    repositories
}

pub fn ledgers() -> Vec<Ledger> {
    let mut ledgers = vec![Ledger::Unread(Failure::Timeout), Ledger::Uninitialised, Ledger::OtherStore, Ledger::None];
    let writers = [
        (HERE, UID, "now", 2),
        (HERE, UID, "now", 3),
        (HERE, UID, "before", 3),
        (HERE, UID_BEFORE, "now", 1),
        (HERE, UID_BEFORE, "before", 3),
        (ELSEWHERE, UID_BEFORE, "before", 1),
        (ELSEWHERE, UID_BEFORE, "before", 3),
        (ELSEWHERE, UID_BEFORE, "now", 2),
    ];
    let memory = Memory { fingerprint: fingerprints()[0].clone(), newest_key: digest('a'), newest_at: REMEMBERED };
    for (cluster, uid, handle, term) in writers {
        for memory in [None, Some(memory.clone())] {
            for repository in [Address::Same, Address::Other(digest('0'))] {
                for capacity in ["1Gi", "2Gi"] {
                    for retired in [false, true] {
                        ledgers.push(Ledger::Entry(Box::new(Entry {
                            repository: repository.clone(),
                            writer: Writer {
                                cluster: cluster.to_owned(),
                                uid: uid.to_owned(),
                                volume: volume(handle),
                                interval: HOUR,
                                since: Timestamp::from_unix(HOUR),
                                term,
                            },
                            memory: memory.clone(),
                            capacity: Quantity::parse(capacity).expect("a quantity"),
                            retired,
                        })));
                    }
                }
            }
        }
    }
    ledgers
}

impl Store {
    /// Everything about the pair that could make a difference, in terms that do not depend on the decision.
    fn meaning(&self) -> impl Ord + use<> {
        let kind = match &self.repository {
            Repository::Unread(_) => 0,
            Repository::Absent(_) => 1,
            Repository::Initialised(_) => 2,
            Repository::Emptied(_) => 3,
            Repository::Damaged(_) => 4,
            Repository::Holds(_) => 5,
        };
        let listing = self.repository.listing();
        let age = |since: Timestamp| {
            self.repository.as_of().map(|as_of| as_of < Timestamp::from_unix(seconds(since) + 2 * HOUR))
        };
        let repository = (
            kind,
            self.repository.fingerprint().cloned(),
            listing.map(|listing| {
                let Listing { newest_key, lists_restored, lists_saved, suspicion, .. } = listing;
                (newest_key.clone(), *lists_restored, *lists_saved, suspicion.is_some(), age(listing.newest_at))
            }),
        );
        let ledger = match &self.ledger {
            Ledger::Unread(_) => (0, None),
            Ledger::Uninitialised => (1, None),
            Ledger::OtherStore => (2, None),
            Ledger::None => (3, None),
            Ledger::Entry(entry) => {
                let remembered = entry.memory.as_ref().map(|memory| {
                    let is_older = listing.map(|listing| listing.newest_at < memory.newest_at);
                    (is_older, age(memory.newest_at), entry.capacity == Quantity::parse("2Gi").expect("a quantity"))
                });
                let writer =
                    (entry.writer.cluster.clone(), entry.writer.uid.clone(), entry.writer.volume.handle.clone());
                let address = entry.repository != Address::Same;
                // Of a retired entry, only its term and its writer matter.
                let content = (!entry.retired).then_some((remembered, address, writer.2));
                (4, Some((content, entry.writer.term > 2, writer.0, writer.1)))
            }
        };
        (repository, ledger)
    }
}

fn seconds(time: Timestamp) -> u64 {
    (0..200).map(|hour| hour * HOUR).find(|seconds| Timestamp::from_unix(*seconds) >= time).unwrap_or_default()
}

/// One pair of ledger and repository for each meaning, and the number of all pairs.
pub fn stores() -> (Vec<Store>, usize) {
    let (mut stores, mut meanings, mut all) = (Vec::new(), BTreeSet::new(), 0);
    for ledger in ledgers() {
        for repository in repositories() {
            let store = Store { ledger: ledger.clone(), repository };
            all += 1;
            if meanings.insert(store.meaning()) {
                stores.push(store);
            }
        }
    }
    (stores, all)
}
