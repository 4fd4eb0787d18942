//! How a claim stands: whether it is backed up in time, and if not, whether somebody has to do something. It follows
//! from what the host has written and from the status of its ReplicationSource; nothing is read here.
//!
//! What is not known is never taken for well.

use volsync_policy::evidence::Timestamp;
use volsync_policy::{Code, Coverage, Eligibility, Unselected};

use crate::backup::Backup;

/// How long a host that works may be silent, in seconds. It renews its Lease every few seconds; this is also the
/// difference of two clocks that does no harm.
pub(crate) const LONGEST_SILENCE: u64 = 5 * 60;

/// How long a host may need until it has written something about a new claim, in seconds.
const LONGEST_START: u64 = 10 * 60;

/// What is known about a claim.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether VolSync created it for its own use.
    pub is_of_volsync: bool,
    /// Whether it is being deleted.
    pub is_deleted: bool,
    /// Whether it has its volume.
    pub is_bound: bool,
    /// What the host says that a person has to do, in the annotation for it.
    pub attention: Option<String>,
    /// Whether its backup was released: whether it has the record of it.
    pub is_released: bool,
    /// Whether the record says that there was a backup.
    pub is_known_to_be_backed_up: bool,
    /// Whether it has the ReplicationDestination that restores it.
    pub has_restore: bool,
    /// The ReplicationSource that the host has created for it.
    pub backup: Option<Backup>,
    /// Whether it is backed up by a ReplicationSource that the host has not created.
    pub has_other_backup: bool,
}

/// How a claim stands, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// A person has to do something, says the host.
    Held {
        /// Since when.
        since: Timestamp,
        /// The reason code; the name of one that a later release may have.
        code: String,
        /// What happened, and what to do.
        told: String,
    },
    /// The claim has the label and cannot be protected, for this reason.
    Refused {
        /// The reason code.
        code: Code,
        /// What is wrong, and what to write instead.
        problem: String,
    },
    /// No backup was saved although one was due.
    NeverBackedUp,
    /// The last backup is older than it should be.
    Overdue {
        /// When it was due at the latest.
        due: Timestamp,
    },
    /// It is not known.
    Unknown(Unknown),
    /// The label was removed after the claim had been protected.
    OptedOut,
    /// The claim does not have the label.
    Unlabelled,
    /// The claim is in an excluded namespace.
    Excluded,
    /// Something is in progress that nobody has to help.
    Waiting(Waiting),
    /// The claim is backed up in time.
    Protected,
    /// Another ReplicationSource backs the claim up.
    BackedUpByOthers,
    /// The claim is being deleted.
    Terminating,
    /// VolSync created the claim for its own use.
    OfVolsync,
}

/// Why it is not known how a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// The host gives no sign of life.
    HostSilent,
    /// The host has written nothing about the claim.
    NothingWritten,
    /// The ReplicationSource runs and the claim has no record of its release.
    NotReleased,
}

/// What a claim waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// The host, because the claim is new.
    Host,
    /// The end of its restore.
    Restore,
    /// Its first backup.
    FirstBackup,
    /// The host, which has paused the backup.
    Paused,
}

/// What a command should say of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// All is well, or nothing is promised.
    Well,
    /// Somebody has to do something.
    Action,
    /// It is not known.
    Unknown,
}

impl Health {
    /// The host gives no sign of life.
    pub const HOST_SILENT: Health = Health::Unknown(Unknown::HostSilent);

