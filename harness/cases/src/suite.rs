//! A suite: the cases of files and directories, which are run together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rayon::prelude::*;
use volsync_policy_engine::Engine;

use crate::case::Case;
use crate::coverage::Coverage;
use crate::read;
use crate::run::Outcome;

/// Cases, at least one.
pub struct Suite {
    cases: Vec<Case>,
}

/// The result of a suite.
pub struct Report<'a> {
    /// The engines in which it ran.
    pub engines: Vec<&'static str>,
    /// Every case with its result, and how long it took.
    pub results: Vec<(&'a Case, Outcome, Duration)>,
}

impl Suite {
    /// Reads the cases of files, and of every `.yaml` and `.yml` file in directories and their subdirectories. A file
    /// that a case names is not itself read for cases.
    ///
    /// # Errors
    ///
    /// Every problem, each with its place: a file cannot be read or has no case, a case could not fail, two cases have
    /// the same title, or there is no case at all.
    pub fn read(paths: &[impl AsRef<Path>]) -> Result<Suite, Vec<anyhow::Error>> {
        let mut files = BTreeMap::new();
        for path in paths.iter().map(AsRef::as_ref) {
            let root = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
            find(path, root, &mut files).map_err(|error| vec![error])?;
        }
        let (mut cases, mut faulty, mut bases) = (Vec::new(), Vec::new(), Vec::new());
        for (file, label) in files {
            match read::file(&file, &label) {
                Ok(read) => cases.extend(read),
                Err(faults) => {
                    bases.extend(faults.bases);
                    faulty.push((file, faults.all));
                }
            }
        }
        let named = cases.iter().flat_map(|case: &Case| &case.files).chain(&bases);
        let named: BTreeSet<PathBuf> = named.filter_map(|file| real(file)).collect();
        let faulty = faulty.into_iter().filter(|(file, _)| real(file).is_none_or(|file| !named.contains(&file)));
        let mut faults: Vec<anyhow::Error> = faulty.flat_map(|(_, faults)| faults).collect();
        faults.extend(called_alike(&cases));
        if faults.is_empty() && cases.is_empty() {
            let paths: Vec<String> = paths.iter().map(|path| path.as_ref().display().to_string()).collect();
            faults.push(anyhow!("no case in {}", paths.join(", ")));
        }
        if faults.is_empty() { Ok(Suite { cases }) } else { Err(faults) }
    }

    /// The cases, in the order of their files and places.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Keeps only the cases whose titles contain `filter`.
    ///
    /// # Errors
    ///
    /// No title contains it.
    pub fn select(mut self, filter: &str) -> anyhow::Result<Suite> {
        self.cases.retain(|case| case.title().contains(filter));
        if self.cases.is_empty() { Err(anyhow!("no case's `file: name` contains {filter:?}")) } else { Ok(self) }
    }

    /// Runs every case in every engine, several cases at a time.
    pub fn run(&self, engines: &[&dyn Engine]) -> Report<'_> {
        let timed = |case| {
            let start = Instant::now();
            let outcome = Case::run(case, engines);
            (case, outcome, start.elapsed())
        };
        Report {
            engines: engines.iter().map(|engine| engine.name()).collect(),
            results: self.cases.par_iter().map(timed).collect(),
        }
    }
}

impl Report<'_> {
    /// The cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = (&Case, &Outcome)> {
        let results = self.results.iter().map(|(case, outcome, _)| (*case, outcome));
        results.filter(|(_, outcome)| !outcome.faults.is_empty())
    }

    /// The reason codes and rows that the answers reached.
    pub fn coverage(&self) -> Coverage {
        Coverage::of(self.results.iter().map(|(_, outcome, _)| &outcome.reached))
    }
}

/// Collects the files at and below `path`, each with its path relative to `root`, without the extension.
fn find(path: &Path, root: &Path, files: &mut BTreeMap<PathBuf, String>) -> anyhow::Result<()> {
    if !path.is_dir() {
        let label = path.strip_prefix(root).unwrap_or(path).with_extension("");
        files.insert(path.to_owned(), label.display().to_string());
        return Ok(());
    }
    for entry in path.read_dir().with_context(|| path.display().to_string())? {
        let path = entry.with_context(|| path.display().to_string())?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml || path.is_dir() {
            find(&path, root, files)?;
        }
    }
    Ok(())
}

/// The canonical path of a file.
fn real(file: &Path) -> Option<PathBuf> {
    file.canonicalize().ok()
}

