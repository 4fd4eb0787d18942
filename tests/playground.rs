//! The playground, in a real Chromium: `playground.mjs` drives it, and compares with what the native engine says here.

use std::process::Command;

use serde_json::{Value, json};
use volsync_policy_engine::{Engine, Native};
use volsync_policy_tests::{Question, questions, root};

/// What every case asks, and what the native engine answers.
fn answers() -> Value {
    let answered = questions().into_iter().map(|Question { label, name, operation, payload }| {
        let (operation, payload) = (operation.as_str(), payload.to_string());
        let answer = match Native.call(operation, payload.as_bytes()) {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(error) => error.to_string(),
        };
        json!({"label": label, "name": name, "operation": operation, "payload": payload, "answer": answer})
    });
    answered.collect()
}

#[test]
fn the_page_does_in_chromium_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answers.json");
    std::fs::write(&file, answers().to_string()).unwrap();
    let output = Command::new("node")
        .args(["--test", "--test-reporter=spec", "tests/playground.mjs"])
        .env("ANSWERS", &file)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
