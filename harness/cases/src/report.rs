//! Reports a run: as text for a person, JSON for a script, or JUnit for CI.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::case::Case;
use crate::compare::Line;
use crate::coverage::{Coverage, Share};
use crate::run::{Fault, Outcome};
use crate::suite::Report;

const FAILED: Style = AnsiColor::Red.on_default().bold();
const PASSED: Style = AnsiColor::Green.on_default().bold();
const NAME: Style = Style::new().bold();
const EXPECTED: Style = AnsiColor::Red.on_default();
const FOUND: Style = AnsiColor::Green.on_default();
const PLAIN: Style = Style::new();

impl Report<'_> {
    /// Writes each case that failed, with the command `again` that runs only this case; then how many passed. The text
    /// has colours, which the caller may strip.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_text(&self, out: &mut impl Write, again: impl Fn(&Case) -> String) -> io::Result<()> {
        for (case, outcome) in self.failed() {
            writeln!(out, "{FAILED}FAILED{FAILED:#} {}:{}: {NAME}{}{NAME:#}", show(&case.file), case.line, case.name)?;
            for fault in &outcome.faults {
                write_fault(out, fault)?;
            }
            writeln!(out, "  to run it alone: {}\n", again(case))?;
        }
        let (failed, all) = (self.failed().count(), self.results.len());
        let (style, word) = if failed == 0 { (PASSED, "passed") } else { (FAILED, "failed") };
        let engines = self.engines.join(" and ");
        match failed {
            0 => writeln!(out, "{style}{word}{style:#}: {} in {engines}", count(all, "case")),
            _ => writeln!(out, "{style}{word}{style:#}: {failed} of {} in {engines}", count(all, "case")),
        }
    }

    /// Writes which reason codes and rows the answers did not reach.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_coverage(&self, out: &mut impl Write) -> io::Result<()> {
        let Coverage { codes, rows } = self.coverage();
        write_share(out, "reason codes", &codes)?;
        write_share(out, "rows of docs/decisions.md", &rows)
    }

    /// The run as JSON.
    pub fn to_json(&self) -> String {
        let results: Vec<CaseDocument> =
            self.results.iter().map(|(case, outcome, _)| CaseDocument::of(case, outcome)).collect();
        let failed = self.failed().count();
        let (passed, engines, coverage) = (self.results.len() - failed, &self.engines, self.coverage());
        serde_json::to_string_pretty(&ReportDocument { engines, passed, failed, coverage, cases: results })
            .unwrap_or_default()
    }

    /// The run as JUnit XML, with a suite for each file.
    pub fn to_junit(&self) -> String {
        let mut files: BTreeMap<&Path, TestSuite> = BTreeMap::new();
        for (case, outcome, time) in &self.results {
            let suite = files.entry(&case.file).or_insert_with(|| TestSuite::new(show(&case.file)));
            suite.add_test_case(junit(case, outcome, *time));
        }
        let mut report = quick_junit::Report::new("volsync-policy");
        report.add_test_suites(files.into_values());
        report.to_string().unwrap_or_default()
    }
}

fn write_fault(out: &mut impl Write, fault: &Fault) -> io::Result<()> {
    if let Some((name, line)) = &fault.name {
        writeln!(out, "  at the step {NAME}{name}{NAME:#}, line {line}")?;
    }
    for (what, lines) in fault.kind.parts() {
        let is_diff = lines.iter().any(|line| matches!(line, Line::Expected(_) | Line::Found(_)));
        let legend = if is_diff { " (- expected, + found)" } else { "" };
        writeln!(out, "  {what}{legend}")?;
        for line in &lines {
            let style = match line {
                Line::Expected(_) => EXPECTED,
                Line::Found(_) => FOUND,
                Line::Same(_) | Line::Note(_) => PLAIN,
            };
            writeln!(out, "    {style}{line}{style:#}")?;
        }
    }
    Ok(())
}

