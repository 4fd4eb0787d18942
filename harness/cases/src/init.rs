//! Writes a first suite for a user's own settings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use volsync_policy_engine::{Engine, Native};

use crate::compare::to_yaml;
use crate::read;
use crate::run::{FaultKind, Outcome};
use crate::suite::Suite;

const CLAIM: &str = include_str!("../init/claim.yaml");
const CREDENTIALS: &str = include_str!("../init/credentials.yaml");
const CASES: &str = include_str!("../init/cases.yaml");

/// Writes a suite into `folder`, which is created or must be empty: a claim, invented credentials, and cases that
/// expect what the policy does with both under `settings`, or under the defaults. Returns the files.
///
/// # Errors
///
/// The settings cannot be read or are invalid; the directory is not empty, or cannot be written to.
pub fn init(folder: &Path, settings: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    let label = label(settings)?;
    let place = || folder.display().to_string();
    if folder.exists() && folder.read_dir().with_context(place)?.next().is_some() {
        bail!("{}: is not empty; name a folder that is not there yet", place());
    }
    fs::create_dir_all(folder).with_context(place)?;
    let settings = settings.map(|settings| relative(settings, folder)).transpose()?;
    let (claim, credentials, cases) =
        (folder.join("claim.yaml"), folder.join("credentials.yaml"), folder.join("cases.yaml"));
    let write = |file: &Path, text: &str| fs::write(file, text).with_context(|| file.display().to_string());
    write(&claim, &CLAIM.replace("LABEL", &scalar(&label)))?;
    write(&credentials, CREDENTIALS)?;
    let line = settings.map(|settings| format!("settings: {}\n", scalar(&settings.display().to_string())));
    let all = CASES.replace("settings: SETTINGS\n", &line.unwrap_or_default());
    write(&cases, &all)?;
    let refused = refused(&cases)?;
    let is_planned = |case: &&str| !refused.iter().any(|name| case.contains(&format!("name: {name}\n")));
    write(&cases, &all.split("---\n").filter(is_planned).collect::<Vec<_>>().join("---\n"))?;
    for updated in read(&cases)?.run(&[&Native]).update() {
        updated?;
    }
    Ok(vec![claim, credentials, cases])
}

/// The label by which settings select claims. Invalid settings are refused.
fn label(settings: Option<&Path>) -> anyhow::Result<String> {
    let Some(file) = settings else { return default_label() };
    let settings = read::document(file)?;
    Native.check_settings(&settings).map_err(|message| anyhow!("{}: {message}", file.display()))?;
    match settings.get("label").and_then(Value::as_str) {
        Some(label) => Ok(label.to_owned()),
        None => default_label(),
    }
}

fn default_label() -> anyhow::Result<String> {
    let (_, schema) =
        volsync_policy::schema::all().into_iter().find(|(of, _)| *of == "settings").context("no schema")?;
    let label = schema.pointer("/properties/label/default").and_then(Value::as_str);
    Ok(label.context("the label has no default")?.to_owned())
}

/// The path of a file relative to a directory.
fn relative(file: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let real = |path: &Path| path.canonicalize().with_context(|| path.display().to_string());
    pathdiff::diff_paths(real(file)?, real(folder)?)
        .with_context(|| format!("{}: there is no way to it", file.display()))
}

/// Text as a YAML scalar.
fn scalar(text: &str) -> String {
    to_yaml(&Value::from(text)).trim_end().to_owned()
}

fn read(file: &Path) -> anyhow::Result<Suite> {
    Suite::read(&[file]).map_err(|faults| faults.into_iter().next().unwrap_or_else(|| anyhow!("no case")))
}

/// The cases that the policy refuses to plan: with the gate off, those with evidence.
fn refused(file: &Path) -> anyhow::Result<BTreeSet<String>> {
    let suite = read(file)?;
    let is_refused = |outcome: &Outcome| outcome.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Refused(_)));
    let report = suite.run(&[&Native]);
    Ok(report.failed().filter(|(_, outcome)| is_refused(outcome)).map(|(case, _)| case.name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// The result of each step in a suite for these settings: the code, and what is done with the restore and the
    /// backup.
    fn told(settings: Option<&str>) -> Vec<String> {
        let root = TempDir::new().unwrap();
        let file = root.path().join("my settings.yaml");
        let settings = settings.map(|text| {
            fs::write(&file, text).unwrap();
            file.as_path()
        });
        let folder = root.path().join("deep/tests");
        init(&folder, settings).unwrap();
        let suite = Suite::read(&[folder]).ok().unwrap();
        assert!(suite.cases().iter().all(|case| case.files.len() == if settings.is_some() { 3 } else { 2 }));
        assert_eq!(suite.run(&[&Native]).failed().count(), 0);
        let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or("-").to_owned();
        let steps = suite.cases().iter().flat_map(|case| &case.steps);
        steps.map(|step| [&step.expect.code, &step.expect.restore, &step.expect.backup].map(text).join(" ")).collect()
    }

    #[test]
    fn the_suite_covers_the_promise_and_passes() {
        let expected = [
            "NoEvidence - -",
            "RestoreFromBackup apply withhold",
            "Restoring keep withhold",
            "Restored consume release",
            "Released - release",
            "Released - release",
            "UnrestoredVolume - withhold",
            "LedgerUnread keep withhold",
            "FreshVolume apply withhold",
        ];
        assert_eq!(told(None), expected);
        assert_eq!(told(Some("label: backup.example/schedule")), expected, "the claim has the label of the settings");
    }

    #[test]
    fn without_a_gate_the_suite_has_no_evidence() {
        assert_eq!(told(Some("gate: none")), ["Ungated - -"]);
    }

    #[test]
    fn invalid_settings_and_directories_that_are_not_empty_are_refused() {
        let root = TempDir::new().unwrap();
        let (settings, folder) = (root.path().join("settings.yaml"), root.path().join("tests"));
        fs::write(&settings, "lable: backup").unwrap();
        let error = format!("{:#}", init(&folder, Some(&settings)).unwrap_err());
        assert!(error.contains("settings.lable: unknown key; did you mean `label`?"), "{error}");
        assert!(!folder.exists(), "nothing is written");
        let error = format!("{:#}", init(root.path(), None).unwrap_err());
        assert!(error.contains("is not empty; name a folder that is not there yet"), "{error}");
        assert_eq!(root.path().read_dir().unwrap().count(), 1);
    }
}
