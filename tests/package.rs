//! The npm package: it is packed, installed into an empty project, and used there by a program that `tsc --strict`
//! compiled. Its modules answer like every other engine, run policy tests as the command does, and take a claim through
//! its life with a host in JavaScript.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use volsync_policy_cases::Case;
use volsync_policy_engine::{Engine, Native};
use volsync_policy_tests::{Question, questions, root};

/// An empty project with the package installed from `npm pack`.
fn project() -> TempDir {
    let project = tempfile::tempdir().unwrap();
    let npm = |arguments: &[&str], folder: &Path| {
        let output = Command::new("npm").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let package = root().join("target/wasm/browser");
    let folder = project.path().to_str().unwrap();
    let packed = npm(&["pack", "--silent", "--pack-destination", folder], &package);
    std::fs::write(project.path().join("package.json"), r#"{"private": true, "type": "module"}"#).unwrap();
    npm(&["install", "--offline", "--no-audit", "--no-fund", &format!("./{}", packed.trim())], project.path());
    project
}

/// Runs a program of the project.
fn node(project: &TempDir, program: &str, input: &str) -> String {
    let mut node = Command::new("node")
        .arg(program)
        .current_dir(project.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (node.stdin.take().unwrap(), input.to_owned());
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = node.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_in_typescript_plans_the_claim_of_the_seed() {
    let project = project();
    std::fs::copy(root().join("tests/package/consumer.ts"), project.path().join("consumer.ts")).unwrap();
    let types = root().join("wasm/node_modules/@types");
    let compiled = Command::new(root().join("wasm/node_modules/.bin/tsc"))
        .args(["--strict", "--target", "es2022", "--module", "nodenext", "--types", "node", "--typeRoots"])
        .arg(types)
        .arg("consumer.ts")
        .current_dir(project.path())
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));

    let read = |file: &str| -> Value {
        serde_saphyr::from_str(&std::fs::read_to_string(root().join("examples").join(file)).unwrap()).unwrap()
    };
    let review = json!({"request": read("claim.yaml"), "credentials": read("credentials.yaml")}).to_string();
    let printed: Value = serde_json::from_str(&node(&project, "consumer.js", &review)).unwrap();
    let expected: Value = serde_json::from_slice(&Native.call("plan", review.as_bytes()).unwrap()).unwrap();
    assert_eq!(printed["answer"], expected);
    assert_eq!(expected["manifests"]["source"]["object"]["kind"], "ReplicationSource");
    assert_eq!(printed["same"], true);
    assert_eq!(printed["valid"], json!([]));
    assert_eq!(printed["invalid"], json!([{"path": "settings.gate", "message": "expected `evidence` or `none`"}]));
    assert_eq!(printed["missing"], "request");
    let problem = json!({
        "path": "settings.bakup",
        "message": "unknown key",
        "hint": "did you mean `backup`?",
    });
    let message = "settings.bakup: unknown key; did you mean `backup`?";
    assert_eq!(
        printed["fault"],
        json!({"isError": true, "name": "Error", "message": message, "path": problem["path"], "hint": problem["hint"],
               "problems": [problem]})
    );
    assert_eq!(printed["schemas"], json!(["Evidence", "Plan", "Report", "Review", "Settings"]));
    let report = json!({"file": "case.yaml", "line": 1, "name": "without a label", "passed": true, "faults": []});
    assert_eq!(printed["report"], report);
    assert_eq!(printed["dump"], json!([true, "ObjectsUnread", "unread"]));
}

/// The answers of the module that is imported from `specifier` to calls of its operations.
fn answers(specifier: &str, calls: &[(&str, String)]) -> Vec<Value> {
    let project = project();
    let program = r#"
        import { readFileSync } from "node:fs";
        import { call } from "SPECIFIER";
        const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
        const answers = JSON.parse(readFileSync(0, "utf-8")).map(({ operation, payload }) => {
            try {
                return { answer: decoder.decode(call(operation, encoder.encode(payload))) };
            } catch (error) {
                return { error: error.message };
            }
        });
        console.log(JSON.stringify(answers));
    "#;
    std::fs::write(project.path().join("answer.mjs"), program.replace("SPECIFIER", specifier)).unwrap();
    let asked = calls.iter().map(|(operation, payload)| json!({"operation": operation, "payload": payload}));
    let asked = Value::from_iter(asked).to_string();
    serde_json::from_str(&node(&project, "answer.mjs", &asked)).unwrap()
}

#[test]
fn it_answers_every_case_with_the_bytes_of_the_other_engines() {
    let questions = questions();
    let calls = |serves_hosts: bool| {
        // The module for pages serves neither hosts nor API servers.
        let is_answered = |Question { operation, payload, .. }: &&Question| {
            serves_hosts || payload.get("seen").is_none() && operation.as_str() != "validate"
        };
        let questions = questions.iter().filter(is_answered);
        let calls = questions.map(|question| (question.operation.as_str(), question.payload.to_string()));
        calls.chain([("plan", "{".to_owned()), ("none", String::new())]).collect::<Vec<(&str, String)>>()
    };
    for (specifier, calls) in [("volsync-policy", calls(false)), ("volsync-policy/host", calls(true))] {
        let answers = answers(specifier, &calls);
        assert_eq!(answers.len(), calls.len());
        for ((operation, payload), answer) in calls.iter().zip(answers) {
            let expected = match Native.call(operation, payload.as_bytes()) {
                Ok(bytes) => json!({"answer": String::from_utf8(bytes).unwrap()}),
                Err(error) => json!({"error": error.to_string()}),
            };
            assert_eq!(answer, expected, "{specifier}: {operation}: {payload:.200}");
        }
    }
}

/// The policy tests of this repository, each as a text with its bases before it, and one that fails.
fn policy_tests() -> Vec<String> {
    let mut folders = vec![root().join("tests/cases")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut tests: Vec<String> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (bases, cases) = match text.strip_prefix("bases: ").and_then(|text| text.split_once("\n---\n")) {
            // A module in a browser reads no files.
            Some((name, cases)) => {
                let bases = std::fs::read_to_string(file.with_file_name(name)).unwrap();
                let lines: String = bases.lines().map(|line| format!("  {line}\n")).collect();
                (format!("bases:\n{lines}---\n"), cases)
            }
            None => (String::new(), text.as_str()),
        };
        tests.extend(cases.split("\n---\n").map(|case| bases.clone() + case));
    }
    tests.push("{name: what is not so, request: {kind: PersistentVolumeClaim}, expect: {code: Released}}".to_owned());
    tests
}

#[test]
fn it_runs_policy_tests_like_the_command() {
    let project = project();
    let program = r#"
        import { readFileSync } from "node:fs";
        import { runCase } from "volsync-policy";
        const results = [];
        for (const test of JSON.parse(readFileSync(0, "utf-8"))) {
            results.push(await runCase(test).catch((error) => error.message));
        }
        console.log(JSON.stringify(results));
    "#;
    std::fs::write(project.path().join("run.mjs"), program).unwrap();
    let tests = policy_tests();
    let results: Vec<Value> = serde_json::from_str(&node(&project, "run.mjs", &json!(tests).to_string())).unwrap();
    assert_eq!(results.len(), tests.len());
    for (test, result) in tests.iter().zip(&results) {
        let expected = match Case::parse(test, Path::new("case.yaml")) {
            Ok(case) => serde_json::from_str(&case.run(&[&Native]).to_json(&case)).unwrap(),
            Err(faults) => json!(faults.iter().map(|fault| format!("{fault:#}")).collect::<Vec<_>>().join("\n")),
        };
        assert_eq!(*result, expected, "{test:.200}");
    }
    let (last, ours) = results.split_last().unwrap();
    assert_eq!(last["faults"][0]["what"], "code");
    assert!(ours.iter().filter(|result| result["passed"] == true).count() > 300);
}

#[test]
fn a_host_in_javascript_takes_a_claim_to_its_first_backup_and_through_a_second_creation() {
    let project = project();
    for file in ["host.mjs", "life.mjs", "world.mjs"] {
        std::fs::copy(root().join("tests/package").join(file), project.path().join(file)).unwrap();
    }
    let printed: Value = serde_json::from_str(&node(&project, "life.mjs", "")).unwrap();
    let created = ["LedgerUnread", "FreshVolume", "Restoring", "Binding", "StartedFresh", "Released"];
    let created_again = ["RestoreFromBackup", "Restoring", "RestoreFailing", "Binding", "Restored", "Released"];
    assert_eq!(printed["codes"], json!([created, created_again].concat()));
    let every_verb = ["apply", "copy", "create", "delete", "patch", "patchStatus", "put", "remove"];
    assert_eq!(printed["verbs"], json!(every_verb));
}