    /// How a claim stands at the time `now`. `host` is when a host last gave a sign of life.
    pub fn of(coverage: &Eligibility<Coverage>, facts: &Facts, host: Option<Timestamp>, now: Timestamp) -> Self {
        match coverage {
            _ if facts.is_deleted => Health::Terminating,
            Eligibility::Terminating => Health::Terminating,
            Eligibility::Unselected(Unselected::Derived | Unselected::NoClaim) => Health::OfVolsync,
            Eligibility::Unselected(_) if facts.is_of_volsync => Health::OfVolsync,
            Eligibility::Unselected(_) if facts.has_other_backup => Health::BackedUpByOthers,
            Eligibility::Unselected(Unselected::Unlabelled) if facts.is_released => Health::OptedOut,
            Eligibility::Unselected(Unselected::Unlabelled) => Health::Unlabelled,
            Eligibility::Unselected(Unselected::Excluded) => Health::Excluded,
            Eligibility::Refused(refusal) => {
                Health::Refused { code: refusal.code(), problem: refusal.problem().to_string() }
            }
            Eligibility::Unnamed => Health::Unknown(Unknown::NothingWritten),
            Eligibility::Eligible(coverage) => Health::of_labelled(coverage, facts, host, now),
        }
    }

    fn of_labelled(coverage: &Coverage, facts: &Facts, host: Option<Timestamp>, now: Timestamp) -> Self {
        if let Some(told) = &facts.attention {
            return Health::told(told);
        }
        if host.is_none_or(|host| now.since(host) > LONGEST_SILENCE) {
            return Health::Unknown(Unknown::HostSilent);
        }
        let is_new = facts.created.is_some_and(|created| now.since(created) <= LONGEST_START);
        let Some(backup) = facts.backup else {
            return match (facts.is_bound, facts.has_restore) {
                (false, true) => Health::Waiting(Waiting::Restore),
                (_, _) if is_new => Health::Waiting(Waiting::Host),
                (_, _) => Health::Unknown(Unknown::NothingWritten),
            };
        };
        if !facts.is_released {
            return Health::Unknown(Unknown::NotReleased);
        }
        if backup.is_paused {
            return Health::Waiting(Waiting::Paused);
        }
        let times = backup.times(facts.is_known_to_be_backed_up, coverage.interval);
        match (times.saved, times.overdue.filter(|due| now > *due)) {
            (Some(_), Some(due)) => Health::Overdue { due },
            (Some(_), None) => Health::Protected,
            (None, None) if times.overdue.is_some() => Health::Waiting(Waiting::FirstBackup),
            (None, _) => Health::NeverBackedUp,
        }
    }

    /// What the host's annotation says: `<since> <code>: <what happened and what to do>`.
    fn told(annotation: &str) -> Self {
        let parts = || {
            let (since, rest) = annotation.split_once(' ')?;
            let (code, told) = rest.split_once(": ")?;
            Some(Health::Held { since: Timestamp::parse(since)?, code: code.to_owned(), told: told.to_owned() })
        };
        parts().unwrap_or(Health::Unknown(Unknown::NothingWritten))
    }

    /// One word for it: the reason code, if the host says one.
    pub fn word(&self) -> &str {
        match self {
            Health::Held { code, .. } => code,
            Health::Refused { code, .. } => code.as_str(),
            Health::NeverBackedUp => "NeverBackedUp",
            Health::Overdue { .. } => "Overdue",
            Health::Unknown(_) => "Unknown",
            Health::OptedOut => "OptedOut",
            Health::Unlabelled => "Unlabelled",
            Health::Excluded => "Excluded",
            Health::Waiting(_) => "Waiting",
            Health::Protected => "Protected",
            Health::BackedUpByOthers => "BackedUpByOthers",
            Health::Terminating => "Terminating",
            Health::OfVolsync => "OfVolSync",
        }
    }

