//! `volsync-policy diff`: what other settings would do to claims, the most dangerous first. It compares two plans of
//! each claim. Of a Secret it shows where the values come from, never a value.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use volsync_policy::compare::{Change, Effect, created_again, effects};

use crate::args::{Diff, Report};
use crate::documents::{self, Document};
use crate::object::Object;
use crate::outcome::{Outcome, warn};
use crate::planner::{Planned, Planner, Seen, engine, is_broken_pipe, requests};

const DANGEROUS: Style = AnsiColor::Red.on_default().bold();
const HARMLESS: Style = AnsiColor::Cyan.on_default().bold();

/// The most changes of one effect, and the most claims of each change, that are printed for a person.
const CHANGES_SHOWN: usize = 5;
const CLAIMS_SHOWN: usize = 3;

pub(crate) fn run(arguments: &Diff) -> anyhow::Result<Outcome> {
    let engine = engine(arguments.runner.engine, arguments.runner.module.as_deref())?;
    let credentials = arguments.claims.credentials.as_deref().map(documents::read_one).transpose()?;
    let (old_settings, new_settings) = (documents::read_one(&arguments.old)?, documents::read_one(&arguments.new)?);
    let planner = |file: &Path, settings: &Value| {
        let checked = engine.check_settings(settings).map_err(anyhow::Error::msg);
        checked.with_context(|| file.display().to_string())?;
        Planner::new(engine.as_ref(), Some(settings.clone()), credentials.clone())
    };
    let (old, new) = (planner(&arguments.old, &old_settings)?, planner(&arguments.new, &new_settings)?);
    let mut seen = Seen::new();
    let mut comparison = Comparison::default();
    for request in requests(&arguments.files, arguments.claims.namespace.as_deref()) {
        let Some(request) = seen.request(request) else { continue };
        let Some(pairs) = seen.sound(pairs(&old, &new, request)) else { continue };
        if pairs.iter().any(Pair::is_selected) {
            seen.planned();
            comparison.add(&pairs);
        } else {
            seen.unselected();
        }
    }
    let outcome = seen.summary().max(comparison.outcome());
    if outcome == Outcome::Planned && old_settings != new_settings {
        warn("the settings differ, and nothing comes of it for these claims, unless by evidence: that does not show");
    }
    match comparison.print(arguments.output) {
        // The reader has closed the pipe.
        Err(error) if is_broken_pipe(&error) => Ok(outcome),
        printed => printed.map(|()| outcome),
    }
}

/// The plans of the claim as it is and, if that can make a difference, as it would be created again.
fn pairs(old: &Planner<'_>, new: &Planner<'_>, request: Document) -> anyhow::Result<Vec<Pair>> {
    let again = created_again(&request.value).map(|value| Document { value, place: request.place.clone() });
    let pair = |request: Document| Ok(Pair { old: old.plan(request.clone())?, new: new.plan(request)? });
    [Some(request), again].into_iter().flatten().map(pair).collect()
}

/// The plans of one claim under the old settings and under the new.
struct Pair {
    old: Planned,
    new: Planned,
}

impl Pair {
    fn is_selected(&self) -> bool {
        self.old.is_selected() || self.new.is_selected()
    }

    /// Namespace and name of the claim.
    fn names(&self) -> (&str, &str) {
        self.new.names()
    }

    /// The effects of the new settings on the claim, each with a change that shows it.
    fn effects(&self) -> Vec<(Effect, Change)> {
        effects(&self.old.plan, &self.new.plan, Object::read)
    }
}

/// All changes with one effect on one claim.
#[derive(Serialize)]
struct Difference {
    effect: Effect,
    dangerous: bool,
    namespace: String,
    name: String,
    changes: Vec<Change>,
}

/// The result for all claims.
#[derive(Default)]
struct Comparison {
    compared: usize,
    different: usize,
    endangered: usize,
    differences: Vec<Difference>,
}

