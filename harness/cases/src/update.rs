//! Accepts answers: writes the expectations that differ, and changes nothing else in their files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use yaml_edit::{Mapping, YamlFile, YamlNode};

use crate::case::{Case, Step};
use crate::compare::to_yaml;
use crate::credentials::Credentials;
use crate::expect::Expected;
use crate::read;
use crate::run::{FaultKind, Outcome};
use crate::suite::Report;

/// A longer list or object is written on several lines.
const LONGEST_FLOW: usize = 80;

/// An expectation that is rewritten.
struct Edit<'a> {
    case: &'a Case,
    step: &'a Step,
    /// The index of the step in its case, from 0.
    index: usize,
    /// Its key under `expect`, and its JSON pointer.
    field: &'static str,
    pointer: &'a str,
    /// The expected value, and the one that was found.
    expected: &'a Value,
    found: &'a Value,
}

/// A file that was rewritten.
#[derive(Debug, PartialEq, Eq)]
pub struct Updated {
    /// The file.
    pub file: PathBuf,
    /// The number of its expectations that were changed.
    pub expectations: usize,
}

impl Report<'_> {
    /// Rewrites the expectations that differ from the answers. A file is written completely or not at all. Faults that
    /// cannot be accepted stay, and keep failing: an engine without an answer, engines that disagree, a payload that is
    /// refused, an expectation about a place that the answer does not have.
    ///
    /// # Errors
    ///
    /// For each file that is left unchanged: the reason, and what to do by hand.
    pub fn update(&self) -> Vec<anyhow::Result<Updated>> {
        let mut files: BTreeMap<&Path, Vec<Edit<'_>>> = BTreeMap::new();
        for (case, outcome) in self.failed() {
            files.entry(&case.file).or_default().extend(edits(case, outcome));
        }
        let files = files.into_iter().filter(|(_, edits)| !edits.is_empty());
        files.map(|(file, edits)| update(file, &edits).with_context(|| file.display().to_string())).collect()
    }
}

fn edits<'a>(case: &'a Case, outcome: &'a Outcome) -> Vec<Edit<'a>> {
    let mut edits = Vec::new();
    for fault in &outcome.faults {
        let (FaultKind::Differs(differences), Some(step)) = (&fault.kind, case.steps.get(fault.step)) else { continue };
        for difference in differences {
            let (field, pointer) = (difference.field, difference.pointer.as_str());
            let expected = step.expect.all().find(|expected| (expected.field, expected.pointer) == (field, pointer));
            let values = expected.map(|expected| expected.value).zip(difference.found.as_ref());
            edits.extend(values.map(|(expected, found)| {
                let index = fault.step;
                Edit { case, index, step, field, pointer, expected, found }
            }));
        }
    }
    edits
}