fn write_share<T: std::fmt::Display>(out: &mut impl Write, what: &str, share: &Share<T>) -> io::Result<()> {
    writeln!(out, "{what}: {} of {}", share.reached, share.all)?;
    share.missing.iter().try_for_each(|missing| writeln!(out, "  not reached: {missing}"))
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn show(file: &Path) -> String {
    file.display().to_string()
}

impl Outcome {
    /// The result of `case` as JSON, as in [`Report::to_json`].
    pub fn to_json(&self, case: &Case) -> String {
        serde_json::to_string(&CaseDocument::of(case, self)).unwrap_or_default()
    }
}

/// The JSON Schema of [`Report::to_json`].
pub fn report_schema() -> Schema {
    schema_for!(ReportDocument<'static>)
}

/// The result of a run of policy tests.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Report")]
struct ReportDocument<'a> {
    /// The engines in which every case was run.
    engines: &'a [&'static str],
    /// The number of cases that passed.
    passed: usize,
    /// The number of cases that failed.
    failed: usize,
    /// The reason codes and rows that the answers reached.
    coverage: Coverage,
    /// The result of every case.
    cases: Vec<CaseDocument<'a>>,
}

/// The result of a case.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CaseReport")]
struct CaseDocument<'a> {
    /// The path of the file that contains the case.
    file: String,
    /// The line of the case's name in the file.
    line: u64,
    /// The name of the case.
    name: &'a str,
    /// Whether the case passed.
    passed: bool,
    /// The expectations that do not hold, step by step.
    faults: Vec<FaultDocument<'a>>,
}

/// An expectation that does not hold.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CaseFault")]
struct FaultDocument<'a> {
    /// The name of the step, in a story.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
    /// The line in the file at which the step, or the case, begins.
    line: u64,
    /// The name of the expectation, or a sentence that describes the problem.
    what: String,
    /// The difference: lines that begin with `- ` were expected, lines that begin with `+ ` were found. No line
    /// contains a credential.
    lines: Vec<String>,
}

impl<'a> CaseDocument<'a> {
    fn of(case: &'a Case, outcome: &'a Outcome) -> Self {
        let told = |fault: &'a Fault| {
            let (step, line) =
                fault.name.as_ref().map_or((None, case.line), |(name, line)| (Some(name.as_str()), *line));
            let parts = fault.kind.parts().into_iter();
            parts.map(move |(what, lines)| FaultDocument {
                step,
                line,
                what,
                lines: lines.iter().map(Line::to_string).collect(),
            })
        };
        let faults: Vec<FaultDocument> = outcome.faults.iter().flat_map(told).collect();
        CaseDocument { file: show(&case.file), line: case.line, name: &case.name, passed: faults.is_empty(), faults }
    }
}

fn junit(case: &Case, outcome: &Outcome, time: Duration) -> TestCase {
    let mut status = TestCaseStatus::success();
    if !outcome.faults.is_empty() {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let what = outcome.faults.iter().flat_map(|fault| fault.kind.parts()).map(|(what, _)| what);
        status.set_message(what.collect::<Vec<_>>().join(", "));
        status.set_description(outcome.faults.iter().map(Fault::to_string).collect::<String>());
    }
    let mut test = TestCase::new(case.name.as_str(), status);
    test.set_classname(case.label.as_str());
    test.set_time(time);
    test.extra.insert("file".into(), show(&case.file).into());
    test.extra.insert("line".into(), case.line.to_string().into());
    test
}

#[cfg(test)]
mod tests {
    use crate::suite::tests::suite;
    use quick_junit::{Report, TestCaseStatus};
    use volsync_policy_engine::Native;

    #[test]
    fn junit_is_well_formed_whatever_the_name_of_a_case_is() {
        let refused = "name: \"a <b> & \\\"c\\\" ]]> 'd' \\a é\"\nexpect: {code: X}\n";
        let passes = "name: passes\noperation: validate_settings\nexpect: {at: {/valid: true}}\n";
        let suite = suite(&[("a/b.yaml", &format!("{refused}---\n{passes}"))]).unwrap();
        let xml = suite.run(&[&Native]).to_junit();
        let report = Report::deserialize_from_str(&xml).unwrap();
        let [file] = report.test_suites.as_slice() else { panic!("one file: {xml}") };
        assert_eq!((file.tests, file.failures, file.errors), (2, 1, 0), "{xml}");
        let case = &file.test_cases[0];
        assert_eq!(case.name.as_str(), "a <b> & \"c\" ]]> 'd'  é", "but for what XML cannot say");
        assert_eq!(case.classname.as_ref().map(|it| it.as_str()), Some("a/b"));
        let TestCaseStatus::NonSuccess { message, description, .. } = &case.status else { panic!("{xml}") };
        assert_eq!(message.as_ref().map(|it| it.as_str()), Some("the payload is refused"));
        assert!(description.as_ref().is_some_and(|it| it.contains("request: is missing; write a claim")), "{xml}");
    }
}
