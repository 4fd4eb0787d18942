//! Schedules: what VolSync's `trigger.schedule` accepts, and the `H` that spreads backups over time.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::fmt;

use sha2::{Digest, Sha256};

/// A schedule that VolSync accepts and can run.
///
/// Its CRD takes one of five macros or five fields of numbers, lists, one range or step, `*` or `*/n`
/// (api/v1alpha1/replicationsource_types.go); the cron library behind it then refuses numbers out of range, and
/// VolSync shows that nowhere but in its log. So both are checked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule(String);

/// Why a text is not a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotASchedule {
    /// VolSync would not accept it.
    Malformed,
    /// No date matches. The next time that VolSync's cron library then finds is the beginning of time, so VolSync 0.16
    /// would back up without a pause.
    Never,
}

impl fmt::Display for NotASchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotASchedule::Malformed => {
                "expected a macro such as `@hourly`, or five cron fields of numbers, `*`, `*/n` or `H`"
            }
            NotASchedule::Never => "never runs: none of these months has that day",
        })
    }
}

impl Schedule {
    /// Parses `text` and replaces each `H` by a number that is derived from `<namespace>/<claim>` and the field:
    /// `H * * * *` is hourly at the claim's own minute, `H H * * *` daily at its own time, `H/15 * * * *` every 15
    /// minutes.
    ///
    /// # Errors
    ///
    /// [`NotASchedule`] where VolSync would not accept the result, or would never run it.
    pub(crate) fn parse(text: &str, namespace: &str, claim: &str) -> Result<Self, NotASchedule> {
        if ["@annually", "@yearly", "@monthly", "@weekly", "@daily", "@hourly"].contains(&text) {
            return Ok(Schedule(text.to_owned()));
        }
        let (zone, cron) = split_zone(text)?;
        if cron.split(' ').count() != FIELDS.len() {
            return Err(NotASchedule::Malformed);
        }
        // Few schedules say `H`, and a module is slow to hash.
        let spread = LazyCell::new(|| Sha256::digest(format!("{namespace}/{claim}")));
        // A number of two digits may stand where `H` stood.
        let mut schedule = String::with_capacity(text.len() + FIELDS.len());
        schedule += zone;
        for (nth, (text, field)) in cron.split(' ').zip(&FIELDS).enumerate() {
            schedule += if nth == 0 { "" } else { " " };
            schedule += &field.parse(text, || spread.chunks(4).nth(nth).unwrap_or_default())?;
        }
        let schedule = Schedule(schedule);
        if schedule.runs() { Ok(schedule) } else { Err(NotASchedule::Never) }
    }

    /// Whether any date matches.
    fn runs(&self) -> bool {
        // Nearly every schedule takes any day, and every plan comes by here.
        if self.0.split(' ').rev().nth(2) == Some("*") {
            return true;
        }
        let [.., days, months, weekdays] = self.fields();
        let is_long_enough = |(month, length)| months.contains(month) && days.0.trailing_zeros() <= length;
        // As cron does: of two restricted fields, either is enough.
        weekdays.count() < 7 || (1..).zip(LONGEST_MONTHS).any(is_long_enough)
    }

    /// The numbers of the five fields.
    fn fields(&self) -> [Numbers; 5] {
        let cron = match self.0.as_str() {
            "@hourly" => "0 * * * *",
            "@daily" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => split_zone(other).map_or(other, |(_, cron)| cron),
        };
        let mut fields = cron.split(' ').zip(&FIELDS).map(|(text, field)| field.numbers(text));
        std::array::from_fn(|_| fields.next().unwrap_or_default())
    }

    /// The longest time between two runs, in seconds, by a calendar without daylight saving.
    pub(crate) fn interval(&self) -> u64 {
        const DAY: u64 = 24 * 60;
        let [minutes, hours, days, months, weekdays] = self.fields();
        let (Some((first_hour, last_hour)), Some((first, last))) = (hours.ends(), minutes.ends()) else {
            return DAY * 60;
        };
        let from_hour_to_hour = (hours.widest_gap() * 60 + first).saturating_sub(last);
        // Of a schedule that runs every day no calendar is asked: most do, and every plan comes by here.
        let longest = if days.count() == 31 && months.count() == 12 && weekdays.count() == 7 {
            1
        } else {
            longest_wait(days, months, weekdays)
        };
        let over_days = longest * DAY + first_hour * 60 + first - (last_hour * 60 + last);
        over_days.max(from_hour_to_hour).max(minutes.widest_gap()) * 60
    }