    /// What to do next, or why nothing is to be done.
    pub fn advice(&self) -> String {
        match self {
            Health::Held { code, told, .. } => {
                Code::parse(code).and_then(Code::way_out).map_or_else(|| told.clone(), str::to_owned)
            }
            Health::Refused { problem, .. } => format!("Correct the claim, or remove the label: {problem}"),
            Health::NeverBackedUp => "Look at the ReplicationSource and its mover: a backup was due, and nothing was \
                saved. The volume may be empty."
                .to_owned(),
            Health::Overdue { due } => {
                format!("Look at the ReplicationSource and its mover: a backup was due at {due}.")
            }
            Health::Unknown(Unknown::HostSilent) => {
                "Start the host: it gives no sign of life, and only it knows.".to_owned()
            }
            Health::Unknown(Unknown::NothingWritten) => {
                "Look at the claim's Events and the log of the host: it has written nothing. The claim may wait for \
                 its turn."
                    .to_owned()
            }
            Health::Unknown(Unknown::NotReleased) => {
                "Look at the log of the host: the backup exists, and the claim has no record of its release.".to_owned()
            }
            Health::OptedOut => "Put the label back if the claim is to be backed up again.".to_owned(),
            Health::Unlabelled => "Label the claim if it is to be backed up.".to_owned(),
            Health::Excluded => "Settings exclude the namespace.".to_owned(),
            Health::Waiting(Waiting::Host) => "Nothing: the host is about to look at it.".to_owned(),
            Health::Waiting(Waiting::Restore) => "Nothing: it is being restored.".to_owned(),
            Health::Waiting(Waiting::FirstBackup) => "Nothing: the first backup is in progress or due.".to_owned(),
            Health::Waiting(Waiting::Paused) => "Nothing: the host has paused the backup.".to_owned(),
            Health::Protected | Health::BackedUpByOthers | Health::Terminating | Health::OfVolsync => String::new(),
        }
    }

    /// How bad it is for a claim that has the label.
    pub fn severity(&self) -> Severity {
        match self {
            Health::Held { .. } | Health::Refused { .. } | Health::NeverBackedUp | Health::Overdue { .. } => {
                Severity::Action
            }
            Health::Unknown(_) => Severity::Unknown,
            Health::OptedOut
            | Health::Unlabelled
            | Health::Excluded
            | Health::Waiting(_)
            | Health::Protected
            | Health::BackedUpByOthers
            | Health::Terminating
            | Health::OfVolsync => Severity::Well,
        }
    }

