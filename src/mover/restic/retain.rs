//! Retention: which snapshots `restic forget` keeps after each backup, and which rules are rejected.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Which snapshots `restic forget` keeps after each backup. A snapshot is kept if any of these rules keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Retain {
    /// Keep the newest snapshot of each of this many hours that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<u16>,
    /// Keep the newest snapshot of each of this many days that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u16>,
    /// Keep the newest snapshot of each of this many weeks that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u16>,
    /// Keep the newest snapshot of each of this many months that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u16>,
    /// Keep the newest snapshot of each of this many years that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<u16>,
    /// Keep this many of the newest snapshots. The number is written as a string, as VolSync's CRD requires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Keep every snapshot younger than this duration before the newest, in restic's notation, such as `1y5m7d2h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

impl Retain {
    /// Whether these rules may forget a snapshot that `old` kept: one of the counts is lower, or `within` can be
    /// shorter. A higher count elsewhere does not make up for it, because which snapshots exist depends on when backups
    /// ran.
    pub fn is_reduced_from(&self, old: &Retain) -> bool {
        let within = |retain: &Retain| retain.within.as_deref().and_then(Within::parse);
        let is_shorter = match (within(old), within(self)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(old), Some(new)) => new.can_be_shorter_than(&old),
        };
        is_shorter || self.counts().iter().zip(old.counts()).any(|(new, old)| *new < old)
    }

    /// The problem with these rules, at `path`: they must keep more than the last snapshot.
    pub(crate) fn problem(&self, path: &str) -> Option<Problem> {
        let within = self.within.as_deref().map(Within::parse);
        if self.last.as_deref().map(count) == Some(0) {
            return Some(Problem::new(format!("{path}.last"), "expected a whole number above zero, as a text"));
        }
        if within == Some(None) {
            let message = "expected a duration above zero in restic's notation, such as `1y5m7d2h`";
            return Some(Problem::new(format!("{path}.within"), message));
        }
        // Several counts of one can all keep the same snapshot, the last. `retain: {}` means `--keep-last 1`.
        let keeps_several = self.counts().iter().any(|count| *count > 1);
        if keeps_several || within.flatten().is_some_and(|within| within.counts_days()) {
            return None;
        }
        let message = "can keep nothing but the last snapshot: one bad backup would age out every good one";
        Some(Problem::new(path, message).hint("leave it out for hourly 24, daily 7"))
    }

    /// All counts; an absent one is zero.
    fn counts(&self) -> [u16; 6] {
        let last = self.last.as_deref().map(count);
        [self.hourly, self.daily, self.weekly, self.monthly, self.yearly, last].map(Option::unwrap_or_default)
    }
}

/// The number in `text`; zero where it is not a number.
fn count(text: &str) -> u16 {
    text.parse().unwrap_or_default()
}

/// A duration in restic's notation, above zero.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Within {
    years: u16,
    months: u16,
    days: u16,
    hours: u16,
}

impl Within {
    /// Parses numbers, each followed by its unit, from years to hours.
    fn parse(text: &str) -> Option<Self> {
        let mut within = Within { years: 0, months: 0, days: 0, hours: 0 };
        let mut units = "ymdh";
        for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
            let unit = part.chars().next_back()?;
            let (_, shorter) = units.split_once(unit)?;
            units = shorter;
            let field = match unit {
                'y' => &mut within.years,
                'm' => &mut within.months,
                'd' => &mut within.days,
                _ => &mut within.hours,
            };
            *field = part.strip_suffix(unit)?.parse().ok()?;
        }
        (within.counts_days() || within.hours > 0).then_some(within)
    }

    /// Whether the duration contains a unit that is longer than an hour.
    fn counts_days(&self) -> bool {
        self.years > 0 || self.months > 0 || self.days > 0
    }

    /// Whether the duration can be shorter than `other`, counted back from some day: months differ in length.
    fn can_be_shorter_than(&self, other: &Within) -> bool {
        let months = |it: &Within| 12 * u32::from(it.years) + u32::from(it.months);
        let hours = |it: &Within| 24 * i64::from(it.days) + i64::from(it.hours);
        let (ours, theirs) = (months(self), months(other));
        let (fewest, _) = days_of(ours.saturating_sub(theirs));
        let (_, most) = days_of(theirs.saturating_sub(ours));
        24 * (fewest - most) + hours(self) - hours(other) < 0
    }
}

