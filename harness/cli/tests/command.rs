//! The command as a person or a script runs it.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails its test")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use common::{CANARY, claim, command, err, out, run, run_on};

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

const EXAMPLE: [&str; 5] = ["generate", "-f", "examples/claim.yaml", "--credentials", "examples/credentials.yaml"];

#[test]
fn the_example_gives_three_manifests_in_the_order_of_their_application() {
    let output = run(&EXAMPLE);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let manifests = documents(&out(&output));
    let names: Vec<(&str, &str)> = manifests
        .iter()
        .map(|manifest| (manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            ("Secret", "volsync-test-data-volsync-secret"),
            ("ReplicationDestination", "volsync-test-data-restore"),
            ("ReplicationSource", "volsync-test-data-backup"),
        ]
    );
    for manifest in &manifests[1..] {
        assert_eq!(manifest["spec"]["restic"]["repository"], "volsync-test-data-volsync-secret");
    }
    let source = &manifests[2]["spec"];
    assert_eq!(source["trigger"]["schedule"], "0 * * * *");
    assert_eq!(source["paused"], true);
    assert_eq!(source["restic"]["retain"], json!({"hourly": 24, "daily": 7}));
    assert_eq!(source["restic"]["pruneIntervalDays"], 10);
    assert_eq!(source["restic"]["cacheCapacity"], "2Gi");
}

#[test]
fn admission_is_exported_for_settings_without_templates() {
    let exported = documents(&out(&run(&["export", "admission", "--settings", "examples/settings.yaml"])));
    let kinds: Vec<&str> = exported.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| kind.ends_with("AdmissionPolicy")).count(), 3, "{kinds:?}");
    let settings = json!({
        "schedules": {"daily": "{{ request.name }}"}, "metadata": {"labels": {"a/b": "{{ request.uid }}"}},
        "restore": {"storageClassName": "{{ request.object.spec.storageClassName }}"},
    });
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("settings.json");
    std::fs::write(&file, settings.to_string()).unwrap();
    let refused = run(&["export", "admission", "--settings", file.to_str().unwrap()]);
    assert_eq!((refused.status.code(), out(&refused).as_str()), (Some(2), ""));
    for path in
        ["settings.schedules.daily: ", "settings.metadata.labels[\"a/b\"]: ", "settings.restore.storageClassName: "]
    {
        assert!(err(&refused).contains(&format!("{path}is a template")), "{}", err(&refused));
    }
}

#[test]
fn each_document_says_why_it_is_there_and_how_to_unpause_a_paused_one() {
    let text = out(&run(&EXAMPLE));
    let comments: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert!(text.split("---\n").skip(1).all(|document| document.starts_with("# ")), "{text}");
    assert!(comments.iter().any(|line| line.contains("NoEvidence")), "{comments:?}");
    assert!(comments.iter().any(|line| line.starts_with("# To un-pause: ")), "{comments:?}");
}

#[test]
fn yaml_and_json_match_the_plan_and_the_engines_match_each_other() {
    let with = |more: &[&str]| out(&run(&[&EXAMPLE[..], more].concat()));
    let lines = |text: String| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let json = lines(with(&["-o", "json"]));
    assert_eq!(documents(&with(&[])), json);
    let plan = &lines(with(&["-o", "plan"]))[0];
    for (index, which) in ["secret", "destination", "source"].iter().enumerate() {
        assert_eq!(plan["manifests"][which]["object"], json[index]);
    }
    assert_eq!(with(&["-o", "plan", "--engine", "wasm"]), with(&["-o", "plan"]));
}

#[test]
fn ungated_backups_run_with_a_warning() {
    let output = run(&[&EXAMPLE[..], &["--ungated"]].concat());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(documents(&out(&output))[2]["spec"].get("paused"), None);
    assert!(err(&output).contains("the gate is off"), "{}", err(&output));
}

#[test]
fn the_claim_is_printed_with_its_data_source_on_request() {
    let manifests = documents(&out(&run(&[&EXAMPLE[..], &["--with-claim"]].concat())));
    assert_eq!(manifests[2]["kind"], "PersistentVolumeClaim");
    assert_eq!(manifests[2]["spec"]["dataSourceRef"]["name"], "volsync-test-data-restore");
    assert_eq!(manifests[2]["metadata"]["labels"]["backup"], "hourly");
    assert_eq!(manifests[3]["kind"], "ReplicationSource");
}

