//! Upgrades: the present policy takes over what earlier versions left in clusters and stores, and an older one that
//! finds what a newer one wrote waits.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use volsync_policy_engine::{Engine, Native};
use volsync_policy_tests::{interpreter, root};

/// The states of a claim that are kept of each version, with the code that the claim has in it.
const STATES: [(&str, &str); 3] = [("released", "Released"), ("restored", "Released"), ("held", "DataExpected")];

/// The folder of each version.
fn versions() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/stored")).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty());
    folders
}

/// What a host of a version read for a claim in one of the [`STATES`].
fn look(version: &Path, state: &str) -> Value {
    serde_json::from_slice(&fs::read(version.join(state).with_extension("json")).unwrap()).unwrap()
}

/// The present plan, which is the same in the module.
fn plan(inspection: &Value) -> Value {
    let inspection = inspection.to_string();
    let plan = Native.call("plan", inspection.as_bytes()).unwrap();
    assert!(plan == interpreter().call("plan", inspection.as_bytes()).unwrap(), "the engines differ");
    serde_json::from_slice(&plan).unwrap()
}

#[test]
fn claims_of_every_earlier_version_are_taken_over_and_nothing_is_written_again() {
    for version in versions() {
        for (state, code) in STATES {
            let inspection = look(&version, state);
            let plan = plan(&inspection);
            assert_eq!((&plan["verdict"]["code"], &plan["writes"]), (&json!(code), &json!([])), "{version:?}: {state}");
            let reads = Native.call("reads", inspection.to_string().as_bytes()).unwrap();
            assert_eq!(reads, b"[]", "{version:?}: {state}: the present host reads more");
        }
    }
}

#[test]
fn settings_of_every_earlier_version_are_still_valid() {
    for version in versions() {
        let values: Value = serde_saphyr::from_str(&fs::read_to_string(version.join("values.yaml")).unwrap()).unwrap();
        let answer = Native.call("validate_settings", values["settings"].to_string().as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["valid"], true, "{version:?}: {answer}");
    }
}

/// The same with this change of every release record, or of this object of the store.
fn changed(inspection: &Value, what: &str, change: impl Fn(&str) -> String) -> Value {
    let mut inspection = inspection.clone();
    let record = "/metadata/annotations/volsync-policy.io~1released";
    let places = match what {
        "record" => {
            ["/request", "/seen/claim/object", "/seen/source/object"].map(|of| format!("{of}{record}")).to_vec()
        }
        object => vec![format!("/seen/{object}/bytes")],
    };
    for place in places {
        let there = inspection.pointer_mut(&place).unwrap_or_else(|| panic!("nothing at {place}"));
        let text = there.as_str().unwrap();
        *there = match what {
            "record" => json!(change(text)),
            _ => json!(STANDARD.encode(change(&String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()))),
        };
    }
    inspection
}

#[test]
fn what_a_newer_version_wrote_is_unread_and_a_running_backup_is_left_alone() {
    let newer = |text: &str| text.replace(r#""version":1"#, r#""version":2"#);
    for version in versions() {
        let released = look(&version, "released");
        for (what, code) in [("record", "ObjectsUnread"), ("marker", "Released"), ("entry", "Released")] {
            let inspection = changed(&released, what, newer);
            assert_ne!(inspection, released, "{what}");
            let plan = plan(&inspection);
            assert_eq!((&plan["verdict"]["code"], &plan["writes"]), (&json!(code), &json!([])), "{version:?}: {what}");
        }
        // A claim that waits goes on waiting.
        let held = look(&version, "held");
        for what in ["marker", "entry"] {
            let plan = plan(&changed(&held, what, newer));
            assert_eq!(plan["verdict"]["code"], "LedgerUnread", "{version:?}: {what}");
            assert_eq!(plan["verdict"]["backup"], "withhold", "{version:?}: {what}");
        }
    }
}

/// The ReplicationSource has a copy of the release record, which is made to be as this version writes it.
#[test]
fn a_key_that_a_newer_version_added_is_ignored() {
    let added = |text: &str| text.replacen(r#"{"version":1,"#, r#"{"version":1,"added":{"key":[1]},"#, 1);
    for version in versions() {
        let released = look(&version, "released");
        let source = json!("applySource");
        for (what, written) in [("record", vec![&source]), ("marker", vec![]), ("entry", vec![])] {
            let inspection = changed(&released, what, added);
            assert_ne!(inspection, released, "{what}");
            let plan = plan(&inspection);
            let steps: Vec<&Value> = plan["writes"].as_array().unwrap().iter().map(|write| &write["step"]).collect();
            assert_eq!((&plan["verdict"]["code"], steps), (&json!("Released"), written), "{version:?}: {what}");
        }
    }
}
