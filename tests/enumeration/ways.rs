//! Ways out of holds: a person follows the one that each verdict names, until the hold is gone.

use serde_json::json;
use volsync_policy::evidence::{
    BackupEvidence, ClaimEvidence, DataSource, Evidence, Expectation, Ledger, NoRepository, Phase, Populator,
    Repository, RestoreEvidence, SecretEvidence, Slot, Volume,
};
use volsync_policy::{Acceptance, Ask, Code, Eligibility, Hold, HoldId, RestoreMode, Unselected, decide};

use crate::{HERE, NOW, Situation, UID, ask, decide_and_check, volume};

/// The row of a released claim whose Secret points elsewhere.
const MOVED: u8 = 17;

/// The largest number of plans that a way out may take.
const MOST_PLANS: usize = 40;

/// A person follows the way out that each verdict names, and the host and VolSync do their part, until the backup is
/// released or the claim is no longer the policy's. This is done twice: the person accepts every hold that can be
/// accepted, or first tries to create the claim again if the way out says so.
pub fn lead_out((asked, evidence): &Situation) {
    for creates_again in [false, true] {
        let mut way = Way {
            asked: asked.clone(),
            evidence: evidence.clone(),
            creates_again,
            story: Vec::new(),
            accepted: Vec::new(),
        };
        while !way.step() {
            assert!(way.story.len() < MOST_PLANS, "{:?}\nfrom {asked:?}\nand {}", way.story, json!(evidence));
        }
    }
}

/// The way out of a hold.
pub struct Way {
    pub asked: Eligibility<Ask>,
    pub evidence: Evidence,
    creates_again: bool,
    story: Vec<(u8, Code)>,
    /// What was accepted so far: the claim's uid, its phase, and whether the repository moves.
    accepted: Vec<(String, Phase, bool)>,
}

impl Way {
    /// Makes one plan, and does everything that follows from it. Returns whether the way has ended.
    fn step(&mut self) -> bool {
        let verdict = decide_and_check(&self.asked, &self.evidence);
        self.story.push((verdict.row, verdict.code));
        self.carry_out(&verdict);
        match verdict.code {
            Code::Released | Code::NotSelected | Code::OptedOut | Code::ClaimTerminating => return true,
            code => self.take(code),
        }
        false
    }

    fn ask(&mut self) -> &mut Ask {
        match &mut self.asked {
            Eligibility::Eligible(ask) => ask,
            other => panic!("{other:?} has nothing to accept"),
        }
    }

    /// Does what a person does about this code, or what happens without them.
    fn take(&mut self, code: Code) {
        let is_first = self.story.iter().filter(|(_, known)| *known == code).count() == 1;
        let says_again = code.way_out().is_some_and(|way_out| way_out.contains("create it again"));
        if code.acceptance() == Acceptance::Possible {
            let ask = self.ask().clone();
            let id = Hold::of(code, &ask, &self.evidence).map(|hold| hold.id);
            match id {
                Some(id) if !(self.creates_again && says_again && is_first) => self.accept(id),
                Some(_) => self.create_again(),
                // The store is read again.
                None if self.store_is_unread() => self.read_the_store(),
                None => self.create_again(),
            }
            return;
        }
        let evidence = &mut self.evidence;
        match code {
            Code::ObjectsUnread => self.read_everything(),
            Code::LedgerUnread | Code::LedgerUninitialised | Code::LedgerMismatch => evidence.ledger = Ledger::None,
            Code::RepositoryUnread => evidence.repository = Repository::Absent(NoRepository { as_of: NOW }),
            Code::NotOurs => {
                evidence.secret = evidence.secret.take().filter(|it| *it != SecretEvidence::Foreign);
                evidence.restore = evidence.restore.take().filter(|it| *it != RestoreEvidence::Foreign);
                evidence.backup = evidence.backup.take().filter(|it| *it != BackupEvidence::Foreign);
                self.read_everything();
            }
            Code::CredentialsMissing => self.ask().has_credentials = true,
            Code::LabelInvalid | Code::VolumeUnsupported | Code::NameUnknown | Code::OptOutPending => {
                self.asked = Eligibility::Eligible(Box::new(ask(RestoreMode::Populate)));
            }
            Code::NamespaceExcluded => self.asked = Eligibility::Unselected(Unselected::Unlabelled),
            Code::VolumeLost | Code::MissedAdmission => self.create_again(),
            Code::AwaitingBind => self.bind(None),
            Code::Binding => match evidence.restore.clone() {
                Some(RestoreEvidence::Done(done)) if !done.consumed => self.bind(Some(done.image)),
                _ => evidence.restore = Some(RestoreEvidence::Absent),
            },
            Code::Restoring | Code::RestoreFailing => self.finish_restore(Expectation::Data),
            Code::RestoreQueued | Code::BackupQueued => evidence.slot = Slot::Free,
            Code::EntryNotRetired => match &mut evidence.ledger {
                Ledger::Entry(entry) => entry.retired = true,
                other => panic!("{other:?} is retired"),
            },
            // The host has done everything.
            _ => {}
        }
    }

