//! Bases: what several cases start from, so that each says only what is special about it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;
use volsync_policy::nearest;

use crate::dump::Dump;
use crate::expect::given;
use crate::preset::Preset;
use crate::read::{document, documents_in, line};
use crate::story::change_all;

/// The parts of a review that a base or a case names.
#[derive(Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Parts {
    /// The base that it starts from.
    pub(crate) base: Option<String>,
    #[serde(deserialize_with = "given")]
    pub(crate) request: Option<Value>,
    #[serde(deserialize_with = "given")]
    pub(crate) credentials: Option<Value>,
    #[serde(deserialize_with = "given")]
    pub(crate) settings: Option<Value>,
    #[serde(deserialize_with = "given")]
    pub(crate) evidence: Option<Value>,
    #[serde(deserialize_with = "given")]
    pub(crate) seen: Option<Value>,
    /// Changes to the result, by JSON pointer into the review; null removes.
    pub(crate) change: BTreeMap<String, Value>,
}

/// The key `bases` of a file: bases by name, in order, or the name of a file with them.
#[derive(PartialEq)]
pub(crate) enum Written {
    InFile(String),
    Here(Named),
}

/// Bases by name, in their order.
#[derive(PartialEq)]
pub(crate) struct Named(Vec<(Spanned<String>, Parts)>);

