//! What the host and VolSync do on a way out of a hold: they carry out the verdict.

use volsync_policy::evidence::{
    Address, BackupEvidence, BackupState, EmptyRepository, Entry, Expectation, FinishedRestore, Ledger, Memory,
    OurBackup, Phase, Populator, ReleaseRecord, Repository, RestoreEvidence, SecretContent, SecretEvidence, ValueMatch,
    Volume, Writer,
};
use volsync_policy::{Backup, Code, Eligibility, Marks, Outcome, Quantity, Restore, RestoreMode, SnapshotId, Verdict};

use crate::ways::Way;
use crate::{HERE, HOUR, NOW, digest, volume};

impl Way {
    /// The host carries out a verdict.
    pub fn carry_out(&mut self, verdict: &Verdict) {
        let evidence = &mut self.evidence;
        if let (Some(Marks::Moved), Some(claim)) = (verdict.marks, &mut evidence.claim)
            && let Some(record) = &mut claim.released
        {
            *record = ReleaseRecord { fingerprint: None, newest: None, moved: true, ..record.clone() };
        }
        if verdict.applies_secret {
            let content = SecretContent { repository: Address::Same, password: ValueMatch::Same };
            evidence.secret = Some(SecretEvidence::Ours(content));
        }
        if verdict.restarts_populator {
            evidence.populator = Some(Populator::Idle);
        }
        match verdict.restore {
            Restore::Keep => {}
            Restore::Delete => evidence.restore = Some(RestoreEvidence::Absent),
            Restore::Apply => self.finish_restore(verdict.expects.expect("what is applied expects something")),
            Restore::Consume => match &mut evidence.restore {
                Some(RestoreEvidence::Done(done)) => done.consumed = true,
                other => panic!("{other:?} is consumed"),
            },
        }
        match &verdict.backup {
            Backup::Keep | Backup::Withhold | Backup::Pause => {}
            Backup::Delete | Backup::DeleteWhenIdle => self.evidence.backup = Some(BackupEvidence::Absent),
            Backup::Release(released) => self.run_backup(released.is_new().then_some(verdict.code)),
        }
        if let Some(code) = verdict.enters {
            self.enter_ledger(code);
        }
    }

    /// VolSync's restore ends. It restored the newest snapshot, if there is one, and initialised the repository, if
    /// there was none.
    pub fn finish_restore(&mut self, expects: Expectation) {
        let (ask, evidence) = (&self.asked, &mut self.evidence);
        let outcome = match &mut evidence.repository {
            Repository::Holds(listing) => {
                listing.lists_restored = true;
                let id = listing.newest_key.as_str().get(..8).and_then(SnapshotId::parse);
                Outcome::Restored(id.expect("a key begins with an id"))
            }
            Repository::Absent(blank) => {
                let (as_of, fingerprint) = (blank.as_of, digest('1'));
                evidence.repository = Repository::Initialised(EmptyRepository {
                    as_of,
                    fingerprint,
                    oldest_lock: None,
                    newest_lock: None,
                });
                Outcome::Nothing
            }
            _ => Outcome::Nothing,
        };
        let is_beside = matches!(ask, Eligibility::Eligible(ask) if ask.mode == RestoreMode::Side);
        let image = if is_beside { "beside" } else { "image" }.to_owned();
        evidence.restore = Some(RestoreEvidence::Done(FinishedRestore { image, consumed: false, outcome, expects }));
    }

    /// `newly` is the code of a release that has yet to be recorded.
    fn run_backup(&mut self, newly: Option<Code>) {
        let evidence = &mut self.evidence;
        let claim = evidence.claim.as_mut().expect("a claim is released");
        let Some(Volume::Of(volume)) = claim.volume.clone() else { panic!("a volume is released") };
        if let Some(code) = newly {
            let term = evidence.ledger.entry().map_or(0, |entry| entry.writer.term).max(2) + 1;
            let listing = evidence.repository.listing();
            claim.released = Some(ReleaseRecord {
                uid: claim.uid.clone(),
                volume: volume.clone(),
                fingerprint: listing.map(|listing| listing.fingerprint.clone()),
                newest: listing.map(|listing| listing.newest_key.clone()),
                term,
                overtaken: false,
                elsewhere: false,
                moved: false,
                reason: None,
            });
            self.enter_ledger(code);
        }
        let claim = self.evidence.claim.as_ref().expect("a claim is released");
        let uid = Some(claim.uid.clone());
        let state = BackupState::Running;
        self.evidence.backup = Some(BackupEvidence::Ours(OurBackup { uid, state, syncing: false, released: None }));
    }

    /// The claim takes over the ledger entry, for a release with this code.
    fn enter_ledger(&mut self, code: Code) {
        let evidence = &mut self.evidence;
        let claim = evidence.claim.as_ref().expect("a claim is released");
        let Some(Volume::Of(volume)) = claim.volume.clone() else { panic!("a volume is released") };
        let term = evidence.ledger.entry().map_or(0, |entry| entry.writer.term).max(2) + 1;
        let living = evidence.ledger.entry().filter(|entry| !entry.retired);
        let remembered = living.and_then(|entry| entry.memory.clone());
        let memory = match &evidence.repository {
            Repository::Holds(listing) => Some(Memory {
                fingerprint: listing.fingerprint.clone(),
                newest_key: listing.newest_key.clone(),
                newest_at: listing.newest_at,
            }),
            _ => remembered.filter(|_| code != Code::AcceptedByOperator),
        };
        let (cluster, uid) = (HERE.to_owned(), claim.uid.clone());
        evidence.ledger = Ledger::Entry(Box::new(Entry {
            repository: Address::Same,
            writer: Writer { cluster, uid, volume, interval: HOUR, since: NOW, term },
            memory,
            capacity: Quantity::parse("1Gi").expect("a quantity"),
            retired: false,
        }));
        // A snapshot that the entry remembers is not suspected of being another writer's.
        if let Repository::Holds(listing) = &mut evidence.repository {
            listing.suspicion = None;
        }
    }

    /// The claim is bound to a volume, which was populated from the image, if there is one.
    pub fn bind(&mut self, image: Option<String>) {
        let claim = self.evidence.claim.as_mut().expect("a claim binds");
        claim.phase = Phase::Bound;
        claim.volume = Some(Volume::Of(volume("after")));
        claim.populated_from = image;
        self.evidence.populator = Some(Populator::Idle);
        self.evidence.backup.get_or_insert(BackupEvidence::Absent);
    }
}