/// The smallest and the largest number of days in this many consecutive months.
fn days_of(months: u32) -> (i64, i64) {
    const DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (years, rest) = (i64::from(months / 12), months as usize % 12);
    let in_a_row = (0..12).map(|first| DAYS.iter().cycle().skip(first).take(rest).sum::<i64>());
    let (fewest, most) = in_a_row.fold((i64::MAX, 0), |(fewest, most), days| (fewest.min(days), most.max(days)));
    // Every fourth year has one more day. The remaining months with the most days do not include February.
    (365 * years + fewest, 365 * years + (years + 3) / 4 + most)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn is_reduced(old: Value, new: Value) -> bool {
        let retain = |value| serde_json::from_value::<Retain>(value).unwrap();
        retain(new).is_reduced_from(&retain(old))
    }

    #[test]
    fn a_retention_is_reduced_where_any_count_falls_or_goes_away() {
        for key in ["hourly", "daily", "weekly", "monthly", "yearly"] {
            let several = json!({"daily": 7, key: 5});
            assert!(is_reduced(several.clone(), json!({"daily": 7, key: 4})), "{key}");
            assert!(!is_reduced(several.clone(), json!({"daily": 7, key: 6})), "{key}");
            assert!(!is_reduced(several.clone(), several), "{key}");
        }
        assert!(is_reduced(json!({"hourly": 24, "daily": 7}), json!({"daily": 7})));
        assert!(is_reduced(json!({"hourly": 24, "daily": 7}), json!({"hourly": 23, "daily": 700})));
        assert!(is_reduced(json!({"last": "10"}), json!({"last": "9"})), "not by the alphabet");
        assert!(!is_reduced(json!({"last": "9"}), json!({"last": "10"})));
        assert!(is_reduced(json!({"last": "3", "daily": 7}), json!({"daily": 7})));
    }

    #[test]
    fn what_is_added_reduces_nothing_and_zero_keeps_as_little_as_nothing() {
        let old = json!({"hourly": 24, "weekly": 0});
        assert!(!is_reduced(old.clone(), json!({"hourly": 24})));
        assert!(!is_reduced(old, json!({"hourly": 24, "weekly": 0, "daily": 7, "last": "3", "within": "1y"})));
    }

    #[test]
    fn a_time_within_which_all_are_kept_is_shorter_where_it_can_be_on_any_day() {
        for (old, new, is_shorter) in [
            ("7d", "6d", true),
            ("7d", "7d", false),
            ("7d", "8d", false),
            ("2d", "47h", true),
            ("2d", "48h", false),
            ("1y", "12m", false),
            ("12m", "1y", false),
            ("1y", "11m30d", true),
            ("13m", "1y1m", false),
            ("1m", "1m1h", false),
            ("1m1h", "1m", true),
            // February has 28 days, March 31.
            ("28d", "1m", false),
            ("29d", "1m", true),
            ("1m", "30d", true),
            ("1m", "31d", false),
            // March to August have 184 days, September to February 181.
            ("6m", "183d", true),
            ("6m", "184d", false),
            ("181d", "6m", false),
            ("182d", "6m", true),
            // 29 February 2024 is in the one and not in the other.
            ("1y", "365d", true),
            ("1y", "366d", false),
            ("365d", "1y", false),
            ("366d", "1y", true),
            ("4y", "1461d", false),
            ("2y", "1y364d", true),
        ] {
            let within = |within| json!({"hourly": 24, "within": within});
            assert_eq!(is_reduced(within(old), within(new)), is_shorter, "{old} to {new}");
        }
        assert!(is_reduced(json!({"hourly": 24, "within": "1d"}), json!({"hourly": 24})));
    }
}
