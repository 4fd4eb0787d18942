//! A dump of a cluster and its store, and what the command does with it.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails its test")]

mod common;

use std::fs;
use std::io::Cursor;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use volsync_policy_cases::{Documents, Dump, take_out};

use common::{CANARY, claim, err, out, root, run, run_on};

/// A part of the dumps, from `harness/cli/tests/dump`.
fn part(name: &str) -> String {
    fs::read_to_string(root().join("harness/cli/tests/dump").join(name)).unwrap()
}

fn dump_of(parts: &[&str]) -> String {
    parts.iter().map(|name| part(name)).collect::<Vec<_>>().join("---\n")
}

const GIVEN: [&str; 6] =
    ["--credentials", "examples/credentials.yaml", "--settings", "harness/cli/tests/dump/settings.yaml", "--seen", "-"];

fn on(command: &str, more: &[&str], dump: &str) -> Output {
    let output = run_on(&[&[command], &GIVEN[..], more].concat(), dump);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    output
}

/// The code for each claim.
fn codes(explained: &str) -> Vec<(&str, &str)> {
    explained.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_once(": ")).collect()
}

fn redacted(parts: &[&str]) -> String {
    let output = run_on(&["redact"], &dump_of(parts));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    out(&output)
}

const TOLD: [(&str, &str); 4] = [
    ("shop/fresh", "FreshVolume"),
    ("shop/held", "UnrestoredVolume"),
    ("shop/released", "Released"),
    ("shop/restored", "Restored"),
];

#[test]
fn the_labelled_claims_of_a_dump_are_explained() {
    let output = on("explain", &[], &dump_of(&["cluster.json", "listed-twice.yaml", "objects.yaml"]));
    let text = out(&output);
    assert_eq!(codes(&text), TOLD, "{text}");
    assert!(!text.contains("unread") && !text.contains("assumed"), "{text}");
    assert_eq!(err(&output), "note: 1 claims are not selected: they lack the label, or their namespace is excluded\n");
}

/// A look at the claim that was released, as `volsync-policy look` prints it.
fn look() -> String {
    let mut dump = Dump::default();
    let text = dump_of(&["cluster.json", "listed-twice.yaml", "objects.yaml"]);
    let documents = Documents::new("dump".to_owned(), Box::new(Cursor::new(text)));
    documents.for_each(|document| dump.add(document.unwrap().value).unwrap());
    let read = |file: &str| -> Value {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let mut documents = Documents::new(file.to_owned(), Box::new(Cursor::new(text)));
        documents.next().unwrap().unwrap().value
    };
    let shared = json!({"settings": read("harness/cli/tests/dump/settings.yaml"),
        "credentials": read("examples/credentials.yaml")});
    let claim = dump.claims().find(|claim| claim.pointer("/metadata/name") == Some(&json!("released"))).unwrap();
    let (inspection, _) = dump.inspection(claim, shared.as_object().unwrap(), false);
    Value::Object(take_out(inspection, &[])).to_string()
}

#[test]
fn a_look_is_explained_by_itself_and_nothing_of_it_can_be_applied() {
    let explained = run_on(&["explain", "--seen", "-"], &look());
    assert_eq!(codes(&out(&explained)), [("shop/released", "Released")], "{}", err(&explained));
    assert_eq!((explained.status.code(), err(&explained)), (Some(0), String::new()));
    // What is in it counts, whatever else is in the dump.
    let all = format!("{}\n---\n{}", look(), dump_of(&["cluster.json"]));
    let text = out(&on("explain", &[], &all));
    assert!(text.contains("shop/released: Released") && text.matches("shop/released: ").count() == 1, "{text}");
    assert!(err(&on("explain", &[], &all)).contains("--settings and --credentials do not count"));
    let generated = run_on(&["generate", "--seen", "-"], &look());
    assert_eq!((generated.status.code(), out(&generated)), (Some(2), String::new()));
    assert!(err(&generated).contains("shop/released: in place of its credentials there are stand-ins"));
}

#[test]
fn the_output_of_the_aws_command_line_suffices_unless_a_repository_is_absent() {
    let text = out(&on("explain", &[], &dump_of(&["cluster.json", "aws.json", "objects.yaml"])));
    let mut told = TOLD;
    told[0].1 = "RepositoryUnread";
    assert_eq!(codes(&text), told, "{text}");
    assert!(text.contains("  unread   the store shows no repository, which has to be seen twice; "), "{text}");
    assert_eq!(text.matches("  assumed  the listing has no date, and is taken to be as old as ").count(), 4, "{text}");
}