#[test]
fn no_claim_is_lost_and_a_second_run_changes_nothing() {
    let mut with_source = claim("b");
    with_source["spec"]["dataSourceRef"] = json!({"kind": "PersistentVolumeClaim", "name": "other"});
    let input = format!("{}\n---\n{with_source}\n", claim("a"));
    let arguments = ["generate", "-f", "-", "--with-claim"];
    let first = run_on(&arguments, &input);
    let claims = |yaml: &str| documents(yaml).iter().filter(|d| d["kind"] == "PersistentVolumeClaim").count();
    assert_eq!(claims(&out(&first)), 2);
    let second = run_on(&arguments, &out(&first));
    assert_eq!(documents(&out(&second)), documents(&out(&first)));
}

#[test]
fn output_starts_before_input_ends() {
    let mut child = command(&["generate", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    writeln!(stdin, "{}\n---", claim("first")).unwrap();
    stdin.flush().unwrap();
    // Standard input is still open: a command that read all of it first would wait forever.
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "---\n");
    writeln!(stdin, "{}", claim("second")).unwrap();
    drop(stdin);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("name: first-backup") && rest.contains("name: second-backup"), "{rest}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn claims_are_found_in_lists_and_requests_and_other_objects_are_skipped() {
    let of_claims = json!({"kind": "PersistentVolumeClaimList", "items": [{
        "metadata": claim("in-list-of-claims")["metadata"], "spec": claim("in-list-of-claims")["spec"]}]});
    let list = json!({"kind": "List", "apiVersion": "v1", "items": [claim("in-list"), {"kind": "Pod"}]});
    let review = json!({"kind": "AdmissionReview", "request": {"operation": "CREATE", "namespace": "shop",
        "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"}, "object": claim("in-review")}});
    let pod = json!({"kind": "Pod", "metadata": {"name": "web"}});
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("b.yaml"), format!("---\n{pod}\n---\n# a comment\n---\n{}\n", claim("in-yaml")))
        .unwrap();
    std::fs::write(folder.path().join("a.json"), format!("{list}{review}\n{}{of_claims}", claim("in-json"))).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not: [yaml").unwrap();
    let output = run(&["generate", "-o", "json", "-f", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let sources: Vec<String> = out(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|manifest| manifest["kind"] == "ReplicationSource")
        .map(|manifest| manifest["spec"]["sourcePVC"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sources, ["in-list", "in-review", "in-json", "in-list-of-claims", "in-yaml"]);
    assert!(err(&output).contains("2 documents are no claims and were passed over"), "{}", err(&output));
}

#[test]
fn a_claim_without_a_namespace_gets_the_one_from_the_option() {
    let text = r#"{"kind":"PersistentVolumeClaim","metadata":{"name":"a","labels":{"backup":"hourly"}},
        "spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}"#;
    let output = run_on(&["generate", "-f", "-"], text);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("standard input:1: metadata.namespace: is missing"), "{}", err(&output));
    let output = run_on(&["generate", "-f", "-", "--namespace", "bank"], text);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(documents(&out(&output))[0]["metadata"]["namespace"], "bank");
}

#[test]
fn exit_codes_distinguish_planned_refused_and_invalid() {
    let code = |arguments: &[&str], input: &str| run_on(arguments, input).status.code().unwrap();
    let generate = ["generate", "-f", "-"];
    let labelled = |value: &str| {
        let mut claim = claim("a");
        claim["metadata"]["labels"]["backup"] = json!(value);
        claim.to_string()
    };
    assert_eq!(code(&generate, &labelled("hourly")), 0);
    assert_eq!(code(&generate, &labelled("hurly")), 1);
    assert_eq!(code(&["explain", "-f", "-"], &labelled("hurly")), 1);
    assert_eq!(code(&generate, "a: [1"), 2);
    assert_eq!(code(&generate, "kind: Pod"), 2, "a run without a claim must not look like one with");
    assert_eq!(code(&generate, ""), 2);
    assert_eq!(code(&["generate", "-f", "no/such/file"], ""), 2);
    let output = run(&["generate", "-f", "no/such/file", "-f", "examples/claim.yaml"]);
    assert_eq!((output.status.code(), documents(&out(&output)).len()), (Some(2), 2), "what can be read is planned");
    assert_eq!(code(&["generate"], ""), 2);
    // A claim that cannot be read hides none that can, nor the other way round.
    let output = run_on(&generate, &format!("{}\n---\na: [1\n---\n{}\n", labelled("hourly"), labelled("hourly")));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(documents(&out(&output)).iter().filter(|d| d["kind"] == "ReplicationSource").count(), 2);
}

#[test]
fn an_error_names_the_place_and_what_to_write_instead() {
    let folder = TempDir::new().unwrap();
    let settings = folder.path().join("settings.yaml");
    std::fs::write(&settings, "backup: {retian: {}}\n").unwrap();
    let output = run(&[&EXAMPLE[..], &["--settings", settings.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(2));
    let said = err(&output);
    assert_eq!(said.matches("settings.backup.retian: unknown key; did you mean `retain`?").count(), 1, "{said}");
    let output = run_on(&["generate", "-f", "-"], &claim("a").to_string().replace("hourly", "hurly"));
    let said = err(&output);
    assert!(said.contains("metadata.labels.backup: the value names no schedule; write `hourly`"), "{said}");
}

#[test]
fn a_value_of_a_secret_is_printed_only_in_the_secret_of_generate() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = format!(
        "stringData: {{RESTIC_REPOSITORY: 's3:http://{CANARY}/b', RESTIC_PASSWORD: {CANARY}, \
                        AWS_ACCESS_KEY_ID: {CANARY}, AWS_SECRET_ACCESS_KEY: {CANARY}}}"
    );
    let credentials = [
        file("good.yaml", good.clone()),
        file("half.yaml", format!("stringData: {{RESTIC_PASSWORD: {CANARY}}}")),
        file("bad.yaml", format!("stringData: {{RESTIC_PASSWORD: \"{CANARY}\n")),
        file("bad.json", format!("{{\"stringData\": {{\"RESTIC_PASSWORD\": {CANARY}}}}}")),
        file("twice.yaml", format!("stringData: {{RESTIC_PASSWORD: {CANARY}, RESTIC_PASSWORD: {CANARY}}}")),
        file("two.yaml", format!("{good}\n---\n{good}\n")),
        file("list.yaml", format!("[{CANARY}]")),
        file("base64.yaml", format!("data: {{RESTIC_PASSWORD: {CANARY}}}")),
        file("kind.yaml", format!("kind: {CANARY}")),
    ];
    for credentials in &credentials {
        for engine in ["native", "wasm"] {
            for what in ["explain", "generate"] {
                let arguments = [what, "-f", "examples/claim.yaml", "--credentials", credentials, "--engine", engine];
                let output = run(&arguments);
                let printed = out(&output);
                // The data of the Secret: indented, in the only document that is a Secret.
                let is_data = |line: &str| what == "generate" && line.starts_with("  ") && line.contains(": ");
                let secrets = printed.split("---\n").filter(|document| document.contains("kind: Secret"));
                let data =
                    secrets.flat_map(str::lines).filter(|line| is_data(line) && line.contains("Y2FuYXJ5")).count();
                let said = err(&output) + &printed;
                assert!(!said.contains(CANARY), "{arguments:?}: {said}");
                assert_eq!(said.matches("Y2FuYXJ5").count(), data, "{arguments:?}: {said}");
            }
        }
    }
}

#[test]
fn explain_says_in_words_what_would_happen_and_why() {
    let text = out(&run(&["explain", "-f", "examples/claim.yaml"]));
    for words in [
        "volsync-test/volsync-test-data: NoEvidence",
        "stays Pending until it is restored",
        "volsync-test-data-restore is created",
        "volsync-test-data-backup is paused; then `0 * * * *`",
        "way out",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "colour only on a terminal");
}

#[test]
fn explain_says_what_a_code_means_and_how_to_accept_its_hold() {
    let output = run(&["explain", "RestoredOlder"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for words in [
        "RestoredOlder\n",
        "is not the newest",
        "way out  Delete the claim",
        "accept   a person may accept it.",
        "kubectl annotate --overwrite pvc NAME -n NAMESPACE volsync-policy.io/accept=\"<hold-id> <reason>\"",
    ] {
        assert!(out(&output).contains(words), "{words}: {}", out(&output));
    }
    let nobody = out(&run(&["explain", "LedgerUnread"]));
    assert!(nobody.contains("nobody can accept it.") && !nobody.contains("kubectl"), "{nobody}");
    let nothing = out(&run(&["explain", "Released"]));
    assert!(nothing.contains("there is nothing to accept.") && !nothing.contains("way out"), "{nothing}");
}

#[test]
fn explain_takes_a_code_or_claims_and_suggests_a_similar_code() {
    let said = |arguments: &[&str]| {
        let output = run(arguments);
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{arguments:?}");
        err(&output)
    };
    assert!(said(&["explain", "restoredolder"]).contains("is not a reason code; did you mean `RestoredOlder`?"));
    assert!(said(&["explain", "Elsewhere-entirely"]).contains("`volsync-policy codes` prints them all"));
    for arguments in [&["explain"][..], &["explain", "Released", "-f", "examples/claim.yaml"]] {
        let said = said(arguments);
        assert!(said.contains("explain [OPTIONS] --filename <FILE>...") && said.contains("explain <CODE>"), "{said}");
    }
    assert!(said(&["generate"]).contains("--filename <FILE>"));
}

/// The plan for the example claim with the value of `--evidence`.
fn plan_on(evidence: &str) -> Value {
    let output = run(&[&EXAMPLE[..], &["-o", "plan", "--evidence", evidence]].concat());
    assert_eq!(output.status.code(), Some(0), "{evidence}: {}", err(&output));
    assert!(err(&output).contains("the evidence is a preset"), "{}", err(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_preset_gives_the_evidence_that_it_describes() {
    for (preset, code) in [
        ("fresh", "FreshVolume"),
        ("snapshots=24", "RestoreFromBackup"),
        ("unreachable", "LedgerUnread"),
        ("emptied", "SnapshotsGone"),
        ("lost", "DataExpected"),
        ("fresh,bound", "StartedFresh"),
        ("snapshots=24,bound", "UnrestoredVolume"),
        ("lost,bound", "DataExpected"),
        ("snapshots=24,restoring", "Restoring"),
        ("unreachable,restoring", "Restoring"),
        ("fresh,restored", "StartedFresh"),
        ("snapshots=24,restored", "Restored"),
        ("bound,restored,snapshots=1", "Restored"),
        ("emptied,restored", "SnapshotsGone"),
        ("fresh,released", "Released"),
        ("snapshots=24,released", "Released"),
        ("unreachable,released", "Released"),
        ("lost,released", "Released"),
    ] {
        assert_eq!(plan_on(preset)["verdict"]["code"], code, "{preset}");
    }
    assert_eq!(plan_on("snapshots=7")["evidence"]["repository"]["holds"]["count"], 7);
}

#[test]
fn a_plan_contains_its_evidence_which_gives_the_same_plan_again() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("evidence.json");
    for preset in ["fresh", "snapshots=24,restored", "emptied,released", "unreachable,bound", "lost,restoring"] {
        let plan = plan_on(preset);
        std::fs::write(&file, plan["evidence"].to_string()).unwrap();
        let again = run(&[&EXAMPLE[..], &["-o", "plan", "--evidence", file.to_str().unwrap()]].concat());
        assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap(), plan, "{preset}");
        assert!(!err(&again).contains("preset"), "{}", err(&again));
    }
    let without: Value = serde_json::from_slice(&run(&[&EXAMPLE[..], &["-o", "plan"]].concat()).stdout).unwrap();
    assert_eq!(without.get("evidence"), None);
}

#[test]
fn a_preset_is_expanded_for_the_given_claim() {
    let plan = |claim: &Value| {
        let arguments =
            ["generate", "-f", "-", "-o", "plan", "--credentials", "examples/credentials.yaml", "--evidence"];
        let output = run_on(&[&arguments[..], &["snapshots=3,bound"]].concat(), &claim.to_string());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let mut live = claim("a");
    live["metadata"]["uid"] = json!("7d0a4c1e-5b7b-4f6e-9a58-0d6f3c2b1a00");
    let of_live = plan(&live);
    assert_eq!(of_live["evidence"]["claim"]["uid"], live["metadata"]["uid"]);
    assert_eq!(of_live["evidence"]["claim"]["source"], "none", "a stored claim is not patched any more");
    assert_eq!(plan(&claim("a"))["evidence"]["claim"]["source"], "ours");
    live["spec"]["dataSourceRef"] = json!({"kind": "PersistentVolumeClaim", "name": "other"});
    assert_eq!(plan(&live)["evidence"]["claim"]["source"], "foreign");
}

#[test]
fn a_value_that_is_neither_a_file_nor_a_preset_gets_a_suggestion() {
    for (evidence, words) in [
        ("fersh", "--evidence fersh: neither a file nor a preset: `fersh` is not known; did you mean `fresh`?"),
        ("snapshot=3", "did you mean `snapshots=N`?"),
        ("fresh,bond", "`bond` is not known; did you mean `bound`?"),
        ("no/such/file.yaml", "presets are `snapshots=N`, `fresh`, `unreachable`, `emptied`, `lost`"),
        ("snapshots=many", "`snapshots=many`: write a whole number, one or more"),
        ("snapshots=0", "`snapshots=0`: a repository without any is `emptied`, or `fresh`"),
        ("fresh,lost", "`lost` is a second word for what the store holds"),
        ("fresh,restoring,bound", "`bound` and the word before it exclude each other"),
        ("bound", "say first what the store holds: `snapshots=N`"),
    ] {
        let output = run(&[&EXAMPLE[..], &["--evidence", evidence]].concat());
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{evidence}");
        assert!(err(&output).contains(words), "{evidence}: {}", err(&output));
    }
    let output = run(&[&EXAMPLE[..], &["--evidence", "fresh", "--ungated"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("evidence: has no effect while the gate is off; leave it out"), "{}", err(&output));
}

#[test]
fn explain_says_what_evidence_decides() {
    let explain = |evidence: &str| out(&run(&[&["explain"], &EXAMPLE[1..], &["--evidence", evidence]].concat()));
    for (evidence, lines) in [
        (
            "snapshots=24",
            [
                "secret   volsync-test-data-volsync-secret is applied\n",
                "restore  volsync-test-data-restore is created\n",
                "backup   no ReplicationSource is created for now\n",
            ],
        ),
        (
            "snapshots=24,restored",
            [
                "secret   volsync-test-data-volsync-secret is applied\n",
                "restore  its image is consumed, so that no later claim is populated from it\n",
                "backup   volsync-test-data-backup runs: at once where it is new, then `0 * * * *`\n",
            ],
        ),
        (
            "unreachable",
            [
                "secret   volsync-test-data-volsync-secret is not applied\n",
                "restore  existing objects stay as they are\n",
                "note     StoreUnread: the ledger could not be read: the store cannot be reached\n",
            ],
        ),
    ] {
        let text = explain(evidence);
        for line in lines {
            assert!(text.contains(line), "{evidence}: {line}: {text}");
        }
        assert!(!text.contains("kubectl") && !text.contains("recordRelease"), "{evidence}: {text}");
        assert_eq!(text.contains("stays Pending until"), !evidence.contains("restored"), "{evidence}: {text}");
    }
    let held = explain("snapshots=24,bound");
    let plan = plan_on("snapshots=24,bound");
    let hold = plan["verdict"]["hold"].as_str().unwrap();
    let accept = format!("volsync-policy.io/accept=\"{hold} <reason>\"");
    let command = format!("kubectl annotate --overwrite pvc volsync-test-data -n volsync-test {accept}\n");
    assert!(held.contains(&format!("hold     {hold}; an acceptance counts only for these facts:\n")), "{held}");
    for line in ["repository: holds snapshots, fingerprint 55ae874e\n", "claim: volume of-this-claim of ", &command] {
        assert!(held.contains(line), "{line}: {held}");
    }
}

#[test]
fn explain_says_whom_movers_trust() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("credentials.json");
    let authority = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let credentials =
        json!({"stringData": {"RESTIC_REPOSITORY": "b2:bucket", "RESTIC_PASSWORD": CANARY, "ca.crt": authority}});
    std::fs::write(&file, credentials.to_string()).unwrap();
    let output = run_on(&["explain", "-f", "-", "--credentials", file.to_str().unwrap()], &claim("a").to_string());
    let trust = "a-volsync-secret is applied; movers trust the certificate authorities in its `ca.crt`, and no other\n";
    assert!(out(&output).contains(trust), "{}{}", out(&output), err(&output));
    assert!(!out(&output).contains("MIIB"), "{}", out(&output));
}

#[test]
fn explain_covers_an_unlabelled_claim_and_a_kept_password() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("evidence.json");
    let explain = |claim: &Value, evidence: &Value| {
        std::fs::write(&file, evidence.to_string()).unwrap();
        let evidence = ["--evidence", file.to_str().unwrap(), "--credentials", "examples/credentials.yaml"];
        let output = run_on(&[&["explain", "-f", "-"], &evidence[..]].concat(), &claim.to_string());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        out(&output)
    };
    let mut evidence = plan_on("snapshots=24,released")["evidence"].clone();
    evidence["secret"]["ours"]["password"] = json!("other");
    let text = explain(&claim("a"), &evidence);
    assert!(text.contains("a-volsync-secret is applied, and keeps the RESTIC_PASSWORD that it has"), "{text}");
    let mut unlabelled = claim("a");
    unlabelled["metadata"]["labels"] = json!({});
    let text = explain(&unlabelled, &evidence);
    assert!(text.contains("restore  the ReplicationDestination is deleted\n"), "{text}");
    assert!(text.contains("backup   the ReplicationSource is deleted\n"), "{text}");
    evidence["backup"]["ours"]["syncing"] = json!(true);
    let text = explain(&unlabelled, &evidence);
    assert!(text.contains("the ReplicationSource is deleted as soon as no backup is in progress\n"), "{text}");
}

#[test]
fn generate_prints_what_is_applied_and_describes_the_other_steps_of_a_host() {
    let generate = |more: &[&str]| run(&[&EXAMPLE[..], &["--evidence"], more].concat());
    let kinds = |output: &Output| -> Vec<String> {
        documents(&out(output)).iter().map(|manifest| manifest["kind"].as_str().unwrap().to_owned()).collect()
    };
    let waiting = generate(&["snapshots=24", "--with-claim"]);
    assert_eq!(kinds(&waiting), ["Secret", "ReplicationDestination", "PersistentVolumeClaim"]);
    assert!(!err(&waiting).contains("kubectl apply"), "{}", err(&waiting));
    let released = generate(&["snapshots=24,restored"]);
    assert_eq!(kinds(&released), ["Secret", "ReplicationSource"]);
    assert_eq!(documents(&out(&released))[1]["spec"].get("paused"), None);
    let rest = "`kubectl apply` does not do what a host would do too: record the release, in the ledger and on the \
                claim; copy the repository's snapshot objects to the ledger's pins; consume the image of the restore";
    assert!(err(&released).contains(rest), "{}", err(&released));
    let held = generate(&["lost"]);
    assert_eq!((held.status.code(), out(&held).as_str()), (Some(0), ""));
    assert!(err(&held).contains("volsync-test-data: nothing is applied; DataExpected: "), "{}", err(&held));
}

#[test]
fn schemas_completions_and_the_manual_page_are_printed() {
    let schema: Value = serde_json::from_str(&out(&run(&["schema"]))).unwrap();
    assert_eq!(schema["title"], "Settings");
    assert!(out(&run(&["schema", "plan"])).contains("\"verdict\""));
    assert!(out(&run(&["schema", "evidence"])).contains("\"ledger\""));
    assert!(out(&run(&["codes"])).contains("### RestoreFromBackup\n"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(out(&run(&["completions", shell])).contains("generate"), "{shell}");
    }
    let man = out(&run(&["man"]));
    assert!(man.contains(".TH volsync-policy") && man.contains("\\-\\-credentials"), "{man}");
    assert!(out(&run(&["generate", "--help"])).contains("kubectl apply --server-side"));
}

#[test]
fn a_plugin_of_kubectl_is_called_by_the_name_that_people_type() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-volsync_policy");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_volsync-policy"), &plugin).unwrap();
    let run = |arguments: &[&str]| Command::new(&plugin).args(arguments).output().unwrap();
    let help = out(&run(&["redact", "--help"]));
    assert!(help.contains("\nUsage: kubectl volsync-policy redact"), "{help}");
    let wrong = run(&["redact", "--no-such-option"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", err(&wrong));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut child = command(&["generate", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    drop((0..100).try_for_each(|n| writeln!(stdin, "{}\n---", claim(&format!("a{n}")))));
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(!err(&output).contains("panicked"), "{}", err(&output));
}

#[test]
fn a_missing_module_is_reported_with_the_command_that_builds_it() {
    let output = run(&[&EXAMPLE[..], &["--engine", "wasm", "--module", "no/such.wasm"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("cargo xtask wasm") && err(&output).contains("no/such.wasm"), "{}", err(&output));
}