impl Comparison {
    /// Adds one claim.
    fn add(&mut self, pairs: &[Pair]) {
        let mut effects = BTreeMap::<Effect, Vec<Change>>::new();
        for (effect, change) in pairs.iter().flat_map(Pair::effects) {
            let changes = effects.entry(effect).or_default();
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
        self.compared += 1;
        self.different += usize::from(!effects.is_empty());
        self.endangered += usize::from(effects.keys().any(|effect| effect.is_dangerous()));
        let Some((namespace, name)) = pairs.first().map(Pair::names) else { return };
        self.differences.extend(effects.into_iter().map(|(effect, changes)| Difference {
            effect,
            dangerous: effect.is_dangerous(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            changes,
        }));
    }

    fn outcome(&self) -> Outcome {
        match (self.endangered, self.different) {
            (1.., _) => Outcome::Endangered,
            (0, 1..) => Outcome::Differs,
            (0, 0) => Outcome::Planned,
        }
    }

    fn print(mut self, report: Report) -> anyhow::Result<()> {
        self.differences.sort_by(|a, b| (a.effect, &a.namespace, &a.name).cmp(&(b.effect, &b.namespace, &b.name)));
        let mut out = anstream::stdout().lock();
        match report {
            Report::Text => self.write_text(&mut out)?,
            Report::Json => {
                for difference in &self.differences {
                    serde_json::to_writer(&mut out, difference).map_err(io::Error::from)?;
                    out.write_all(b"\n")?;
                }
            }
        }
        Ok(out.flush()?)
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for differences in self.differences.chunk_by(|a, b| a.effect == b.effect) {
            let Some(Difference { effect, .. }) = differences.first() else { continue };
            let style = if effect.is_dangerous() { DANGEROUS } else { HARMLESS };
            writeln!(out, "{style}{effect:?}{style:#}: {}", effect.sentence())?;
            let groups = grouped(differences);
            for group in groups.iter().take(CHANGES_SHOWN) {
                group.write(out)?;
            }
            let rest: usize = groups.iter().skip(CHANGES_SHOWN).map(|group| group.claims.len()).sum();
            if rest > 0 {
                writeln!(out, "  and {rest} more claims in other ways; `--output json` has them all")?;
            }
            writeln!(out)?;
        }
        let Comparison { compared, different, endangered, .. } = self;
        writeln!(out, "Compared: {compared}. Different: {different}. In danger: {endangered}.")
    }
}

/// Claims with the same changes, apart from their own names in them.
struct Group {
    changes: String,
    claims: Vec<String>,
}

/// The groups, the largest first.
fn grouped(differences: &[Difference]) -> Vec<Group> {
    let mut groups = BTreeMap::<String, Group>::new();
    for Difference { namespace, name, changes, .. } in differences {
        let in_words = |pattern: &dyn Fn(&str) -> String| -> String {
            changes.iter().map(|change| format!("  {}\n", line(change, pattern))).collect()
        };
        let literal = in_words(&str::to_owned);
        let pattern = in_words(&|text| {
            let parts: Vec<String> = text.split(name.as_str()).map(|it| it.replace(namespace, "<namespace>")).collect();
            parts.join("<name>")
        });
        let group =
            (groups.entry(pattern.clone())).or_insert_with(|| Group { changes: literal.clone(), claims: Vec::new() });
        if group.changes != literal {
            group.changes = pattern;
        }
        group.claims.push(format!("{namespace}/{name}"));
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| Reverse(group.claims.len()));
    groups
}

impl Group {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let shown: Vec<&str> = self.claims.iter().take(CLAIMS_SHOWN).map(String::as_str).collect();
        write!(out, "{}    {}", self.changes, shown.join(", "))?;
        match self.claims.len() - shown.len() {
            0 => writeln!(out),
            more => writeln!(out, " and {more} more"),
        }
    }
}

/// A change on one line. Its values are printed as JSON, in the form of `pattern`.
fn line(Change { field, old, new }: &Change, pattern: &dyn Fn(&str) -> String) -> String {
    let word = |value: &Value| if value.is_null() { "unset".to_owned() } else { pattern(&printable(value)) };
    format!("{field} {} → {}", word(old), word(new))
}

/// A value as JSON without control characters, some of which JSON allows and a terminal would execute.
fn printable(value: &Value) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    value.to_string().chars().map(escaped).collect()
}
