//! The playground in a real Chromium. `playground.mjs` drives it, and compares it with the answers of the native
//! engine.

use std::io::Cursor;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use volsync_policy_cases::{Documents, Dump, redact};
use volsync_policy_engine::{Engine, Native};
use volsync_policy_tests::{Question, questions, root};

/// Every case that a page answers, with the answer of the native engine. It answers no API server.
fn answers() -> Value {
    let asked = questions().into_iter().filter(|question| question.operation.as_str() != "validate");
    let answered = asked.map(|Question { label, name, operation, payload }| {
        let (operation, payload) = (operation.as_str(), payload.to_string());
        let answer = match Native.call(operation, payload.as_bytes()) {
            Ok(bytes) => String::from_utf8(bytes).unwrap(),
            Err(error) => error.to_string(),
        };
        json!({"label": label, "name": name, "operation": operation, "payload": payload, "answer": answer})
    });
    answered.collect()
}

/// Text that is in the dump and must not be in any answer.
const CANARY: &str = "canary-of-the-cluster";

/// A dump with values of Secrets, settings and credentials for it, and the output of `explain --seen` for it after
/// redaction: its claims as they are, and then with `--assume-secrets`.
fn dump() -> Value {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let parts = ["cluster.json", "listed-twice.yaml", "objects.yaml"];
    let parts = parts.map(|name| read(&format!("harness/cli/tests/dump/{name}")));
    let [password, canary] = ["made-up-password", CANARY].map(|value| STANDARD.encode(value));
    let text = parts.join("---\n").replace(&password, &canary);
    assert!(text.contains(&canary));
    let given = ["examples/credentials.yaml", "harness/cli/tests/dump/settings.yaml"].map(read);
    let [credentials, settings] = given.each_ref().map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    let shared = Map::from_iter([("credentials".to_owned(), credentials), ("settings".to_owned(), settings)]);

    let mut dump = Dump::default();
    for document in Documents::new("dump".to_owned(), Box::new(Cursor::new(text.clone()))) {
        let mut value = document.unwrap().value;
        redact(&mut value);
        dump.add(value).unwrap();
    }
    let explained = |assumes_secrets: bool| -> Value {
        let explained = dump.claims().map(|claim| {
            let (inspection, missing) = dump.inspection(claim, &shared, assumes_secrets);
            let plan = Native.call("plan", Value::Object(inspection).to_string().as_bytes()).unwrap();
            let missing: Value = missing.iter().map(|it| json!([it.topic(), it.to_string()])).collect();
            json!({"claim": claim, "plan": serde_json::from_slice::<Value>(&plan).unwrap(), "missing": missing})
        });
        explained.collect()
    };
    let explained = [false, true].map(explained);
    json!({"text": text, "given": given, "canaries": [CANARY, canary], "explained": explained})
}

#[test]
fn the_page_keeps_its_promises_in_chromium() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answers.json");
    std::fs::write(&file, json!({"cases": answers(), "dump": dump()}).to_string()).unwrap();
    let output = Command::new("node")
        .args(["--test", "--test-reporter=spec", "tests/playground.mjs"])
        .env("ANSWERS", &file)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