    /// Whether nobody backs the claim up although somebody could.
    pub fn is_unprotected(&self) -> bool {
        matches!(self, Health::OptedOut | Health::Unlabelled | Health::Excluded | Health::Refused { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-24T12:00:00Z";
    const HOUR: u64 = 3600;

    fn at(text: &str) -> Option<Timestamp> {
        Timestamp::parse(text)
    }

    fn coverage(interval: u64) -> Eligibility<Coverage> {
        let coverage = Coverage { destination: "data-restore".into(), source: "data-backup".into(), interval };
        Eligibility::Eligible(Box::new(coverage))
    }

    /// A claim that is backed up every hour, and was for a day.
    fn protected() -> Facts {
        let created = at("2026-11-23T12:00:00Z");
        let backup = Backup { created, last: at("2026-11-24T11:00:10Z"), ..Backup::default() };
        let (is_bound, is_released, is_known_to_be_backed_up) = (true, true, true);
        Facts {
            created,
            is_bound,
            is_released,
            is_known_to_be_backed_up,
            has_restore: true,
            backup: Some(backup),
            ..Facts::default()
        }
    }

    fn with_backup(change: impl Fn(&mut Backup)) -> Facts {
        let mut facts = protected();
        facts.backup.iter_mut().for_each(change);
        facts
    }

    /// How a claim stands whose host works.
    fn health(facts: &Facts) -> Health {
        Health::of(&coverage(HOUR), facts, at("2026-11-24T11:59:50Z"), at(NOW).unwrap())
    }

    #[test]
    fn a_backup_may_be_late_by_a_quarter_of_its_interval_and_by_an_hour() {
        let last = |text: &'static str| with_backup(move |backup| backup.last = at(text));
        assert_eq!(health(&protected()), Health::Protected);
        assert_eq!(health(&last("2026-11-24T10:00:00Z")), Health::Protected);
        let due = at("2026-11-24T11:59:59Z").unwrap();
        assert_eq!(health(&last("2026-11-24T09:59:59Z")), Health::Overdue { due });
        let daily = |text| Health::of(&coverage(24 * HOUR), &last(text), at(NOW), at(NOW).unwrap());
        assert_eq!(daily("2026-11-23T06:00:00Z"), Health::Protected);
        assert_eq!(daily("2026-11-23T05:59:59Z"), Health::Overdue { due });
    }

    #[test]
    fn a_backup_that_never_came_or_saved_nothing_is_none() {
        let none = with_backup(|backup| backup.last = None);
        assert_eq!(health(&none), Health::NeverBackedUp);
        let new = with_backup(|backup| (backup.last, backup.created) = (None, at("2026-11-24T11:00:00Z")));
        assert_eq!(health(&new), Health::Waiting(Waiting::FirstBackup));
        let mut empty = with_backup(|backup| backup.was_empty = true);
        assert_eq!(health(&empty), Health::Protected, "there are backups from before");
        empty.is_known_to_be_backed_up = false;
        assert_eq!(health(&empty), Health::NeverBackedUp);
    }

    #[test]
    fn what_the_host_says_comes_first_and_its_code_may_be_a_later_one() {
        let told = "2026-11-24T09:00:00Z UnrestoredVolume: There are backups: see below.";
        let held = Facts { attention: Some(told.to_owned()), ..protected() };
        let expected = Health::Held {
            since: at("2026-11-24T09:00:00Z").unwrap(),
            code: "UnrestoredVolume".to_owned(),
            told: "There are backups: see below.".to_owned(),
        };
        assert_eq!(health(&held), expected);
        assert!(health(&held).advice().starts_with("Delete the claim and create it again"));
        let later = Facts { attention: Some(told.replace("UnrestoredVolume", "LaterCode")), ..protected() };
        assert_eq!(health(&later).advice(), "There are backups: see below.");
        let odd = Facts { attention: Some("something".to_owned()), ..protected() };
        assert_eq!(health(&odd).severity(), Severity::Unknown);
    }

    #[test]
    fn without_a_sign_of_life_of_the_host_nothing_is_well() {
        for host in [None, at("2026-11-24T11:54:59Z")] {
            let health = Health::of(&coverage(HOUR), &protected(), host, at(NOW).unwrap());
            assert_eq!(health, Health::Unknown(Unknown::HostSilent));
        }
    }

    #[test]
    fn what_the_host_wrote_nothing_about_is_unknown_once_it_had_the_time() {
        let restored = Facts { is_bound: false, backup: None, ..protected() };
        assert_eq!(health(&restored), Health::Waiting(Waiting::Restore));
        let nothing = Facts { created: at("2026-11-24T11:49:59Z"), ..Facts::default() };
        assert_eq!(health(&nothing), Health::Unknown(Unknown::NothingWritten));
        let new = Facts { created: at("2026-11-24T11:50:00Z"), ..Facts::default() };
        assert_eq!(health(&new), Health::Waiting(Waiting::Host));
        let stray = Facts { is_released: false, ..protected() };
        assert_eq!(health(&stray), Health::Unknown(Unknown::NotReleased));
        let paused = with_backup(|backup| backup.is_paused = true);
        assert_eq!(health(&paused), Health::Waiting(Waiting::Paused));
    }

    #[test]
    fn who_is_not_selected_is_told_apart() {
        let of =
            |unselected, facts: &Facts| Health::of(&Eligibility::Unselected(unselected), facts, None, at(NOW).unwrap());
        let none = Facts::default();
        assert_eq!(of(Unselected::Unlabelled, &none), Health::Unlabelled);
        assert_eq!(of(Unselected::Unlabelled, &protected()), Health::OptedOut);
        assert_eq!(of(Unselected::Excluded, &none), Health::Excluded);
        assert_eq!(of(Unselected::Derived, &none), Health::OfVolsync);
        let elsewhere = Facts { has_other_backup: true, ..Facts::default() };
        assert_eq!(of(Unselected::Unlabelled, &elsewhere), Health::BackedUpByOthers);
        let cache = Facts { is_of_volsync: true, ..Facts::default() };
        assert_eq!(of(Unselected::Unlabelled, &cache), Health::OfVolsync);
        let deleted = Facts { is_deleted: true, ..protected() };
        assert_eq!(health(&deleted), Health::Terminating);
    }
}
