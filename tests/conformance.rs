//! The policies in the host that Kubewarden uses, and in a host in JavaScript: the answers follow Kubewarden's
//! protocol, and are those of the engines.
//!
//! `requests/` contains the requests of a real API server; its README.md says how they were recorded.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use volsync_policy::ReviewError;
use volsync_policy::guest::OPERATIONS;
use volsync_policy_cases::Operation;
use volsync_policy_engine::{CallError, Engine, Limits, Native, Wasm};
use volsync_policy_tests::kubewarden::{ADMISSION, AdmissionResponse, DEADLINE, RAW, SettingsResponse};
use volsync_policy_tests::{Question, cases, module, questions, root};

/// The request in `requests/<name>.json`, as an API server sent it.
fn recorded(name: &str) -> Value {
    let path = root().join(format!("tests/requests/{name}.json"));
    let mut review: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    review["request"].take()
}

/// The golden cases that call `plan`, each with its review and its settings.
fn reviews() -> impl Iterator<Item = (Question, Value, Value)> {
    questions().into_iter().filter(|question| question.operation == Operation::Plan).map(|question| {
        let (review, settings) = apart(question.payload.clone());
        (question, review, settings)
    })
}

/// The review that is sent to a raw policy, and the settings that it is configured with.
fn apart(mut review: Value) -> (Value, Value) {
    let settings = review.as_object_mut().and_then(|review| review.remove("settings"));
    (review, settings.unwrap_or_else(|| json!({})))
}

/// The raw policy, as an engine that plans.
struct Raw;

impl Engine for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError> {
        assert_eq!(operation, "plan");
        let (review, settings) = apart(serde_json::from_slice(payload).unwrap());
        Ok(RAW.review_raw(&review, &settings).applied_to(review).to_string().into_bytes())
    }
}

/// The answer in words, without its patch.
fn in_words(response: &AdmissionResponse) -> String {
    let AdmissionResponse { allowed: _, message, code, patch: _, audit_annotations, warnings } = response;
    format!("{message:?} {code:?} {audit_annotations:?} {warnings:?}")
}

#[test]
fn shared_parts_have_the_same_effect_as_in_each_review() {
    let wasm = Wasm::from_file(&module(), Limits::default()).unwrap();
    for (question, mut review, settings) in reviews() {
        let Some(parts) = review.as_object_mut() else { continue };
        let shared = json!({ "settings": settings, "credentials": parts.remove("credentials") });
        for engine in [&Native as &dyn Engine, &wasm] {
            let each = engine.call("plan", question.payload.to_string().as_bytes());
            match engine.under(&shared) {
                Ok(plan) => assert_eq!(plan(review.to_string().as_bytes()), each, "{}", question.name),
                Err(problems) => {
                    let Err(CallError::Refused(refused)) = each else { panic!("{}", question.name) };
                    let refused: ReviewError = serde_json::from_str(&refused).unwrap();
                    assert_eq!(problems, refused.to_string());
                }
            }
        }
    }
}

#[test]
fn a_review_that_repeats_a_shared_part_or_is_invalid_is_refused_by_all_engines() {
    let wasm = Wasm::from_file(&module(), Limits::default()).unwrap();
    for shared in [json!({}), json!({ "settings": {}, "credentials": null })] {
        let [native, wasm] = [&Native as &dyn Engine, &wasm].map(|engine| engine.under(&shared).unwrap());
        for review in ["{}", "[]", "{", "{}\n", r#"{"request":{},"settings":{}}"#, r#"{"credentials":null}"#] {
            let refused = native(review.as_bytes());
            assert!(matches!(refused, Err(CallError::Refused(_))), "{review}");
            assert_eq!(wasm(review.as_bytes()), refused, "{review}");
        }
    }
}

#[test]
fn every_recorded_request_is_answered() {
    let patched = |destination: &str| {
        json!([{
            "op": "add",
            "path": "/spec/dataSourceRef",
            "value": {"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": destination},
        }])
    };
    let unpatched = Value::Null;
    let expected = [
        ("apply-create", "NoEvidence", patched("applied-restore")),
        ("apply-update", "NoEvidence", unpatched.clone()),
        ("create", "NoEvidence", patched("labelled-restore")),
        ("create-by-stateful-set", "NoEvidence", patched("data-web-0-restore")),
        // A dry run is answered like the real request.
        ("create-dry-run", "NoEvidence", patched("rehearsed-restore")),
        // By now the claim has a uid.
        ("create-validating", "NoEvidence", unpatched.clone()),
        ("create-with-data-source", "NoEvidence", unpatched.clone()),
        ("create-with-data-source-ref", "NoEvidence", unpatched.clone()),
        // The API server generates the name after all mutating webhooks, and a patch cannot set it.
        ("create-with-generated-name", "NameUnknown", unpatched.clone()),
        ("create-with-unknown-schedule", "LabelInvalid", unpatched.clone()),
        ("create-with-volume-name", "NoEvidence", unpatched.clone()),
        ("create-without-label", "NotSelected", unpatched.clone()),
        ("delete", "ClaimTerminating", unpatched.clone()),
        ("update-adds-label", "NoEvidence", unpatched.clone()),
        ("update-removes-finalizer", "ClaimTerminating", unpatched.clone()),
        ("update-removes-label", "NotSelected", unpatched.clone()),
        ("update-status", "NotSelected", unpatched.clone()),
        ("update-to-unknown-schedule", "LabelInvalid", unpatched),
    ];
    for (name, code, patch) in &expected {
        let response = ADMISSION.review(&recorded(name), &json!({}));
        let is_refused = *code == "LabelInvalid";
        assert_eq!(response.allowed, !is_refused, "{name}: {response:?}");
        assert_eq!(response.code, is_refused.then_some(422), "{name}");
        assert_eq!(response.message.is_some(), is_refused, "{name}");
        assert_eq!(response.audit_annotations, BTreeMap::from([("code".to_owned(), (*code).to_owned())]), "{name}");
        assert_eq!(serde_json::to_value(response.patch).unwrap(), *patch, "{name}");
    }
    let files = fs::read_dir(root().join("tests/requests")).unwrap().map(|entry| entry.unwrap().path());
    let recorded = files.filter(|path| path.extension().is_some_and(|extension| extension == "json")).count();
    assert_eq!(expected.len(), recorded, "every recording is expected to be answered");
}

