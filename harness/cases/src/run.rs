//! Runs a case in every engine.

use std::fmt;

use serde_json::Value;
use volsync_policy_engine::{CallError, Engine};

use crate::case::{Case, Step};
use crate::compare::{Difference, Line, diff, differences};
use crate::coverage::Reached;
use crate::credentials::Credentials;

/// The result of a case.
pub struct Outcome {
    /// The problems, in the order of the steps. Empty if the case passed.
    pub faults: Vec<Fault>,
    /// The reason codes and rows that its answers reached.
    pub(crate) reached: Reached,
}

/// A problem with the answer to one step.
pub struct Fault {
    /// The index of the step, from 0.
    pub(crate) step: usize,
    /// The name of the step, and the line at which it begins. None if there is no story.
    pub name: Option<(String, u64)>,
    /// The problem.
    pub kind: FaultKind,
}

/// A problem with an answer.
pub enum FaultKind {
    /// The engine returned no answer.
    Failed {
        /// The name of the engine.
        engine: &'static str,
        /// The reason, without a credential.
        error: String,
    },
    /// Another engine's answer differs in a byte from that of the first.
    Disagree {
        /// The names of the first engine and of the other.
        engines: [&'static str; 2],
        /// The differences, to be printed.
        lines: Vec<Line>,
    },
    /// The payload was refused, and that was not expected.
    Refused(Vec<Line>),
    /// The answer differs from an expectation.
    Differs(Vec<Difference>),
}

impl FaultKind {
    /// The problem as one or more sentences, each with the lines to print below it.
    pub fn parts(&self) -> Vec<(String, Vec<Line>)> {
        match self {
            FaultKind::Failed { engine, error } => vec![(format!("{engine}: {error}"), Vec::new())],
            FaultKind::Disagree { engines: [first, other], lines } => {
                vec![(format!("{other} gives other bytes than {first}"), lines.clone())]
            }
            FaultKind::Refused(lines) => vec![("the payload is refused".to_owned(), lines.clone())],
            FaultKind::Differs(differences) => {
                differences.iter().map(|it| (it.name().to_owned(), it.lines.clone())).collect()
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, line)) = &self.name {
            writeln!(f, "at the step {name:?}, line {line}:")?;
        }
        for (what, lines) in self.kind.parts() {
            writeln!(f, "{what}:")?;
            lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}

/// What an operation returned: JSON that contains credentials.
#[derive(Clone, PartialEq, Eq)]
enum Answer {
    /// The result of the operation.
    Given(Vec<u8>),
    /// The problems for which the payload was refused.
    Refused(Vec<u8>),
}

impl Answer {
    fn bytes(&self) -> &[u8] {
        match self {
            Answer::Given(bytes) | Answer::Refused(bytes) => bytes,
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(self.bytes()).unwrap_or_default()
    }
}

impl Case {
    /// Runs every step in every engine. Compares the answers of the first engine with what is expected, and those of
    /// the others with the first one's. The steps after one that fails are run too, because no step depends on earlier
    /// answers.
    pub fn run(&self, engines: &[&dyn Engine]) -> Outcome {
        let (mut faults, mut reached) = (Vec::new(), Reached::default());
        for (index, step) in self.steps.iter().enumerate() {
            let name = step.name.clone().map(|name| (name, step.line));
            let found = self.ask(step, engines, &mut reached);
            faults.extend(found.into_iter().map(|kind| Fault { step: index, name: name.clone(), kind }));
        }
        Outcome { faults, reached }
    }

    fn ask(&self, step: &Step, engines: &[&dyn Engine], reached: &mut Reached) -> Vec<FaultKind> {
        let payload = step.payload.to_string();
        let mut faults = Vec::new();
        let mut first: Option<(&'static str, Answer)> = None;
        for engine in engines {
            let answer = match engine.call(self.operation.as_str(), payload.as_bytes()) {
                Ok(bytes) => Answer::Given(bytes),
                Err(CallError::Refused(problems)) => Answer::Refused(problems.into_bytes()),
                Err(CallError::Failed(error)) => {
                    let error = Credentials::of(&step.payload, []).redact(&error);
                    faults.push(FaultKind::Failed { engine: engine.name(), error });
                    continue;
                }
            };
            match &first {
                Some((name, first)) if *first != answer => {
                    let lines = disagreement(&step.payload, first, &answer);
                    faults.push(FaultKind::Disagree { engines: [name, engine.name()], lines });
                }
                Some(_) => {}
                None => {
                    faults.extend(compare(step, &answer, reached));
                    first = Some((engine.name(), answer));
                }
            }
        }
        faults
    }
}

fn compare(step: &Step, answer: &Answer, reached: &mut Reached) -> Option<FaultKind> {
    let mut json = answer.json();
    reached.add(&json);
    let credentials = Credentials::of(&step.payload, [&json]);
    if matches!(answer, Answer::Refused(_)) && step.expect.problems.is_none() {
        credentials.mask("", None, Some(&mut json));
        return Some(FaultKind::Refused(problems(&json)));
    }
    let differences = differences(&step.expect, &json, &credentials);
    (!differences.is_empty()).then_some(FaultKind::Differs(differences))
}

/// The problems of a refusal, one per line.
fn problems(refusal: &Value) -> Vec<Line> {
    match serde_json::from_value(refusal.clone()) {
        Ok(volsync_policy::ReviewError { problems }) => {
            problems.iter().map(|problem| Line::Note(problem.to_string())).collect()
        }
        Err(_) => vec![Line::Note(refusal.to_string())],
    }
}

fn disagreement(payload: &Value, first: &Answer, other: &Answer) -> Vec<Line> {
    let (one, two) = (first.json(), other.json());
    if one != two {
        return diff("", &one, &two, &Credentials::of(payload, [&one, &two]));
    }
    let at = first.bytes().iter().zip(other.bytes()).take_while(|(one, two)| one == two).count();
    vec![Line::Note(format!("the same JSON, or none, written in another way from byte {at} on"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::tests::suite;

    const CANARY: &str = "canary-of-the-credentials";

    /// An engine that always returns the same answer.
    struct Says(&'static str, Result<&'static str, &'static str>);

    impl Engine for Says {
        fn name(&self) -> &'static str {
            self.0
        }

        fn call(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, CallError> {
            self.1.map(|answer| answer.as_bytes().to_vec()).map_err(|error| CallError::Failed(error.to_owned()))
        }
    }

    fn told(engines: &[&dyn Engine]) -> String {
        let credentials = format!("{{stringData: {{RESTIC_PASSWORD: {CANARY}}}}}");
        let case = format!("{{name: a, request: {{}}, credentials: {credentials}, expect: {{code: A}}}}");
        let suite = suite(&[("a.yaml", &case)]).unwrap();
        suite.cases()[0].run(engines).faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn engines_whose_answers_differ_in_a_byte_fail() {
        let first = Says("one", Ok(r#"{"verdict":{"code":"A"}}"#));
        let spaced = Says("two", Ok(r#"{"verdict":{"code": "A"}}"#));
        assert_eq!(told(&[&first, &first]), "");
        let said = told(&[&first, &spaced]);
        assert_eq!(
            said,
            "two gives other bytes than one:\n  the same JSON, or none, written in another way from byte 19 on\n"
        );
        let other = Says("two", Ok(r#"{"verdict":{"code":"B"}}"#));
        assert_eq!(
            told(&[&first, &other]),
            "two gives other bytes than one:\n    verdict:\n  -   code: A\n  +   code: B\n"
        );
    }

    #[test]
    fn an_engine_without_an_answer_fails_first_or_last() {
        let (good, bad) = (Says("one", Ok(r#"{"verdict":{"code":"A"}}"#)), Says("two", Err("it trapped")));
        for engines in [[&good as &dyn Engine, &bad], [&bad, &good]] {
            assert_eq!(told(&engines), "two: it trapped:\n");
        }
    }

    #[test]
    fn no_credential_is_shown_whatever_an_engine_answers() {
        let leaks = [
            Ok(r#"{"verdict":{"code":"canary-of-the-credentials"}}"#),
            Ok(r#"{"verdict":{"code":"Y2FuYXJ5LW9mLXRoZS1jcmVkZW50aWFscw=="}}"#),
            Err("it read canary-of-the-credentials"),
        ];
        for leak in leaks {
            let said = told(&[&Says("one", Ok("{}")), &Says("two", leak)]) + &told(&[&Says("one", leak)]);
            assert!(!said.contains(CANARY) && !said.contains("Y2Fu"), "{said}");
            assert!(said.contains("(RESTIC_PASSWORD)"), "{said}");
        }
    }
}