impl Written {
    /// The path of the file with the bases, if the file `cases` names one.
    pub(crate) fn file(&self, cases: &Path) -> Option<PathBuf> {
        match self {
            Written::InFile(name) => Some(folder(cases).join(name)),
            Written::Here(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfWritten;
        impl<'de> Visitor<'de> for OfWritten {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bases by their names, or the name of a file of them")
            }

            fn visit_str<E: Error>(self, file: &str) -> Result<Written, E> {
                Ok(Written::InFile(file.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Named::deserialize(MapAccessDeserializer::new(map)).map(Written::Here)
            }
        }
        deserializer.deserialize_any(OfWritten)
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfNamed;
        impl<'de> Visitor<'de> for OfNamed {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bases by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
                let mut bases = Vec::new();
                while let Some(base) = map.next_entry()? {
                    bases.push(base);
                }
                Ok(Named(bases))
            }
        }
        deserializer.deserialize_map(OfNamed)
    }
}

/// The bases that the cases of one file may start from.
#[derive(Default)]
pub(crate) struct Bases(BTreeMap<String, Start>);

/// A review that is not complete yet: `evidence` may still be a preset, and `seen` a dump.
#[derive(Clone, Default)]
pub(crate) struct Start {
    pub(crate) review: Map<String, Value>,
    pub(crate) files: Files,
}

impl Bases {
    /// Reads the bases of the cases in `file`.
    pub(crate) fn read(written: Written, file: &Path) -> anyhow::Result<Bases> {
        let other_file = written.file(file);
        let named = match written {
            Written::Here(named) => named,
            Written::InFile(name) => {
                document(&folder(file).join(name)).with_context(|| format!("{}: bases", file.display()))?
            }
        };
        let file = other_file.as_deref().unwrap_or(file);
        let mut bases = Bases::default();
        for (name, parts) in named.0 {
            let (line, name) = (line(&name), name.value);
            let start =
                bases.start(parts, file).with_context(|| format!("{}:{line}: the base {name:?}", file.display()));
            let mut start = start?;
            if let Some(other_file) = &other_file {
                start.files.credentials |= start.review.contains_key("credentials");
                if !start.files.named.contains(other_file) {
                    start.files.named.push(other_file.clone());
                }
            }
            bases.0.insert(name, start);
        }
        Ok(bases)
    }

    /// The review of a base or a case in `file`. It starts from its base, its own parts replace the base's, and then
    /// the changes are made.
    pub(crate) fn start(&self, parts: Parts, file: &Path) -> anyhow::Result<Start> {
        let mut start = match &parts.base {
            Some(name) => self.0.get(name).cloned().with_context(|| self.unknown(name))?,
            None => Start::default(),
        };
        let Start { review, files } = &mut start;
        files.folder = folder(file).to_owned();
        if parts.credentials.is_some() {
            files.credentials = false;
        }
        let written = [
            ("request", parts.request),
            ("credentials", parts.credentials),
            ("settings", parts.settings),
            ("evidence", parts.evidence),
            ("seen", parts.seen),
        ];
        for (key, part) in written.into_iter().filter_map(|(key, part)| Some((key, part?))) {
            match part {
                Value::Null => drop(review.remove(key)),
                part => drop(review.insert(key.to_owned(), part)),
            }
        }
        files.read_in(review)?;
        if !parts.change.is_empty() {
            files.write_out(review)?;
            change_all(review, &parts.change)?;
            files.read_in(review)?;
        }
        Ok(start)
    }

    fn unknown(&self, name: &str) -> String {
        let names = || self.0.keys().map(String::as_str);
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.0.is_empty() => "write `bases` first, in a document of their own".to_owned(),
            None => format!("those that are: {}", names().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")),
        };
        format!("base: `{}` is not known; {hint}", name.escape_default())
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// The files that a case names.
#[derive(Clone, Default)]
pub(crate) struct Files {
    /// The directory that the names are relative to.
    folder: PathBuf,
    pub(crate) named: Vec<PathBuf>,
    /// Whether credentials were read from a file.
    pub(crate) credentials: bool,
}

impl Files {
    /// Replaces names by what they stand for: a file by its only document, a preset by its evidence, a dump by its
    /// answers about the claim.
    pub(crate) fn write_out(&mut self, review: &mut Map<String, Value>) -> anyhow::Result<()> {
        self.read_in(review)?;
        let preset =
            review.get("evidence").and_then(Value::as_str).map(Preset::parse).transpose().context("evidence")?;
        if let Some(preset) = preset {
            review.remove("evidence");
            let json = serde_json::to_vec(&review)?;
            let evidence = preset.expand(review.get("request").unwrap_or(&Value::Null), &json);
            review.insert("evidence".to_owned(), serde_json::to_value(evidence)?);
        }
        if let Some(dump) = review.get("seen").and_then(dump).transpose().context("seen")? {
            review.remove("seen");
            let observation = dump.observe(review, false);
            review.insert("seen".to_owned(), observation.seen);
        }
        Ok(())
    }

    /// Replaces the name of a file by its only document, or by all documents of a dump. A preset stays as it is.
    fn read_in(&mut self, review: &mut Map<String, Value>) -> anyhow::Result<()> {
        for (key, part) in review.iter_mut() {
            let Value::String(text) = part else { continue };
            if key == "evidence" {
                match Preset::parse(text) {
                    Ok(_) => continue,
                    Err(_) if self.folder.join(&*text).exists() => {}
                    Err(why) => {
                        return Err(why.context(format!("evidence: `{text}` is neither a file nor a preset")));
                    }
                }
            }
            if key == "seen" {
                let file = self.folder.join(&*text);
                *part = Value::Array(documents_in(&file).context("seen")?);
                self.named.push(file);
                continue;
            }
            self.credentials |= key == "credentials";
            *part = self.read(text).with_context(|| key.clone())?;
        }
        Ok(())
    }

    fn read(&mut self, name: &str) -> anyhow::Result<Value> {
        let file = self.folder.join(name);
        let document = document(&file)?;
        self.named.push(file);
        Ok(document)
    }
}

/// The dump in `seen`, which is one document or a list of them. None if `seen` already contains answers by role.
fn dump(seen: &Value) -> Option<anyhow::Result<Dump>> {
    let documents = match seen {
        Value::Array(documents) => documents.as_slice(),
        seen if seen.get("kind").is_some_and(Value::is_string) => std::slice::from_ref(seen),
        _ => return None,
    };
    let mut dump = Dump::default();
    let mut numbered = (1..).zip(documents);
    let added = numbered.try_for_each(|(nth, document)| {
        dump.add(document.clone()).map_err(|fault| fault.context(format!("document {nth} of the dump")))
    });
    Some(added.map(|()| dump))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use volsync_policy_engine::Native;

    use super::*;
    use crate::suite::Suite;
    use crate::suite::tests::suite;

    const BASES: &str = "\
pending:
  request: {metadata: {name: data, uid: a}}
  settings: {gate: evidence}
  evidence: {claim: {phase: Pending, volume: none}, ledger: none}
bound:
  base: pending
  settings: null
  change:
    /evidence/claim/phase: Bound
    /evidence/claim/volume: null
";

    /// The payload of the only case in a file, or what is wrong with it.
    fn asked(case: &str) -> Result<Value, String> {
        let suite = suite(&[("a.yaml", &format!("bases: bases.yaml\n---\n{case}")), ("bases.yaml", BASES)])?;
        let [case] = suite.cases() else { panic!("one case") };
        Ok(case.steps[0].payload.clone())
    }

    /// What is wrong with a file that has these bases.
    fn wrong(bases: &str) -> String {
        let case = "---\n{name: a, base: one, expect: {code: X}}\n";
        suite(&[("a.yaml", &format!("bases:\n{bases}{case}"))]).err().unwrap_or_default()
    }

    #[test]
    fn a_case_starts_from_its_base_which_may_start_from_another() {
        assert_eq!(
            asked("{name: a, base: bound, expect: {code: X}}"),
            Ok(json!({"request": {"metadata": {"name": "data", "uid": "a"}},
                "evidence": {"claim": {"phase": "Bound"}, "ledger": "none"}}))
        );
    }

    #[test]
    fn parts_of_a_case_replace_those_of_its_base_before_changes_are_made() {
        let case = "{name: a, base: pending, settings: {gate: none}, evidence: null,
            change: {/settings/label: backup, /request/metadata/uid: null}, expect: {code: X}}";
        let expected =
            json!({"request": {"metadata": {"name": "data"}}, "settings": {"gate": "none", "label": "backup"}});
        assert_eq!(asked(case), Ok(expected));
    }

    #[test]
    fn a_preset_in_a_base_is_expanded_for_the_claim_of_the_case() {
        let text = "bases: {one: {evidence: fresh}}\n---\n\
            {name: a, base: one, request: {metadata: {uid: b}}, expect: {code: X}}\n";
        let suite = suite(&[("a.yaml", text)]).unwrap();
        assert_eq!(suite.cases()[0].steps[0].payload["evidence"]["claim"]["uid"], "b");
    }

    #[test]
    fn a_story_starts_from_its_base() {
        let story = "name: a\nbase: bound\nchange: {/evidence/ledger: otherStore}\nstory:\n\
            - step: one\n  change: {/evidence/claim/terminating: true}\n  expect: {code: X}\n";
        let expected = json!({"claim": {"phase": "Bound", "terminating": true}, "ledger": "otherStore"});
        assert_eq!(asked(story).unwrap()["evidence"], expected);
    }

    #[test]
    fn a_file_of_bases_names_files_relative_to_its_own_directory_and_contains_no_case() {
        let files = [
            ("cases/a.yaml", "bases: ../shared/bases.yaml\n---\n{name: a, base: one, expect: {code: X}}"),
            ("shared/bases.yaml", "one: {request: claim.yaml, credentials: {stringData: {RESTIC_PASSWORD: a}}}"),
            ("shared/claim.yaml", "{kind: PersistentVolumeClaim}"),
        ];
        let suite = suite(&files).unwrap();
        let [case] = suite.cases() else { panic!("one case") };
        assert_eq!(case.steps[0].payload["request"]["kind"], "PersistentVolumeClaim");
        assert_eq!(case.files.len(), 2, "both are watched");
        assert!(case.borrows_credentials, "those of another file are not copied into this one");
    }

    #[test]
    fn an_unknown_base_is_an_error_with_a_hint() {
        let case = |base: &str| asked(&format!("{{name: a, base: {base}, expect: {{code: X}}}}")).unwrap_err();
        let place = "a.yaml:3: the case \"a\": base: ";
        assert_eq!(case("bond"), format!("{place}`bond` is not known; did you mean `bound`?\n"));
        assert_eq!(case("elsewhere"), format!("{place}`elsewhere` is not known; those that are: `bound`, `pending`\n"));
        let said = suite(&[("a.yaml", "{name: a, base: bound, expect: {code: X}}")]).err().unwrap();
        assert!(said.ends_with("`bound` is not known; write `bases` first, in a document of their own\n"), "{said}");
    }

    #[test]
    fn a_fault_in_a_base_is_reported_once_with_its_place() {
        for (bases, words) in [
            ("  two: {base: one}\n  one: {request: {}}\n", "a.yaml:2: the base \"two\": base: `one` is not known"),
            ("  one: {base: one}\n", "a.yaml:2: the base \"one\": base: `one` is not known"),
            (
                "  one: {settings: {}, change: {/settings/gate: null}}\n",
                "change: /settings/gate: there is nothing to remove",
            ),
            ("  one: {evidence: frsh}\n", "did you mean `fresh`?"),
            ("  one: {request: no.yaml}\n", "the base \"one\": request: no.yaml"),
            ("  one: {colour: red}\n", "unknown field"),
            ("  one: {expect: {code: X}}\n", "unknown field"),
            ("  one: {request: {}}\n  one: {request: {}}\n", "duplicate"),
            ("  no.yaml\n", "a.yaml: bases: no.yaml"),
            ("  [one]\n", "expected bases by their names, or the name of a file of them"),
            ("  one: {request: {}}\nname: b\n", "a.yaml:1: `bases` stand in a document of their own"),
            ("  one: {request: {}}\n---\nbases: {}\n", "a.yaml:4: `bases` stand in the first document of a file"),
        ] {
            let said = wrong(bases);
            assert!(said.contains(words) && said.lines().count() == 1, "{bases}: {said}");
        }
        assert_eq!(wrong("  one: {request: {}}\n"), "");
        assert_eq!(suite(&[("a.yaml", "bases: {}")]).err().unwrap(), "a.yaml: no case in it\n");
        assert_eq!(suite(&[("a.yaml", "\nexpect: {code: X}")]).err().unwrap(), "a.yaml:2: a case without a `name`\n");
    }

    #[test]
    fn an_error_of_a_base_quotes_no_value() {
        const CANARY: &str = "canary-of-the-credentials";
        for bases in ["  one: CANARY\n", "  one: [CANARY]\n", "  one: {credentials: {P: CANARY, P: CANARY}}\n"] {
            let said = wrong(&bases.replace("CANARY", CANARY));
            assert!(said.contains("a.yaml") && !said.contains(CANARY), "{bases}: {said}");
        }
    }

    #[test]
    fn an_update_writes_expectations_and_leaves_bases_unchanged() {
        let folder = tempfile::TempDir::new().unwrap();
        let text = "\
# What they share.
bases:
  claim:
    request:
      kind: PersistentVolumeClaim
      metadata: {name: data, namespace: shop, labels: {backup: hourly}}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
name: a
base: claim   # as it is
expect: {code: X}
---
name: b
base: claim
change: {/request/metadata/labels: null}
expect: {code: Y}
";
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, text).unwrap();
        let suite = Suite::read(&[&file]).ok().unwrap();
        let said = suite.run(&[&Native]).update();
        assert!(said.iter().all(Result::is_ok), "{said:?}");
        let expected = text.replace("code: X", "code: NoEvidence").replace("code: Y", "code: NotSelected");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
    }
}