#[test]
fn without_a_listing_the_store_is_unknown_and_a_release_stays() {
    let text = out(&on("explain", &[], &part("cluster.json")));
    let told = [
        ("shop/fresh", "LedgerUnread"),
        ("shop/held", "LedgerUnread"),
        ("shop/released", "Released"),
        ("shop/restored", "LedgerUnread"),
    ];
    assert_eq!(codes(&text), told, "{text}");
    let unread = "  unread   no listing of the store is in the dump; add what `aws s3api list-objects-v2 ";
    assert_eq!(text.matches(unread).count(), 4, "{text}");
}

#[test]
fn a_kind_that_is_missing_is_unread_and_named_with_the_command_that_adds_it() {
    let mut cluster: Value = serde_json::from_str(&part("cluster.json")).unwrap();
    let items = cluster["items"].as_array_mut().unwrap();
    items.retain(|item| !["ReplicationDestination", "Secret"].contains(&item["kind"].as_str().unwrap()));
    let store = dump_of(&["listed-twice.yaml", "objects.yaml"]);
    let text = out(&on("explain", &[], &format!("{cluster}\n{store}")));
    assert!(codes(&text).iter().all(|(_, code)| *code == "ObjectsUnread"), "{text}");
    for command in [
        "kubectl get --raw /apis/volsync.backube/v1alpha1/replicationdestinations`",
        "kubectl get --raw /api/v1/secrets | volsync-policy redact`",
    ] {
        assert_eq!(text.matches(command).count(), 4, "{text}");
    }
    let none = |version: &str, kind: &str| json!({"apiVersion": version, "kind": kind, "items": []});
    let destinations = none("volsync.backube/v1alpha1", "ReplicationDestinationList");
    let added = format!("{destinations}\n{}\n", none("v1", "SecretList"));
    let text = out(&on("explain", &[], &format!("{cluster}\n{added}{store}")));
    assert_eq!(codes(&text)[0], TOLD[0], "{text}");
}

#[test]
fn a_redacted_dump_contains_no_value_and_the_answer_says_what_is_unknown() {
    let parts = ["cluster.json", "listed-twice.yaml", "objects.yaml"];
    let redacted = redacted(&parts);
    let cluster: Value = serde_json::from_str(&part("cluster.json")).unwrap();
    let values = cluster["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "Secret");
    for value in values.flat_map(|secret| secret["data"].as_object().unwrap().values()) {
        assert!(!redacted.contains(value.as_str().unwrap()), "{redacted}");
    }
    assert!(!redacted.contains("made-up") && redacted.contains("\"RESTIC_PASSWORD\": null"), "{redacted}");
    let text = out(&on("explain", &[], &redacted));
    let mut told = TOLD;
    told[2].1 = "ObjectsUnread";
    told[3].1 = "ObjectsUnread";
    assert_eq!(codes(&text), told, "a claim without a Secret needs no value of one: {text}");
    for name in ["released", "restored"] {
        let unread = format!(
            "  unread   the values of the Secret {name}-volsync-secret are not in the dump, so nobody knows which \
             repository it names; --assume-secrets takes them for those that --credentials would make\n"
        );
        assert!(text.contains(&unread), "{text}");
    }
    let text = out(&on("explain", &["--assume-secrets"], &redacted));
    assert_eq!(codes(&text), TOLD, "{text}");
    let assumed =
        "  assumed  the values of the Secret restored-volsync-secret are not in the dump; they are taken for ";
    assert!(text.contains(assumed) && !text.contains("unread"), "{text}");
}

#[test]
fn redaction_changes_nothing_but_secrets() {
    let told: Value = serde_json::from_str(&redacted(&["cluster.json"])).unwrap();
    let mut expected: Value = serde_json::from_str(&part("cluster.json")).unwrap();
    for secret in expected["items"].as_array_mut().unwrap().iter_mut().filter(|item| item["kind"] == "Secret") {
        let metadata = secret["metadata"].as_object_mut().unwrap();
        metadata.remove("managedFields");
        let annotations = metadata["annotations"].as_object_mut().unwrap();
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        secret["data"].as_object_mut().unwrap().values_mut().for_each(|value| *value = Value::Null);
    }
    assert_eq!(told, expected);
    let broken = run_on(&["redact"], &format!("kind: Secret\ndata: {{a: {CANARY}\n"));
    assert_eq!((broken.status.code(), out(&broken).as_str()), (Some(2), ""));
    assert!(!err(&broken).contains(CANARY), "{}", err(&broken));
}

#[test]
fn claims_from_a_file_are_looked_up_in_the_dump() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("claim.yaml");
    fs::write(&file, claim("held").to_string()).unwrap();
    let dump = dump_of(&["cluster.json", "listed-twice.yaml", "objects.yaml"]);
    let text = out(&on("explain", &["-f", file.to_str().unwrap()], &dump));
    assert_eq!(codes(&text), [TOLD[1]], "{text}");
    assert!(!text.contains("stays Pending until"), "it is Bound: {text}");
    let none = run_on(&[&["explain"], &GIVEN[..], &["-n", "other"]].concat(), &dump);
    assert_eq!(none.status.code(), Some(2));
    assert!(err(&none).contains("no claim in the input"), "{}", err(&none));
}

