//! Holds: what holds back a backup or a restore until a person accepts it, and what they accept with it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::acceptance::{HoldId, Spent};
use crate::ask::Ask;
use crate::code::{Acceptance, Code};
use crate::custody::Own;
use crate::evidence::{
    ClaimEvidence, DataSource, Digest, Entry, Evidence, FinishedRestore, Phase, RestoreEvidence, Volume, VolumeId,
    Writer,
};
use crate::history::History;
use crate::mover::restic::Outcome;

/// A hold that a person may accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The id, by which a person accepts it.
    pub id: HoldId,
    /// What was seen, and is accepted with the hold. If any of it changes, the hold has another id.
    pub covers: Vec<Fact>,
}

/// Something that was seen, and that the id of a hold covers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fact {
    /// What it is about, such as `repository` or `writer`.
    pub topic: Cow<'static, str>,
    /// What was seen, in words. Digests are cut to eight digits.
    pub text: String,
    /// What the id is derived from, where that is more than the words.
    #[serde(skip)]
    exact: Vec<String>,
}

impl Hold {
    /// The hold with this code, where a person may accept it.
    ///
    /// Its id covers everything that a person is shown and that does not change by itself. While another writer is at
    /// work, or the claim's own backup still runs, that leaves out the newest snapshot. There is no hold to accept
    /// where a fact could not be read.
    pub fn of(code: Code, ask: &Ask, evidence: &Evidence) -> Option<Hold> {
        let claim = evidence.claim.as_ref()?;
        if code.acceptance() == Acceptance::None || History::of(evidence).closed().is_some() {
            return None;
        }
        // There is no other volume that could be accepted.
        if code == Code::VolumeReplaced && claim.volume == Some(Volume::None) {
            return None;
        }
        let mut covers = vec![claim.fact()?];
        // A restore beside the claim says nothing about its volume.
        let is_restored = claim.phase == Phase::Bound && claim.data_source == DataSource::Ours;
        if is_restored || code == Code::RestoredFromElsewhere {
            covers.extend(restore_fact(evidence));
        }
        covers.push(repository_fact(ask, evidence));
        let is_active = evidence.is_active(ask.interval);
        let is_superseded = code == Code::Superseded;
        let is_own = Own::of(evidence).is_some();
        let is_moving =
            is_superseded && !is_own || is_active || evidence.secret_is_other() && evidence.release_stands();
        covers.extend(newest_fact(evidence).filter(|_| !is_moving));
        covers.push(writer_fact(
            evidence,
            match (is_superseded, is_active) {
                (true, _) if is_own => "; but another wrote the newest snapshot",
                (false, true) => "; it may still be at work",
                (true, _) | (false, false) => "",
            },
        ));
        covers.extend(address_fact(evidence));
        let basis = covers.iter().flat_map(|fact| [&*fact.topic, &fact.text].into_iter().chain(fact.exact()));
        let basis: Vec<&str> = basis.collect();
        let first = HoldId::of(&claim.uid, code, &basis);
        let next = |id: HoldId, _| if claim.spent.contains(&id) { id.next(&claim.uid, code) } else { id };
        Some(Hold { id: claim.spent.iter().fold(first, next), covers })
    }

    /// The spent acceptances once those are added that no longer count; `None` where there are none to add.
    ///
    /// An acceptance counts while everything that its id covers is as it was: also while it is carried out, in several
    /// plans, and although the hold is not open then. Nothing is spent where something could not be read.
    pub(crate) fn spent(ask: &Ask, evidence: &Evidence) -> Option<Vec<HoldId>> {
        let Evidence { cluster, claim, secret, restore, populator, backup, .. } = evidence;
        let claim = claim.as_ref()?;
        let is_due = ask.accepted.iter().any(|id| !claim.spent.contains(id));
        if !ask.has_credentials || !is_due {
            return None;
        }
        let has_volume = match (claim.phase, &claim.volume) {
            (_, None) | (Phase::Bound, Some(Volume::None)) => false,
            (Phase::Pending | Phase::Bound | Phase::Lost, Some(_)) => true,
        };
        let objects = [secret.is_some(), restore.is_some(), populator.is_some(), backup.is_some(), cluster.is_some()];
        if !has_volume || objects.contains(&false) || History::of(evidence).closed().is_some() {
            return None;
        }
        let open = Code::ALL.into_iter().filter_map(|code| Hold::of(code, ask, evidence));
        let open: Vec<HoldId> = open.map(|hold| hold.id).collect();
        Spent::after(&claim.spent, &ask.accepted, &open)
    }
}