fn called_alike(cases: &[Case]) -> Vec<anyhow::Error> {
    let mut seen: BTreeMap<&str, &Case> = BTreeMap::new();
    let mut faults = Vec::new();
    for case in cases {
        if let Some(other) = seen.insert(&case.name, case) {
            let (one, two) = (other.file.display(), case.file.display());
            let (name, line, other_line) = (&case.name, case.line, other.line);
            faults.push(anyhow!("{two}:{line}: the case at {one}:{other_line} is called {name:?} too"));
        }
    }
    faults
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// The suite in a directory with these files, or its problems, one per line.
    pub(crate) fn suite(files: &[(&str, &str)]) -> Result<Suite, String> {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Suite::read(&[folder.path()])
            .map_err(|faults| faults.iter().map(|fault| format!("{fault:#}\n")).collect::<String>())
            .map_err(|faults| faults.replace(&format!("{}/", folder.path().display()), ""))
    }

    fn wrong(case: &str) -> String {
        suite(&[("a.yaml", case)]).err().unwrap_or_default()
    }

    #[test]
    fn a_suite_is_every_case_of_every_file_in_its_directory() {
        let case = |name: &str| format!("{{name: {name}, request: {{}}, expect: {{code: X}}}}\n");
        let files = [
            ("b.yml", case("one")),
            ("a/c.yaml", format!("# why\n{}---\n{}", case("two"), case("three"))),
            ("notes.txt", "name: [".to_owned()),
        ];
        let suite = suite(&files.each_ref().map(|(name, text)| (*name, text.as_str()))).unwrap();
        let titles: Vec<(String, u64)> = suite.cases().iter().map(|case| (case.title(), case.line)).collect();
        let expected = [("a/c: two", 2), ("a/c: three", 4), ("b: one", 1)];
        assert_eq!(titles, expected.map(|(title, line)| (title.to_owned(), line)));
    }

    #[test]
    fn a_case_that_could_not_fail_is_an_error() {
        assert_eq!(wrong("{name: a, expect: {code: X}}"), "");
        for nothing in ["{name: a, expect: {}}", "{name: a}", "{name: a, expect: {at: {}}}"] {
            assert_eq!(wrong(nothing), "a.yaml:1: the case \"a\": expects nothing\n", "{nothing}");
        }
        let story = "name: a\nstory:\n- step: one\n  expect: {code: X}\n- step: two\n  change: {/request: {}}\n";
        assert_eq!(wrong(story), "a.yaml:1: the case \"a\": line 5: the step \"two\": expects nothing\n");
        assert!(wrong("{name: a, story: []}").ends_with("story: has no step\n"));
    }

    #[test]
    fn a_story_in_which_nothing_happens_is_an_error() {
        let story = |second: &str| {
            wrong(&format!("name: a\nstory:\n- step: one\n  expect: {{code: X}}\n- {{{second}, expect: {{code: X}}}}"))
        };
        assert!(story("step: two").ends_with("the step \"two\": nothing happens: write `after` or `change`\n"));
        assert!(story("step: two, change: {/evidence: null}").contains("there is nothing to remove"));
        assert!(story("step: one, change: {/request: {}}").contains("a second step of that name"));
        assert_eq!(story("step: two, change: {/request: {}}"), "");
    }

    #[test]
    fn expectations_next_to_a_story_are_an_error() {
        let said = wrong("{name: a, expect: {code: X}, story: [{step: one, expect: {code: X}}]}");
        assert!(said.contains("has a story: what is expected stands in its steps"), "{said}");
    }

    #[test]
    fn unknown_keys_are_errors_everywhere() {
        for unknown in [
            "{name: a, colour: red, expect: {code: X}}",
            "{name: a, expect: {code: X, colour: red}}",
            "{name: a, story: [{step: b, colour: red, expect: {code: X}}]}",
        ] {
            let said = wrong(unknown);
            assert!(said.starts_with("a.yaml: unknown field") && said.contains("colour"), "{unknown}: {said}");
        }
        assert!(wrong("{name: a, name: b, expect: {code: X}}").contains("duplicate"));
    }

    #[test]
    fn exceptions_that_ignore_nothing_or_everything_are_errors() {
        for (expect, words) in [
            ("{code: X, except: {source: [/a]}}", "except: `source`: is not expected here"),
            ("{code: X, except: {code: [/a]}}", "except: `code`: is no manifest"),
            ("{source: {a: 1}, except: {source: []}}", "nothing is left out"),
            ("{source: {a: 1}, except: {source: ['']}}", "everything is left out"),
            ("{source: {a: 1}, except: {source: [/a]}}", "/a is expected and left out at once"),
            ("{source: {a: 1}, except: {source: [a]}}", "`a` is no JSON pointer"),
            ("{at: {verdict/row: 1}}", "at: `verdict/row` is no JSON pointer"),
        ] {
            let said = wrong(&format!("{{name: a, expect: {expect}}}"));
            assert!(said.contains(words), "{expect}: {said}");
        }
    }

    #[test]
    fn two_cases_with_one_name_are_an_error_in_any_files() {
        let case = "{name: a, expect: {code: X}}";
        let said = suite(&[("a.yaml", case), ("b.yaml", case)]).err().unwrap();
        assert_eq!(said, "b.yaml:1: the case at a.yaml:1 is called \"a\" too\n");
    }

    #[test]
    fn a_file_without_a_case_and_a_suite_without_one_are_errors() {
        for nothing in ["", "# nothing\n", "---\n---\n"] {
            assert_eq!(wrong(nothing), "a.yaml: no case in it\n", "{nothing:?}");
        }
        assert!(suite(&[("a.txt", "name: a")]).err().unwrap().starts_with("no case in "));
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let said = suite(&[("a.yaml", "{name: a}\n---\n{name: b}"), ("b.yaml", "")]).err().unwrap();
        assert_eq!(said.lines().count(), 3, "{said}");
    }

    #[test]
    fn a_filter_that_matches_nothing_is_an_error() {
        let two = || suite(&[("f.yaml", "{name: a, expect: {code: X}}\n---\n{name: b, expect: {code: X}}")]).unwrap();
        assert_eq!(two().select("f: b").unwrap().cases().len(), 1);
        let error = two().select("f: c").err().unwrap();
        assert_eq!(error.to_string(), "no case's `file: name` contains \"f: c\"");
    }

    #[test]
    fn parts_of_a_case_may_be_in_files_which_are_not_cases() {
        let case = "{name: a, request: given/claim.yaml, credentials: given/base.yaml, settings: set.yaml,
            evidence: given/seen.yaml, expect: {code: X}}";
        let files = [
            ("a.yaml", case),
            ("set.yaml", "gate: none"),
            ("given/claim.yaml", "{kind: PersistentVolumeClaim}"),
            ("given/base.yaml", "{stringData: {RESTIC_PASSWORD: a}}"),
            ("given/seen.yaml", "{slot: free}"),
        ];
        let suite = suite(&files).unwrap();
        let [case] = suite.cases() else { panic!("one case") };
        assert_eq!(case.steps[0].payload["settings"]["gate"], "none");
        assert_eq!(case.steps[0].payload["evidence"]["slot"], "free");
        assert_eq!(case.files.len(), 4);
        assert!(wrong("{name: a, settings: none.yaml, expect: {code: X}}").contains("settings: none.yaml"));
    }

    #[test]
    fn evidence_may_be_a_preset_and_a_change_may_set_another() {
        let story = "name: a\nrequest: {}\nevidence: snapshots=3\nstory:\n- step: one\n  expect: {code: X}\n\
            - step: two\n  change: {/evidence: 'snapshots=3,bound'}\n  expect: {code: X}\n";
        let suite = suite(&[("a.yaml", story)]).unwrap();
        let phase = |step: usize| suite.cases()[0].steps[step].payload["evidence"]["claim"]["phase"].clone();
        assert_eq!((phase(0), phase(1)), ("Pending".into(), "Bound".into()));
        let said = wrong("{name: a, request: {}, evidence: snapshot=3, expect: {code: X}}");
        assert!(said.contains("neither a file nor a preset") && said.contains("did you mean `snapshots=N`?"), "{said}");
        let again = wrong(
            "name: a\nrequest: {}\nevidence: fresh\nstory:\n- step: one\n  expect: {code: X}\n\
            - step: two\n  change: {/evidence: fresh}\n  expect: {code: X}\n",
        );
        assert!(again.contains("nothing happens"), "{again}");
    }

    #[test]
    fn an_error_of_reading_quotes_no_value() {
        const CANARY: &str = "canary-of-the-credentials";
        for broken in [
            "name: a\ncredentials: {stringData: {RESTIC_PASSWORD: \"CANARY\n",
            "name: a\ncredentials: {stringData: {RESTIC_PASSWORD: CANARY, RESTIC_PASSWORD: CANARY}}\n",
            "name: a\ncredentials: {stringData: {RESTIC_PASSWORD: CANARY}}\nexpect: {cod: 1}\n",
            "name: a\ncredentials: {stringData: {RESTIC_PASSWORD: *CANARY}}\n",
            "name: a\nexpect: {secret: {stringData: {P: CANARY}}, except: {secret: [/stringData/P]}}",
            "name: a\nexpect: CANARY\n",
            "name: a\nexpect: {code: X}\ncredentials: &a !!int CANARY\n",
        ] {
            let said = wrong(&broken.replace("CANARY", CANARY));
            assert!(said.contains("a.yaml") && !said.contains(CANARY), "{broken}: {said}");
        }
    }
}