#[test]
fn generate_accepts_a_dump_and_a_plan_contains_its_evidence_once() {
    let dump = dump_of(&["cluster.json", "aws.json", "objects.yaml"]);
    let output = on("generate", &["-o", "plan"], &dump);
    let plans: Vec<Value> = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(plans.len(), 4);
    assert_eq!(plans[3]["evidence"]["secret"]["ours"], json!({"repository": "same", "password": "same"}));
    assert!(plans[3]["writes"].is_array() && plans[3]["again"].is_object());
    assert_eq!(out(&output).matches("\"evidence\":").count(), 4);
    assert!(err(&output).contains("shop/fresh: unread: the store shows no repository"), "{}", err(&output));
}

#[test]
fn an_invalid_dump_is_refused_with_its_place() {
    let refused = |arguments: &[&str], input: &str| {
        let output = run_on(arguments, input);
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{}", err(&output));
        err(&output)
    };
    let said = refused(&[&["explain"], &GIVEN[..]].concat(), "kind: List\nitems: []\n---\na: hunter2\n");
    assert!(said.contains("standard input:4: is neither an object of Kubernetes, a List"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let said = refused(&[&["explain"], &GIVEN[..], &["--evidence", "fresh"]].concat(), "");
    assert!(said.contains("--evidence") && said.contains("cannot be used with"), "{said}");
    let said = refused(&["explain", "-f", "examples/claim.yaml", "--assume-secrets"], "");
    assert!(said.contains("--seen"), "{said}");
    assert!(err(&run(&["explain"])).contains("--filename"));
}

#[test]
fn a_policy_test_accepts_a_dump_or_raw_answers() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("dump.yaml", &dump_of(&["cluster.json", "listed-twice.yaml", "objects.yaml"]));
    let cluster: Value = serde_json::from_str(&part("cluster.json")).unwrap();
    let restored = cluster["items"].as_array().unwrap().iter().find(|it| it["metadata"]["name"] == "restored").unwrap();
    write("claim.json", &restored.to_string());
    write("credentials.yaml", &fs::read_to_string(root().join("examples/credentials.yaml")).unwrap());
    write("settings.yaml", &part("settings.yaml"));
    write(
        "cases.yaml",
        "bases:\n  sent: {request: claim.json, credentials: credentials.yaml, settings: settings.yaml}\n\
         ---\n{name: of a file, base: sent, seen: dump.yaml, expect: {code: Restored}}\n\
         ---\nname: of documents\nbase: sent\nseen: [{kind: List, items: []}]\nexpect: {code: ObjectsUnread}\n\
         ---\nname: of answers\nbase: sent\nseen: {source: {absent: true}}\nexpect: {code: ObjectsUnread}\n\
         ---\nname: changed\nbase: sent\nseen: dump.yaml\n\
         change: {/seen/repository: {failed: unreachable}}\nexpect: {code: RepositoryUnread}\n",
    );
    let test = |more: &[&str]| run(&[&["test", folder.path().to_str().unwrap()], more].concat());
    let output = test(&[]);
    assert_eq!(out(&output), "passed: 4 cases in native\n", "{}", err(&output));
    write("dump.yaml", "a: hunter2\n");
    let output = test(&["--filter", "of a file"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("seen: document 1 of the dump: is neither an object of Kubernetes"),
        "{}",
        err(&output)
    );
    assert!(!err(&output).contains("hunter2"), "{}", err(&output));
}