#[test]
fn a_rejection_contains_the_code_and_the_place() {
    let response = ADMISSION.review(&recorded("create-with-unknown-schedule"), &json!({}));
    let message = "LabelInvalid: metadata.labels.backup: the value names no schedule; write `hourly`";
    assert_eq!(response.message.as_deref(), Some(message));
    // Text that the administrator wrote appears, too.
    let settings = json!({"schedules": {"hurly": "0 * * * *"}});
    assert!(ADMISSION.review(&recorded("create-with-unknown-schedule"), &settings).allowed);
}

#[test]
fn a_warning_begins_with_its_code_and_does_not_contain_the_value() {
    let mut request = recorded("create");
    request["object"]["metadata"]["annotations"] = json!({"volsync-policy.io/restor": "hunter2"});
    let response = ADMISSION.review(&request, &json!({}));
    let warning = "AnnotationUnknown: unknown annotation `volsync-policy.io/restor`; did you mean \
         `volsync-policy.io/restore`?";
    assert_eq!(response.warnings, [warning]);
    assert!(response.allowed);
}

#[test]
fn invalid_settings_are_refused_with_every_problem() {
    let valid = SettingsResponse { valid: true, message: None };
    assert_eq!(ADMISSION.validate_settings(&json!({})), valid);
    let unreadable = json!({"gate": "hunter2", "backup": {"copyMethod": 7, "retian": {}}});
    let unsafe_ = json!({"label": "", "schedules": {"hourly": "hunter2"}, "repositoryPath": "shared"});
    for (settings, paths) in [
        (unreadable, ["settings.backup.copyMethod", "settings.backup.retian", "settings.gate"]),
        (unsafe_, ["settings.label", "settings.repositoryPath", "settings.schedules.hourly"]),
    ] {
        let SettingsResponse { valid, message } = ADMISSION.validate_settings(&settings);
        let message = message.unwrap();
        assert!(!valid);
        let mut found: Vec<&str> = message.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        found.sort_unstable();
        assert_eq!(found, paths, "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn garbage_is_rejected_and_never_traps() {
    let deep = [b"{\"request\":".as_slice(), &b"[".repeat(100_000)].concat();
    let payloads: [&[u8]; 9] = [
        b"",
        b"\xff\xfe",
        b"\0",
        b"{",
        b"null",
        b"7",
        b"{\"request\":\"hunter2\"}",
        b"{\"request\":{\"request\":[]}}",
        &deep,
    ];
    for payload in payloads {
        let name = String::from_utf8_lossy(payload.get(..40).unwrap_or(payload));
        let answer: Value = serde_json::from_slice(&ADMISSION.call("validate", payload).unwrap()).unwrap();
        assert_eq!((&answer["accepted"], &answer["code"]), (&json!(false), &json!(400)), "{name}");
        assert!(!answer["message"].as_str().unwrap().contains("hunter2"), "{name}");
        // Null means that all settings are left out.
        let answer: Value = serde_json::from_slice(&ADMISSION.call("validate_settings", payload).unwrap()).unwrap();
        assert_eq!(answer["valid"], json!(payload == b"null"), "{name}");
    }
}

#[test]
fn an_instance_keeps_nothing_from_earlier_requests() {
    let payload = |name: &str| json!({"request": recorded(name), "settings": {}}).to_string().into_bytes();
    let payloads = ["create", "create-with-unknown-schedule", "delete", "create"].map(payload);
    let instance = ADMISSION.instance(DEADLINE);
    for payload in payloads {
        assert_eq!(instance.call("validate", &payload).unwrap(), ADMISSION.call("validate", &payload).unwrap());
    }
}

#[test]
fn a_call_that_takes_too_long_is_interrupted_and_the_next_one_answered() {
    let payload = json!({"request": recorded("create"), "settings": {}}).to_string();
    let error = ADMISSION.instance(0).call("validate", payload.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("guest code interrupted, execution deadline exceeded"), "{error}");
    assert!(ADMISSION.call("validate", payload.as_bytes()).is_ok());
}

#[test]
fn the_seeds_claim_as_a_raw_review_gives_the_three_manifests() {
    let name = "the seed profile renders the manifests of the seed";
    let suite = cases();
    let case = suite.cases().iter().find(|case| case.name == name).unwrap();
    let plan: Value =
        serde_json::from_slice(&Raw.call("plan", case.steps[0].payload.to_string().as_bytes()).unwrap()).unwrap();
    for manifest in ["secret", "destination", "source"] {
        assert!(plan["manifests"][manifest]["object"].is_object(), "{manifest}");
    }
    // Field by field, as in the golden case.
    let faults: Vec<String> = case.run(&[&Raw]).faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults, [""; 0]);
}

#[test]
fn the_readmes_raw_request_has_a_plan() {
    let readme = fs::read_to_string(root().join("wasm/policy/README.md")).unwrap();
    let (_, example) = readme.split_once("```json\n").unwrap();
    let mut body: Value = serde_json::from_str(example.split_once("```").unwrap().0).unwrap();
    // The payload that a policy server gets.
    assert_eq!(body.as_object().unwrap().len(), 1);
    let review = body["request"].take();
    let plan = RAW.review_raw(&review, &json!({})).applied_to(review);
    assert_eq!(plan["manifests"]["source"]["object"]["spec"]["sourcePVC"], "data");
}

#[test]
fn a_raw_policy_returns_the_plan_of_the_engines_or_the_reason_why_there_is_none() {
    let (mut planned, mut refused, mut unread) = (0, 0, 0);
    for (Question { name, payload, .. }, review, settings) in reviews() {
        let response = RAW.review_raw(&review, &settings);
        let plan: Result<Value, CallError> =
            Native.call("plan", payload.to_string().as_bytes()).map(|plan| serde_json::from_slice(&plan).unwrap());
        match plan {
            Ok(plan) if plan["refusal"].is_null() => {
                assert_eq!(response.applied_to(review), plan, "{name}");
                assert!(response.allowed, "{name}");
                planned += 1;
            }
            Ok(_) => {
                let code = &response.audit_annotations["code"];
                assert!(response.message.unwrap().starts_with(&format!("{code}: ")), "{name}");
                assert_eq!((response.allowed, response.code), (false, Some(422)), "{name}");
                assert_eq!(response.patch, None, "{name}");
                refused += 1;
            }
            // A claim, a request or a text is not a review, and is answered as at admission.
            Err(_) if review.get("request").is_none() => assert!(!response.allowed, "{name}"),
            Err(_) => {
                assert_eq!((response.allowed, response.code), (false, Some(400)), "{name}");
                unread += 1;
            }
        }
    }
    assert!(planned > 200 && refused > 20 && unread > 5, "{planned} planned, {refused} refused, {unread} unread");
}

#[test]
fn no_credential_is_in_a_message() {
    let mut checked = 0;
    for (Question { name, .. }, review, settings) in reviews() {
        let words = in_words(&RAW.review_raw(&review, &settings));
        let fields = ["data", "stringData"].map(|field| review["credentials"][field].as_object().cloned());
        let values = fields.into_iter().flatten().flatten();
        for value in values.filter_map(|(_, value)| value.as_str().map(str::to_owned)).filter(|text| text.len() > 4) {
            assert!(!words.contains(&value), "{name}: {words}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn a_raw_policy_accepts_every_recorded_review() {
    for entry in fs::read_dir(root().join("tests/requests")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let review: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let payload = json!({ "request": review });
        let plan: Value =
            serde_json::from_slice(&Native.call("plan", payload.to_string().as_bytes()).unwrap()).unwrap();
        let response = RAW.review_raw(&review, &json!({}));
        assert_eq!(response.allowed, plan["refusal"].is_null(), "{}", path.display());
        if response.patch.is_some() {
            assert_eq!(response.applied_to(review), plan, "{}", path.display());
        }
    }
}

#[test]
fn a_host_in_javascript_gets_the_same_bytes() {
    let mut calls: Vec<(&str, String)> =
        questions().iter().map(|asked| (asked.operation.as_str(), asked.payload.to_string())).collect();
    calls.extend(OPERATIONS.map(|(operation, _)| (operation, "[".to_owned())));
    calls.push(("unknown", String::new()));
    let lines: String = calls
        .iter()
        .map(|(operation, payload)| json!({"operation": operation, "payload": payload}).to_string() + "\n")
        .collect();
    let mut node = Command::new("node")
        .arg(root().join("tests/host.mjs"))
        .arg(module())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node, which npm runs on");
    let mut stdin = node.stdin.take().unwrap();
    std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> = (output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()))
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(answers.len(), calls.len());
    for ((operation, payload), answer) in calls.iter().zip(answers) {
        let expected = match Native.call(operation, payload.as_bytes()) {
            Ok(bytes) => json!({ "answer": String::from_utf8(bytes).unwrap() }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        assert_eq!(answer, expected, "{operation}: {payload:.200}");
    }
}