    fn accept(&mut self, id: HoldId) {
        let claim = self.evidence.claim.as_ref().expect("a hold is of a claim");
        let moves = self.story.last().is_some_and(|(row, _)| *row == MOVED);
        let act = (claim.uid.clone(), claim.phase, moves);
        assert!(!self.accepted.contains(&act), "a second acceptance is needed: {:?}", self.story);
        self.accepted.push(act);
        // An accepted hold never comes back with the same id.
        assert!(!self.ask().accepted.contains(&id) || self.story.len() < 2, "{:?}", self.story);
        let before = decide(&self.asked, Some(&self.evidence));
        let another = HoldId::parse("00000000").expect("an id");
        self.ask().accepted.push(another);
        assert_eq!(decide(&self.asked, Some(&self.evidence)), before, "an invented id was accepted");
        self.ask().accepted.pop();
        self.ask().accepted.push(id);
    }

    fn store_is_unread(&self) -> bool {
        let ledger_is_read = matches!(self.evidence.ledger, Ledger::None | Ledger::Entry(_));
        !ledger_is_read || matches!(self.evidence.repository, Repository::Unread(_))
    }

    fn read_the_store(&mut self) {
        let Evidence { ledger, repository, .. } = &mut self.evidence;
        if !matches!(ledger, Ledger::None | Ledger::Entry(_)) {
            *ledger = Ledger::None;
        }
        if matches!(repository, Repository::Unread(_)) {
            *repository = Repository::Absent(NoRepository { as_of: NOW });
        }
    }

    /// The claim is deleted and created again, while admission is up.
    fn create_again(&mut self) {
        let mode = self.ask().mode;
        self.ask().accepted.clear();
        let source = if mode == RestoreMode::Populate { DataSource::Ours } else { DataSource::None };
        let evidence = &mut self.evidence;
        evidence.claim = Some(ClaimEvidence {
            uid: format!("claim-after-{}", self.story.len()),
            phase: Phase::Pending,
            terminating: false,
            data_source: source,
            volume: Some(Volume::None),
            populated_from: None,
            released: None,
            spent: Vec::new(),
        });
        // The API server deletes what the old claim owned, but not at once.
        evidence.restore = match (&evidence.restore, mode) {
            (Some(RestoreEvidence::Absent), _) | (_, RestoreMode::Side | RestoreMode::None) => {
                Some(RestoreEvidence::Absent)
            }
            (_, RestoreMode::Populate) => Some(RestoreEvidence::Stale),
        };
        evidence.backup = Some(BackupEvidence::Absent);
        evidence.populator = Some(Populator::Idle);
    }

    fn read_everything(&mut self) {
        let evidence = &mut self.evidence;
        evidence.cluster = Some(HERE.to_owned());
        evidence.secret.get_or_insert(SecretEvidence::Absent);
        evidence.restore.get_or_insert(RestoreEvidence::Absent);
        evidence.populator.get_or_insert(Populator::Idle);
        evidence.backup.get_or_insert(BackupEvidence::Absent);
        match &mut evidence.claim {
            None => {
                let released = None;
                evidence.claim = Some(ClaimEvidence {
                    uid: UID.to_owned(),
                    phase: Phase::Bound,
                    terminating: false,
                    data_source: DataSource::None,
                    volume: Some(Volume::Of(volume("now"))),
                    populated_from: None,
                    released,
                    spent: Vec::new(),
                });
            }
            Some(claim) if claim.phase == Phase::Bound => claim.volume = Some(Volume::Of(volume("now"))),
            Some(claim) => drop(claim.volume.get_or_insert(Volume::None)),
        }
    }
}