/// Writes a new file next to the old one, reads it again, and then replaces the old one.
fn update(file: &Path, edits: &[Edit<'_>]) -> anyhow::Result<Updated> {
    let place = file.canonicalize()?;
    let text = std::fs::read_to_string(&place)?;
    // The text that an error quotes may contain a credential.
    let document = YamlFile::from_str(&text).map_err(|_| anyhow!("its layout cannot be kept; write it by hand"))?;
    for edit in edits {
        edit.apply(&document).with_context(|| format!("line {}: {}", edit.step.line, edit.field))?;
    }
    let mut beside = NamedTempFile::new_in(place.parent().unwrap_or(Path::new("/")))?;
    beside.write_all(document.to_string().as_bytes())?;
    beside.as_file().set_permissions(place.metadata()?.permissions())?;
    if !says_what_it_should(&place, beside.path(), edits) {
        bail!("left as it is: something else would change with it, such as an alias; write it by hand");
    }
    beside.persist(&place)?;
    Ok(Updated { file: file.to_owned(), expectations: edits.len() })
}

/// Whether the rewritten file has the same cases as before, each as it should be now.
fn says_what_it_should(before: &Path, after: &Path, edits: &[Edit<'_>]) -> bool {
    let (Ok(before), Ok(after)) = (read::file(before, ""), read::file(after, "")) else { return false };
    before.len() == after.len() && before.iter().zip(&after).all(|(before, after)| is_as_wanted(before, after, edits))
}

/// Whether a case asks what it asked before, and expects what was found where it is rewritten, and otherwise what it
/// expected. Then it passes.
fn is_as_wanted(before: &Case, after: &Case, edits: &[Edit<'_>]) -> bool {
    let steps = before.steps.iter().zip(&after.steps).enumerate();
    let steps_are = steps.into_iter().all(|(index, (before_step, after_step))| {
        let wanted = before_step.expect.all().map(|Expected { field, pointer, value }| {
            let is_it = |edit: &&Edit<'_>| {
                (&edit.case.name, edit.index, edit.field, edit.pointer) == (&before.name, index, field, pointer)
            };
            (field, pointer, edits.iter().find(is_it).map_or(value, |edit| edit.found))
        });
        before_step.name == after_step.name
            && before_step.payload == after_step.payload
            && before_step.expect.except == after_step.expect.except
            && wanted.eq(after_step.expect.all().map(|Expected { field, pointer, value }| (field, pointer, value)))
    });
    steps_are
        && before.steps.len() == after.steps.len()
        && (&before.name, before.operation) == (&after.name, after.operation)
}

impl Edit<'_> {
    fn apply(&self, file: &YamlFile) -> anyhow::Result<()> {
        if self.case.borrows_credentials && self.shows_credential() {
            bail!("the credentials stand in a file of their own, and are not copied here; write it by hand");
        }
        let expect = self.expect(file).context("stands behind an alias; write it by hand")?;
        match self.field {
            "at" => match expect.get("at") {
                Some(YamlNode::Mapping(at)) => write(&at, self.pointer, Some(self.expected), self.found),
                _ => bail!("stands behind an alias; write it by hand"),
            },
            field => write(&expect, field, Some(self.expected), self.found),
        }
    }

    fn shows_credential(&self) -> bool {
        let mut shown = self.found.clone();
        Credentials::of(&self.step.payload, []).mask(self.pointer, None, Some(&mut shown));
        shown != *self.found
    }

    /// The mapping `expect` of the step, or of the case.
    fn expect(&self, file: &YamlFile) -> Option<Mapping> {
        let is_case = |case: &Mapping| match case.get("name") {
            Some(YamlNode::Scalar(name)) => name.as_string() == self.case.name,
            _ => false,
        };
        let case = file.documents().filter_map(|document| document.as_mapping()).find(is_case)?;
        let owner = match (&self.step.name, case.get("story")) {
            (None, _) => case,
            (Some(_), Some(YamlNode::Sequence(story))) => match story.get(self.index)? {
                YamlNode::Mapping(step) => step,
                _ => return None,
            },
            (Some(_), _) => return None,
        };
        match owner.get("expect")? {
            YamlNode::Mapping(expect) => Some(expect),
            _ => None,
        }
    }
}

/// Writes `found` at a key of a mapping in place of `expected`. In an object only the parts that differ are written, so
/// that comments in the rest stay.
fn write(mapping: &Mapping, key: &str, expected: Option<&Value>, found: &Value) -> anyhow::Result<()> {
    if let (Some(YamlNode::Mapping(inner)), Some(Value::Object(expected)), Value::Object(found)) =
        (mapping.get(key), expected, found)
        && !found.is_empty()
    {
        for (key, found) in found.iter().filter(|(key, found)| expected.get(*key) != Some(*found)) {
            write(&inner, key, expected.get(key), found)?;
        }
        expected.keys().filter(|key| !found.contains_key(*key)).for_each(|stale| drop(inner.remove(stale.as_str())));
        return Ok(());
    }
    let in_flow = is_in_flow(mapping.get(key)) && found.to_string().len() <= LONGEST_FLOW;
    mapping.set(key, &node(found, in_flow).context("cannot be written as YAML")?);
    Ok(())
}

/// A value as YAML. In a flow mapping, lists and objects are written in brackets and braces.
fn node(value: &Value, in_flow: bool) -> Option<YamlNode> {
    let document = |text: &str| YamlFile::from_str(text).ok()?.documents().find_map(|document| document.as_mapping());
    let block = document(&to_yaml(&json!({ "found": value })))?;
    if !in_flow {
        return block.get("found");
    }
    // Values in a flow mapping are written in flow style, too.
    let flow = document("{found: null}")?;
    flow.set("found", &block.get("found")?);
    flow.get("found")
}

/// Whether a list or an object is written in flow style.
fn is_in_flow(node: Option<YamlNode>) -> bool {
    match node {
        Some(YamlNode::Mapping(mapping)) => mapping.is_flow_style(),
        Some(YamlNode::Sequence(sequence)) => sequence.is_flow_style(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use tempfile::TempDir;
    use volsync_policy_engine::Native;

    use crate::suite::Suite;

    /// A claim that can be planned; `{}` is replaced by the rest of the case.
    const CLAIM: &str = "\
request:
  kind: PersistentVolumeClaim
  metadata: {name: data, namespace: shop, labels: {backup: hourly}}
  spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";

    struct Updating {
        text: String,
        said: Vec<String>,
        still_fail: usize,
    }

    /// What an update writes to a file, next to which there is `base.yaml`.
    fn updated(text: &str) -> Updating {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, text.replace("CLAIM\n", CLAIM)).unwrap();
        fs::write(folder.path().join("base.yaml"), BASE).unwrap();
        let read = || Suite::read(&[&file]).map_err(|faults| format!("{faults:?}")).unwrap();
        let suite = read();
        let said = suite.run(&[&Native]).update().into_iter();
        let said =
            said.map(|it| it.map_or_else(|error| format!("{error:#}"), |it| it.expectations.to_string())).collect();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
        let still_fail = read().run(&[&Native]).failed().count();
        Updating { text: fs::read_to_string(&file).unwrap().replace(CLAIM, "CLAIM\n"), said, still_fail }
    }

    const BASE: &str = "\
stringData: {RESTIC_REPOSITORY: 's3:http://s3.example/b', RESTIC_PASSWORD: made-up-password, AWS_ACCESS_KEY_ID: made-up,
  AWS_SECRET_ACCESS_KEY: made-up-key}
";

    #[test]
    fn only_differences_are_written_and_comments_stay() {
        let Updating { text, said, still_fail } = updated(
            "\
# Top.
name: a   # its name
CLAIM
expect:
  # Why the code.
  code: Released   # here
  restore: apply
  notes: [Foo, Bar]   # codes
  at: {/verdict/row: 39,
       /manifests/source/object/spec/restic/retain: {hourly: 1, monthly: 2}}   # kept
---
# The second is right, and odd.
name:   b
CLAIM
expect:   {code:   NoEvidence}
",
        );
        assert_eq!(
            text,
            "\
# Top.
name: a   # its name
CLAIM
expect:
  # Why the code.
  code: NoEvidence   # here
  restore: apply
  notes: [CredentialsAbsent]   # codes
  at: {/verdict/row: 5,
       /manifests/source/object/spec/restic/retain: {hourly: 24, daily: 7}}   # kept
---
# The second is right, and odd.
name:   b
CLAIM
expect:   {code:   NoEvidence}
"
        );
        assert_eq!((said, still_fail), (vec!["4".to_owned()], 0));
    }

    #[test]
    fn a_manifest_keeps_its_comments_and_exceptions_are_not_written() {
        let Updating { text, said, still_fail } = updated(
            "\
name: a
CLAIM
expect:
  source:
    apiVersion: volsync.backube/v1alpha1
    # The kind that backs up.
    kind: ReplicationSauce
    metadata:
      # Named for the claim.
      name: data-backup
      namespace: bank
    gone: true
  except:
    source: [/spec]
",
        );
        assert_eq!(
            text,
            "\
name: a
CLAIM
expect:
  source:
    apiVersion: volsync.backube/v1alpha1
    # The kind that backs up.
    kind: ReplicationSource
    metadata:
      # Named for the claim.
      name: data-backup
      namespace: shop
      labels:
        app.kubernetes.io/managed-by: volsync-policy
  except:
    source: [/spec]
"
        );
        assert_eq!((said, still_fail), (vec!["1".to_owned()], 0));
    }

    #[test]
    fn each_step_of_a_story_is_updated_on_its_own() {
        let story = "\
name: a
CLAIM
credentials: base.yaml
evidence: snapshots=2
story:
- step: there are backups
  expect: {code: X}
- step: it bound without them
  change: {/evidence: 'snapshots=2,bound'}
  expect:
    code: UnrestoredVolume
    patch: X
";
        let Updating { text, said, still_fail } = updated(story);
        let patch = "    patch:
      - op: add
        path: /spec/dataSourceRef
        value:
          apiGroup: volsync.backube
          kind: ReplicationDestination
          name: data-restore
";
        assert_eq!(text, story.replace("code: X", "code: RestoreFromBackup").replace("    patch: X\n", patch));
        assert_eq!((said, still_fail), (vec!["2".to_owned()], 0));
    }

    #[test]
    fn an_anchor_in_a_rewritten_value_is_not_lost() {
        let text = "name: a\nCLAIM\nexpect:\n  notes: [&note Foo]\n  at: {/notes/0/code: *note, /verdict/row: 5}\n";
        let Updating { text, said, still_fail } = updated(text);
        assert_eq!((said, still_fail), (vec!["2".to_owned()], 0), "{text}");
    }

    #[test]
    fn a_file_in_which_something_else_would_change_is_left_unchanged() {
        let text = "name: a\nexpect: {code: &code Released}\nrequest: {kind: *code}\n";
        let text = text.replace("request: {kind: *code}", "CLAIM").replace("hourly", "*code");
        let anchored = format!("{}settings: {{metadata: {{labels: {{team: *code}}}}}}\n", text);
        let Updating { text: after, said, still_fail } = updated(&anchored);
        assert!(said[0].contains("something else would change with it"), "{said:?} {after}");
        assert_eq!((after, still_fail), (anchored, 1));
    }

    #[test]
    fn an_expectation_behind_an_alias_is_left_unchanged() {
        let text = "name: a\nCLAIM\noperation: plan\nstory:\n- {step: one, expect: &expect {code: X}}\n\
            - {step: two, change: {/settings: {}}, expect: *expect}\n";
        let Updating { text: after, said, still_fail } = updated(text);
        assert!(said[0].contains("write it by hand"), "{said:?}");
        assert_eq!((after.as_str(), still_fail), (text, 1));
    }

    #[test]
    fn a_fault_that_cannot_be_accepted_keeps_failing() {
        let text = "name: a\nCLAIM\nexpect:\n  code: X\n  at: {/no/such/place: 1}\n";
        let Updating { text: after, said, still_fail } = updated(text);
        assert_eq!((after, said, still_fail), (text.replace("X", "NoEvidence"), vec!["1".to_owned()], 1));
        let refused = "name: a\nrequest: {}\nexpect: {code: X}\n";
        let Updating { text: after, said, still_fail } = updated(refused);
        assert_eq!((after.as_str(), said.len(), still_fail), (refused, 0, 1));
    }

    #[test]
    fn credentials_are_not_copied_from_a_separate_file() {
        let own = format!(
            "name: a\nCLAIM\ncredentials:\n  {}expect:\n  secret: null\n",
            BASE.replace('\n', "\n  ").trim_end_matches(' ')
        );
        let Updating { said, still_fail, .. } = updated(&own);
        assert_eq!((said, still_fail), (vec!["1".to_owned()], 0));
        for rest in [
            "credentials: base.yaml\nexpect: {secret: null}\n",
            "credentials: base.yaml\nexpect: {at: {/manifests/secret/object/data/RESTIC_PASSWORD: X}}\n",
            "credentials: base.yaml\nexpect: {answer: {}}\n",
            "story:\n- step: one\n  change: {/credentials: base.yaml}\n  expect: {secret: null}\n",
        ] {
            let borrowed = format!("name: a\nCLAIM\n{rest}");
            let Updating { text, said, still_fail } = updated(&borrowed);
            assert!(said[0].contains("are not copied here; write it by hand"), "{said:?}");
            assert_eq!((text, still_fail), (borrowed, 1));
        }
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempDir::new().unwrap();
        let (file, link) = (folder.path().join("real"), folder.path().join("a.yaml"));
        fs::write(&file, format!("name: a\n{CLAIM}expect: {{code: X}}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let suite = Suite::read(&[&link]).ok().unwrap();
        assert!(suite.run(&[&Native]).update().iter().all(Result::is_ok));
        assert!(fs::read_to_string(&file).unwrap().contains("code: NoEvidence"));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert!(link.symlink_metadata().unwrap().is_symlink());
    }
}