impl Fact {
    fn new(topic: &'static str, text: impl Into<String>) -> Self {
        Fact { topic: topic.into(), text: text.into(), exact: Vec::new() }
    }

    /// Adds a digest that the words show cut.
    fn exactly(mut self, digest: Option<&Digest>) -> Self {
        self.exact.push(digest.map(Digest::as_str).unwrap_or_default().to_owned());
        self
    }

    fn exact(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(String::as_str)
    }
}

impl ClaimEvidence {
    /// The claim and its volume; `None` where the volume could not be read.
    fn fact(&self) -> Option<Fact> {
        let text = match (&self.volume, &self.populated_from) {
            (None, _) => return None,
            (Some(Volume::None), _) => "Pending, without a volume".to_owned(),
            (Some(Volume::Of(volume)), None) => format!("volume {volume}, not populated by VolSync"),
            (Some(Volume::Of(volume)), Some(image)) => format!("volume {volume}, populated from the image {image}"),
        };
        Some(Fact::new("claim", text))
    }
}

/// What the claim's restore has restored.
fn restore_fact(evidence: &Evidence) -> Option<Fact> {
    let Some(RestoreEvidence::Done(FinishedRestore { image, outcome, .. })) = &evidence.restore else { return None };
    let what = match outcome {
        Outcome::Restored(id) => format!("snapshot {}", id.as_str()),
        Outcome::Nothing => "nothing".to_owned(),
        Outcome::Unread => "unknown, because the log could not be read".to_owned(),
    };
    Some(Fact::new("restored", format!("{what}, in the image {image}")))
}

/// The repository, and the address at which it is rendered.
fn repository_fact(ask: &Ask, evidence: &Evidence) -> Fact {
    let repository = &evidence.repository;
    let state = repository.state();
    let text = match repository.fingerprint() {
        Some(fingerprint) => format!("{state}, fingerprint {}", short(fingerprint)),
        None => state.to_owned(),
    };
    Fact::new("repository", text).exactly(repository.fingerprint()).exactly(ask.repository.as_ref())
}

fn newest_fact(evidence: &Evidence) -> Option<Fact> {
    let listing = evidence.repository.listing()?;
    let text = format!("snapshot {} of {}", short(&listing.newest_key), listing.newest_at);
    Some(Fact::new("newest", text).exactly(Some(&listing.newest_key)))
}

/// The claim that backs up to the repository, by the ledger, and what else is known of the writer.
fn writer_fact(evidence: &Evidence, besides: &str) -> Fact {
    let Some(Entry { writer: Writer { cluster, uid, volume, term, .. }, retired, .. }) = evidence.ledger.entry() else {
        return Fact::new("writer", format!("unknown, because the ledger has no entry{besides}"));
    };
    let retired = if *retired { ", retired" } else { "" };
    Fact::new("writer", format!("claim {uid} of cluster {cluster}, volume {volume}, term {term}{retired}{besides}"))
}

/// The repositories that the Secret and the ledger entry name, where they differ from the rendered one.
fn address_fact(evidence: &Evidence) -> Option<Fact> {
    let secret = evidence.other_address().map(|address| ("the Secret", address));
    let entry = evidence.ledger.entry().and_then(|entry| entry.repository.other());
    let named = [secret, entry.map(|address| ("the ledger entry", address))];
    let (who, address) = named.into_iter().flatten().next()?;
    let text = format!("{who} names another repository, with the SHA-256 {}", short(address));
    Some(Fact::new("address", text).exactly(Some(address)))
}

/// As restic abbreviates the id of a snapshot.
fn short(digest: &Digest) -> &str {
    digest.as_str().get(..8).unwrap_or_default()
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VolumeId { driver, handle } = self;
        write!(f, "{handle} of {driver}")
    }
}