    /// As VolSync reads it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of days in each month of a leap year.
const LONGEST_MONTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The greatest number of days from one that the three fields allow to the next, over eight years: every weekday and
/// every leap day there is.
fn longest_wait(days: Numbers, months: Numbers, weekdays: Numbers) -> u64 {
    // As cron does: a day that both fields restrict runs by either.
    let by_either = days.count() < 31 && weekdays.count() < 7;
    let (mut silent, mut longest, mut weekday) = (0, 0, 0);
    for year in 0..8 {
        for (month, length) in (1..).zip(LONGEST_MONTHS) {
            let short = u32::from(month == 2 && year % 4 != 0);
            for day in 1..=length - short {
                let (by_day, by_weekday) = (days.contains(day), weekdays.contains(weekday));
                weekday = (weekday + 1) % 7;
                silent += 1;
                if months.contains(month) && if by_either { by_day || by_weekday } else { by_day && by_weekday } {
                    longest = longest.max(silent);
                    silent = 0;
                }
            }
        }
    }
    longest.max(silent)
}

/// `CRON_TZ=Europe/Berlin ` and what follows it.
fn split_zone(text: &str) -> Result<(&str, &str), NotASchedule> {
    let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) else { return Ok(("", text)) };
    let (name, _) = rest.split_once(' ').ok_or(NotASchedule::Malformed)?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+-/".contains(c));
    let end = text.len() - rest.len() + name.len() + 1;
    if is_name { text.split_at_checked(end).ok_or(NotASchedule::Malformed) } else { Err(NotASchedule::Malformed) }
}

/// A cron field: the numbers it takes, and the highest that `H` stands for (no month is shorter than 28 days).
struct Field {
    lowest: u32,
    highest: u32,
    highest_spread: u32,
}

const FIELDS: [Field; 5] = [
    Field { lowest: 0, highest: 59, highest_spread: 59 }, // minute
    Field { lowest: 0, highest: 23, highest_spread: 23 }, // hour
    Field { lowest: 1, highest: 31, highest_spread: 28 }, // day of the month
    Field { lowest: 1, highest: 12, highest_spread: 12 }, // month
    Field { lowest: 0, highest: 6, highest_spread: 6 },   // day of the week, 0 is Sunday
];

impl Field {
    /// What `text` says, with a number for `H`.
    fn parse<'a, 'b>(&self, text: &'a str, spread: impl FnOnce() -> &'b [u8]) -> Result<Cow<'a, str>, NotASchedule> {
        if let Some(step) = text.strip_prefix('H') {
            let every = if step.is_empty() {
                None
            } else {
                Some(self.step(step.strip_prefix('/').ok_or(NotASchedule::Malformed)?)?)
            };
            let numbers = every.unwrap_or(self.highest_spread - self.lowest + 1);
            let offset = spread().iter().fold(0, |sum: u32, byte| sum << 8 | u32::from(*byte)) % numbers;
            return Ok(format!("{}{step}", self.lowest + offset).into());
        }
        if let Some(every) = text.strip_prefix('*') {
            if !every.is_empty() {
                self.step(every.strip_prefix('/').ok_or(NotASchedule::Malformed)?)?;
            }
        } else if let Some((from, every)) = text.split_once('/') {
            self.number(from)?;
            self.step(every)?;
        } else if let Some((from, to)) = text.split_once('-') {
            if self.number(from)? > self.number(to)? {
                return Err(NotASchedule::Malformed);
            }
        } else {
            text.split(',').try_for_each(|number| self.number(number).map(drop))?;
        }
        Ok(text.into())
    }

    /// The numbers that a field which was read stands for.
    fn numbers(&self, text: &str) -> Numbers {
        let (range, every) = text.split_once('/').unwrap_or((text, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (digits(from), digits(to)),
            None if range == "*" => (None, None),
            // `7/15` goes on to the end, as cron reads it.
            None if text.contains('/') => (digits(range), None),
            None => return Numbers::of(range.split(',').filter_map(digits)),
        };
        let range = from.unwrap_or(self.lowest)..=to.unwrap_or(self.highest);
        Numbers::of(range.step_by(digits(every).unwrap_or(1).max(1) as usize))
    }

    fn number(&self, text: &str) -> Result<u32, NotASchedule> {
        digits(text).filter(|number| (self.lowest..=self.highest).contains(number)).ok_or(NotASchedule::Malformed)
    }

    fn step(&self, text: &str) -> Result<u32, NotASchedule> {
        digits(text).filter(|step| (1..=self.highest).contains(step)).ok_or(NotASchedule::Malformed)
    }
}

/// Numbers below 64, a bit each; no field goes beyond 59.
#[derive(Clone, Copy, Default)]
struct Numbers(u64);

impl Numbers {
    fn of(numbers: impl Iterator<Item = u32>) -> Self {
        Numbers(numbers.fold(0, |bits, number| bits | 1_u64.checked_shl(number).unwrap_or_default()))
    }

    fn contains(self, number: u32) -> bool {
        self.0.checked_shr(number).unwrap_or_default() & 1 == 1
    }

    fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The lowest and the highest.
    fn ends(self) -> Option<(u64, u64)> {
        Some((u64::from(self.0.trailing_zeros()), u64::from(self.0.checked_ilog2()?)))
    }

    /// From one to the next, at the most.
    fn widest_gap(self) -> u64 {
        let (mut rest, mut widest) = (self.0, 0);
        while let Some(last) = rest.checked_ilog2() {
            rest &= !(1 << last);
            widest = rest.checked_ilog2().map_or(widest, |before| widest.max(last - before));
        }
        u64::from(widest)
    }
}

fn digits(text: &str) -> Option<u32> {
    (text.len() <= 2 && text.chars().all(|c| c.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        Schedule::parse(text, "shop", "data").ok().map(|schedule| schedule.0)
    }

    #[test]
    fn what_volsync_runs_is_kept_as_it_was_written() {
        // The first three were run against VolSync's CRD and cron library.
        let accepted = [
            "17 3 * * *",
            "*/15 8-18 * * 1-5",
            "CRON_TZ=Europe/Berlin 0 3 * * *",
            "@hourly",
            "0 * * * *",
            "0,30 * * * *",
            "7/15 * 1 12 0",
            "TZ=UTC 0 0 31 1 6",
        ];
        for schedule in accepted {
            assert_eq!(read(schedule).as_deref(), Some(schedule));
        }
    }

    #[test]
    fn the_longest_time_between_two_runs_is_told() {
        let (hour, day) = (3600, 24 * 3600);
        let intervals = [
            ("0 * * * *", hour),
            ("@hourly", hour),
            ("*/15 * * * *", hour / 4),
            ("7/15 * * * *", hour / 4),
            ("0,10 * * * *", hour * 5 / 6),
            ("0 8-18 * * *", 14 * hour),
            ("0,50 0,23 * * *", 22 * hour + 10 * 60),
            ("@daily", day),
            ("30 3 * * *", day),
            ("*/15 8-18 * * 1-5", 3 * day - 10 * hour - 45 * 60),
            ("@weekly", 7 * day),
            ("@monthly", 31 * day),
            ("0 0 1 * 1", 7 * day),
            ("@yearly", 366 * day),
            ("CRON_TZ=Europe/Berlin 0 3 * * *", day),
        ];
        for (text, interval) in intervals {
            assert_eq!(Schedule::parse(text, "shop", "data").unwrap().interval(), interval, "{text}");
        }
    }

    #[test]
    fn what_volsync_would_refuse_or_never_run_is_refused() {
        let refused = [
            "",
            "@every 1h",
            "0 3 * * MON",
            "0 0 * * 1-5,0",
            "60 * * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 * 13 *",
            "0 0 * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "* * * *",
            "* * * * * *",
            "0  * * * *",
            " 0 * * * *",
            "H/0 * * * *",
            "H-3 * * * *",
            "HH * * * *",
            "TZ= 0 * * * *",
            "TZ=UTC",
            "TZ=a\nb 0 * * * *",
            "0 * * * *\n",
            "$(x) * * * *",
            "٣ * * * *",
        ];
        for schedule in refused {
            assert_eq!(read(schedule), None, "{schedule:?}");
        }
    }

    #[test]
    fn what_has_no_date_is_refused_and_a_leap_day_is_one() {
        for never in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "TZ=UTC 0 0 30 2 *"] {
            assert_eq!(Schedule::parse(never, "shop", "data"), Err(NotASchedule::Never), "{never}");
        }
        for runs in ["0 0 29 2 *", "0 0 31 2 1", "0 0 31 2,3 *", "0 0 30,1 2 *", "0 0 H H *"] {
            assert!(read(runs).is_some(), "{runs}");
        }
    }

    #[test]
    fn h_spreads_claims_over_the_hour_and_gives_each_the_same_minute_every_time() {
        let minute = |claim: &str| -> u32 {
            let schedule = Schedule::parse("H * * * *", "shop", claim).unwrap();
            schedule.as_str().split(' ').next().unwrap().parse().unwrap()
        };
        let mut hour = [0; 60];
        (0..6000).for_each(|claim| hour[minute(&format!("data-{claim}")) as usize] += 1);
        assert!(hour.iter().all(|claims| (50..150).contains(claims)), "{hour:?}");
        assert_eq!(minute("data"), minute("data"));
    }

    #[test]
    fn h_with_a_step_starts_within_the_first_step_and_every_h_is_a_valid_number() {
        for claim in 0..500 {
            let schedule = Schedule::parse("H/15 H H H H", "shop", &claim.to_string()).unwrap();
            let (start, _) = schedule.as_str().split_once("/15").unwrap();
            assert!(start.parse::<u32>().unwrap() < 15);
            assert_eq!(read(schedule.as_str()).as_deref(), Some(schedule.as_str()));
        }
    }
}
