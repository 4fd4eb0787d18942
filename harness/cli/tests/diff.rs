//! `volsync-policy diff` as it is used for a pull request that changes settings.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that panics fails its test")]

mod common;

use std::fs;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use common::{CANARY, claim, command, err, out, root, run, run_on};

/// Runs `diff` in a directory of its own; the claims are in the format of `kubectl get`.
fn diff(old: &Value, new: &Value, claims: &[Value], more: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, content: &Value| {
        let path = folder.path().join(name);
        fs::write(&path, content.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (old, new) = (file("old.yaml", old), file("new.yaml", new));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": claims});
    run_on(&[&["diff", &old, &new, "-f", "-"], more].concat(), &list.to_string())
}

/// The differences for claims, and the exit code.
fn differences(old: &Value, new: &Value, claims: &[Value], more: &[&str]) -> (Vec<Value>, i32) {
    let output = diff(old, new, claims, &[&["-o", "json"], more].concat());
    let lines = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines, output.status.code().unwrap())
}

/// Each difference for one claim as `effect: field old new; field old new`, and the exit code.
fn of_one(old: &Value, new: &Value, claim: &Value) -> (Vec<String>, i32) {
    let (lines, code) = differences(old, new, std::slice::from_ref(claim), &[]);
    let in_words = |line: &Value| {
        let changes = line["changes"].as_array().unwrap().iter();
        let changes = changes.map(|it| format!("{} {} {}", it["field"].as_str().unwrap(), it["old"], it["new"]));
        format!("{}: {}", line["effect"].as_str().unwrap(), changes.collect::<Vec<_>>().join("; "))
    };
    (lines.iter().map(in_words).collect(), code)
}

/// Like `of_one`, for the claim `shop/data`, whose label is `backup: hourly`.
fn of_data(old: Value, new: Value) -> (Vec<String>, i32) {
    of_one(&old, &new, &claim("data"))
}

/// A claim as a cluster stores it, Bound to the volume that it was restored into.
fn stored(name: &str) -> Value {
    let source =
        json!({"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": format!("{name}-restore")});
    let mut claim = claim(name);
    claim["metadata"]["uid"] = json!("7d0a4c1e-5b7b-4f6e-9a58-0d6f3c2b1a00");
    claim["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    claim["metadata"]["annotations"] = json!({"pv.kubernetes.io/bound-by-controller": "yes"});
    claim["spec"]["volumeName"] = json!("pvc-7d0a4c1e");
    claim["spec"]["dataSource"] = source.clone();
    claim["spec"]["dataSourceRef"] = source;
    claim["status"] = json!({"phase": "Bound"});
    claim
}

fn external(data: Value, interval: &str) -> Value {
    json!({"credentials": {
        "kind": "ExternalSecret",
        "externalSecret": {"store": {"name": "vault"}, "refreshInterval": interval, "data": data},
    }})
}

#[test]
fn dangerous_changes_are_listed_and_end_with_1() {
    let vault = |password: &str| json!({"RESTIC_REPOSITORY": {"key": "base"}, "RESTIC_PASSWORD": {"key": password}});
    let mut trusting = vault("restic");
    trusting["ca.crt"] = json!({"key": "ca"});
    for (old, new, difference) in [
        (json!({}), json!({"label": "snapshots"}), r#"Unselected: code "NoEvidence" "NotSelected""#),
        (json!({}), json!({"excludeNamespaces": ["shop"]}), r#"Unselected: code "NoEvidence" "NotSelected""#),
        (
            json!({}),
            json!({"repositoryPath": "eu/{{ request.namespace }}/{{ request.name }}"}),
            r#"RepositoryMoved: Secret.repositoryPath "shop/data" "eu/shop/data""#,
        ),
        (
            json!({}),
            json!({"backup": {"retain": {"hourly": 12, "daily": 14}}}),
            "RetentionReduced: ReplicationSource.spec.restic.retain.daily 7 14; \
             ReplicationSource.spec.restic.retain.hourly 24 12",
        ),
        (
            json!({"backup": {"retain": {"hourly": 24, "within": "30d"}}}),
            json!({"backup": {"retain": {"hourly": 24, "within": "1m"}}}),
            r#"RetentionReduced: ReplicationSource.spec.restic.retain.within "30d" "1m""#,
        ),
        (json!({}), json!({"gate": "none"}), r#"Ungated: backup "pause" "release""#),
        (
            external(vault("restic"), "1h"),
            external(vault("restic-2"), "1h"),
            r#"CredentialsChanged: ExternalSecret.spec.data.RESTIC_PASSWORD.key "restic" "restic-2""#,
        ),
        (
            external(trusting.clone(), "1h"),
            external(vault("restic"), "1h"),
            r#"CredentialsChanged: ExternalSecret.spec.data["ca.crt"] {"key":"ca"} null"#,
        ),
        (
            json!({}),
            external(vault("restic"), "1h"),
            "CredentialsChanged: Secret.kind \"Secret\" \"ExternalSecret\"; Secret.needs \
             [\"AWS_ACCESS_KEY_ID\",\"AWS_SECRET_ACCESS_KEY\",\"RESTIC_PASSWORD\",\"RESTIC_REPOSITORY\"] []",
        ),
    ] {
        assert_eq!(of_data(old, new.clone()), (vec![difference.to_owned()], 1), "{new}");
    }
}

#[test]
fn harmless_changes_are_listed_and_end_with_3() {
    let vault = json!({"RESTIC_REPOSITORY": {"key": "base"}, "RESTIC_PASSWORD": {"key": "restic"}});
    for (old, new, difference) in [
        (
            json!({}),
            json!({"schedules": {"hourly": "30 * * * *"}}),
            r#"Rescheduled: ReplicationSource.spec.trigger.schedule "0 * * * *" "30 * * * *""#,
        ),
        (
            json!({}),
            json!({"names": {"secret": "{{ request.name }}-restic", "source": "backup-of-{{ request.name }}"}}),
            "Renamed: ReplicationSource.metadata.name \"data-backup\" \"backup-of-data\"; \
             Secret.name \"data-volsync-secret\" \"data-restic\"",
        ),
        (
            json!({}),
            json!({"backup": {"retain": {"hourly": 48, "daily": 7, "weekly": 4}}}),
            "Changed: ReplicationSource.spec.restic.retain.hourly 24 48; \
             ReplicationSource.spec.restic.retain.weekly null 4",
        ),
        (
            json!({}),
            json!({"backup": {"copyMethod": "Clone", "volumeSnapshotClassName": "fast", "cacheCapacity": "4Gi"}}),
            "Changed: ReplicationSource.spec.restic.cacheCapacity \"2Gi\" \"4Gi\"; \
             ReplicationSource.spec.restic.copyMethod \"Snapshot\" \"Clone\"; \
             ReplicationSource.spec.restic.volumeSnapshotClassName null \"fast\"",
        ),
        (
            json!({"restore": {"storageClassName": "fast"}, "mover": {"serviceAccount": "mover"}}),
            json!({"restore": {"storageClassName": "slow"}, "mover": {"serviceAccount": "mover"}}),
            r#"Changed: ReplicationDestination.spec.restic.storageClassName "fast" "slow""#,
        ),
        (
            json!({}),
            json!({"mover": {"securityContext": {"runAsUser": 1000}}, "restore": {"mode": "populate"}}),
            "Changed: ReplicationDestination.spec.restic.moverSecurityContext null {\"runAsUser\":1000}; \
             ReplicationSource.spec.restic.moverSecurityContext null {\"runAsUser\":1000}",
        ),
        (
            json!({}),
            json!({"metadata": {"labels": {"example.com/team": "storage"}}}),
            "Changed: ReplicationDestination.metadata.labels[\"example.com/team\"] null \"storage\"; \
             ReplicationSource.metadata.labels[\"example.com/team\"] null \"storage\"",
        ),
        (
            external(vault.clone(), "1h"),
            external(vault, "5m"),
            r#"Changed: ExternalSecret.spec.refreshInterval "1h" "5m""#,
        ),
        (json!({"gate": "none"}), json!({}), r#"Changed: backup "release" "pause""#),
        (json!({"restore": {"mode": "side"}}), json!({}), r#"Changed: restore "side" "populate""#),
        (json!({"label": "snapshots"}), json!({}), r#"Protected: code "NotSelected" "NoEvidence""#),
    ] {
        assert_eq!(of_data(old, new.clone()), (vec![difference.to_owned()], 3), "{new}");
    }
}

#[test]
fn a_newly_refused_claim_is_in_danger_and_one_no_longer_refused_is_protected() {
    let mut weekly = claim("data");
    weekly["metadata"]["labels"]["backup"] = json!("weekly");
    let with = json!({"schedules": {"weekly": "0 0 * * 0"}});
    let problem = r#""metadata.labels.backup: the value names no schedule; write `hourly`""#;
    assert_eq!(
        of_one(&with, &json!({}), &weekly),
        (vec![format!(r#"Refused: code "NoEvidence" "LabelInvalid"; problem null {problem}"#)], 1)
    );
    assert_eq!(
        of_one(&json!({}), &with, &weekly),
        (vec![format!(r#"Protected: code "LabelInvalid" "NoEvidence"; problem {problem} null"#)], 3)
    );
    // It was never protected, so nothing is lost.
    let excluded = json!({"excludeNamespaces": ["shop"]});
    assert_eq!(
        of_one(&json!({}), &excluded, &weekly),
        (vec![format!(r#"Changed: code "LabelInvalid" "NotSelected"; problem {problem} null"#)], 3)
    );
    assert_eq!(
        of_one(&excluded, &json!({}), &weekly),
        (vec![format!(r#"Refused: code "NotSelected" "LabelInvalid"; problem null {problem}"#)], 1)
    );
}

#[test]
fn a_removed_restore_is_dangerous_for_all_claims_and_for_those_of_a_class() {
    let lost = |mode: &str| (vec![format!(r#"NotRestored: restore "populate" "{mode}""#)], 1);
    assert_eq!(of_data(json!({}), json!({"restore": {"mode": "none"}})), lost("none"));
    assert_eq!(of_data(json!({}), json!({"restore": {"mode": "side"}})), lost("side"));
    let of_class = json!({"storageClasses": {"local": {"restore": "none"}}});
    assert_eq!(of_data(json!({}), of_class.clone()), (vec![], 0));
    let mut local = claim("data");
    local["spec"]["storageClassName"] = json!("local");
    assert_eq!(of_one(&json!({}), &of_class, &local), lost("none"));
}

#[test]
fn the_seed_profile_neither_restores_nor_protects() {
    let (lines, code) = differences(&json!({}), &json!({"profile": "seed"}), &[claim("data")], &[]);
    let effects: Vec<&str> = lines.iter().map(|line| line["effect"].as_str().unwrap()).collect();
    assert_eq!((effects, code), (vec!["Ungated", "NotRestored", "Changed"], 1));
    // A claim that is selected for the first time is not only protected.
    let (lines, _) = differences(&json!({"label": "other"}), &json!({"profile": "seed"}), &[claim("data")], &[]);
    let effects: Vec<&str> = lines.iter().map(|line| line["effect"].as_str().unwrap()).collect();
    assert_eq!(effects, ["Ungated", "Protected"]);
}

#[test]
fn no_difference_ends_with_0_also_if_both_settings_refuse_or_ignore_a_claim() {
    let mut refused = claim("block");
    refused["spec"]["volumeMode"] = json!("Block");
    let mut going = claim("going");
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let mut unlabelled = claim("unlabelled");
    unlabelled["metadata"]["labels"] = json!({});
    let claims = [refused, going, unlabelled, claim("served"), stored("stored")];
    let quiet = json!({"schedules": {"daily": "@daily"}, "excludeNamespaces": ["kube-system"]});
    assert_eq!(differences(&json!({}), &quiet, &claims, &[]), (vec![], 0));
    let output = diff(&json!({}), &quiet, &claims, &[]);
    assert_eq!(out(&output), "Compared: 4. Different: 0. In danger: 0.\n");
    assert!(err(&output).contains("1 claims are not selected"), "{}", err(&output));
    let moved = json!({"repositoryPath": "eu/{{ request.namespace }}/{{ request.name }}"});
    assert_eq!(differences(&json!({}), &moved, &claims[..3], &[]), (vec![], 0));
    // A claim that is being deleted need not be protected.
    let (other, going) = (json!({"label": "other"}), &claims[1..2]);
    assert_eq!(differences(&json!({}), &other, going, &[]), (vec![], 0));
    assert_eq!(differences(&other, &json!({}), going, &[]), (vec![], 0));
}

#[test]
fn dangerous_changes_come_first_and_invalid_input_outweighs_them() {
    let mut weekly = claim("weekly");
    weekly["metadata"]["labels"]["backup"] = json!("weekly");
    let mut new_label = claim("new");
    new_label["metadata"]["labels"] = json!({"backup": "soon"});
    let mut owned = claim("owned");
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "example.com/v1", "kind": "Cluster", "name": "db", "uid": "u"}]);
    let old = json!({"schedules": {"weekly": "@weekly"}});
    let new = json!({
        "schedules": {"hourly": "30 * * * *", "weekly": "@weekly", "soon": "@hourly"},
        "repositoryPath": "eu/{{ request.namespace }}/{{ request.name }}",
        "backup": {"retain": {"hourly": 24}, "copyMethod": "Clone"},
        "gate": "none",
        "restore": {"mode": "none"},
        "credentials": {"s3Identity": "ambient"},
        "names": {"secret": "{{ request.name }}-restic"},
        "refuseOwners": ["example.com"],
    });
    let mut leaving = claim("leaving");
    leaving["metadata"]["namespace"] = json!("bank");
    let new = {
        let mut new = new;
        new["excludeNamespaces"] = json!(["bank"]);
        new
    };
    let mut claims = vec![new_label, weekly, claim("data"), owned, leaving];
    let (lines, code) = differences(&old, &new, &claims, &[]);
    let mut effects: Vec<(&str, bool)> =
        lines.iter().map(|line| (line["effect"].as_str().unwrap(), line["dangerous"].as_bool().unwrap())).collect();
    effects.dedup();
    let (dangerous, harmless) = (true, false);
    let order = [
        ("Unselected", dangerous),
        ("Refused", dangerous),
        ("RepositoryMoved", dangerous),
        ("RetentionReduced", dangerous),
        ("Ungated", dangerous),
        ("NotRestored", dangerous),
        ("CredentialsChanged", dangerous),
        ("Renamed", harmless),
        ("Rescheduled", harmless),
        ("Changed", harmless),
        ("Protected", harmless),
    ];
    assert_eq!((effects.as_slice(), code), (&order[..], 1));
    let text = out(&diff(&old, &new, &claims, &[]));
    let headings = text.lines().filter_map(|line| line.split_once(':')).map(|(word, _)| word);
    let headings: Vec<&str> = headings.filter(|word| order.iter().any(|(effect, _)| effect == word)).collect();
    assert_eq!(headings, order.map(|(effect, _)| effect));
    assert!(text.ends_with("\nCompared: 5. Different: 5. In danger: 5.\n"), "{text}");

    claims.push(json!({"kind": "PersistentVolumeClaim", "metadata": {"name": 7, "labels": {"backup": "hourly"}}}));
    let output = diff(&old, &new, &claims, &[]);
    assert_eq!((output.status.code(), out(&output)), (Some(2), text));
    assert!(err(&output).contains("standard input:1, item 6"), "{}", err(&output));
}

#[test]
fn claims_with_the_same_change_are_one_group_and_json_has_each() {
    let mut claims: Vec<Value> = (0..120).map(|n| claim(&format!("data-{n:03}"))).collect();
    claims[119]["spec"]["storageClassName"] = json!("local");
    let new = json!({
        "repositoryPath": "eu/{{ request.namespace }}/{{ request.name }}",
        "backup": {"retain": {"hourly": 24}},
        "storageClasses": {"local": {"backupCopyMethod": "Direct"}},
    });
    assert_eq!(
        out(&diff(&json!({}), &new, &claims, &[])),
        "\
RepositoryMoved: backed up to another repository; the backups so far stay unseen in the old one
  Secret.repositoryPath \"<namespace>/<name>\" → \"eu/<namespace>/<name>\"
    shop/data-000, shop/data-001, shop/data-002 and 117 more

RetentionReduced: fewer snapshots are kept, and the next backup forgets the rest
  ReplicationSource.spec.restic.retain.daily 7 → unset
    shop/data-000, shop/data-001, shop/data-002 and 117 more

Changed: the manifests differ in other ways
  ReplicationSource.spec.restic.copyMethod \"Snapshot\" → \"Direct\"
    shop/data-119

Compared: 120. Different: 120. In danger: 120.
"
    );
    let (lines, _) = differences(&json!({}), &new, &claims, &[]);
    assert_eq!(lines.len(), 241);
    assert_eq!(
        lines[119],
        json!({
            "effect": "RepositoryMoved", "dangerous": true, "namespace": "shop", "name": "data-119",
            "changes": [{"field": "Secret.repositoryPath", "old": "shop/data-119", "new": "eu/shop/data-119"}],
        })
    );
}

#[test]
fn the_most_common_changes_are_shown_and_the_others_counted() {
    let claims: Vec<Value> = (0..40)
        .map(|n| {
            let mut claim = claim(&format!("data-{n:02}"));
            // Ten claims of class `c0`, one each of the others.
            claim["spec"]["storageClassName"] = json!(format!("c{}", (n - 9).max(0)));
            claim
        })
        .collect();
    let new = json!({"backup": {"storageClassName": "{{ request.object.spec.storageClassName }}"}});
    let text = out(&diff(&json!({}), &new, &claims, &[]));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].ends_with("storageClassName unset → \"c0\""), "{text}");
    assert_eq!(lines[2], "    shop/data-00, shop/data-01, shop/data-02 and 7 more");
    assert_eq!(lines[11], "  and 26 more claims in other ways; `--output json` has them all");
}

#[test]
fn a_difference_in_names_only_makes_no_group() {
    let new = json!({"repositoryPath": "eu/{{ request.namespace }}/{{ request.name }}"});
    let text = out(&diff(&json!({}), &new, &[claim("e")], &[]));
    assert!(text.contains("Secret.repositoryPath \"shop/e\" → \"eu/shop/e\"\n"), "{text}");
}

#[test]
fn stored_claims_are_compared_as_they_are_and_as_created_again() {
    let claim = stored("data");
    let lost = (vec![r#"NotRestored: restore "populate" "none""#.to_owned()], 1);
    assert_eq!(of_one(&json!({}), &json!({"restore": {"mode": "none"}}), &claim), lost);
    let renamed = json!({"names": {"destination": "{{ request.name }}-rd"}});
    let name = r#"Renamed: ReplicationDestination.metadata.name "data-restore" "data-rd""#;
    assert_eq!(of_one(&json!({}), &renamed, &claim), (vec![name.to_owned()], 3));
    // With these names, `data-restore` would be the restore of another claim, `restore`.
    let of_another = json!({"names": {"destination": "data-{{ request.name }}"}});
    let name = r#"Renamed: ReplicationDestination.metadata.name "data-restore" "data-data""#;
    assert_eq!(of_one(&json!({}), &of_another, &claim), (vec![lost.0[0].clone(), name.to_owned()], 1));
    // A difference in both is listed once.
    let reduced = "RetentionReduced: ReplicationSource.spec.restic.retain.daily 7 null";
    assert_eq!(
        of_one(&json!({}), &json!({"backup": {"retain": {"hourly": 24}}}), &claim),
        (vec![reduced.to_owned()], 1)
    );
    let mut foreign = claim.clone();
    foreign["spec"]["dataSourceRef"] =
        json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"});
    assert_eq!(of_one(&json!({}), &json!({"restore": {"mode": "none"}}), &foreign), (vec![], 0));
}

#[test]
fn no_value_of_a_secret_is_printed() {
    let folder = TempDir::new().unwrap();
    let base = folder.path().join("base.yaml");
    let secret = json!({"kind": "Secret", "stringData": {
        "RESTIC_REPOSITORY": format!("rest:https://user:{CANARY}@backup.example.internal/base"),
        "RESTIC_PASSWORD": CANARY, "RESTIC_REST_PASSWORD": CANARY,
    }});
    fs::write(&base, secret.to_string()).unwrap();
    let vault = json!({"RESTIC_REPOSITORY": {"key": "base"}, "RESTIC_PASSWORD": {"key": "restic"}});
    let mut external = external(vault, "1h");
    external["repositoryPath"] = json!("eu/{{ request.namespace }}/{{ request.name }}");
    let moved = json!({
        "repositoryPath": "eu/{{ request.namespace }}/{{ request.name }}",
        "names": {"secret": "{{ request.name }}-restic"},
        "metadata": {"labels": {"example.com/team": "storage"}},
        "profile": "seed",
    });
    let bad = json!({"repositoryPath": "eu"});
    for (new, code) in [(&json!({}), 0), (&moved, 1), (&external, 1), (&bad, 2)] {
        for engine in ["native", "wasm"] {
            for report in ["text", "json"] {
                for (old, new) in [(&json!({}), new), (new, &json!({}))] {
                    let more = ["--credentials", base.to_str().unwrap(), "--engine", engine, "-o", report];
                    let output = diff(old, new, &[claim("data"), stored("stored")], &more);
                    let said = out(&output) + &err(&output);
                    for secret in [CANARY, "backup.example.internal", "Y2FuYXJ5", "user:"] {
                        assert!(!said.contains(secret), "{secret}: {said}");
                    }
                    assert_eq!(output.status.code(), Some(code), "{said}");
                }
            }
        }
    }
}

#[test]
fn credentials_show_which_claims_no_longer_get_a_secret() {
    let folder = TempDir::new().unwrap();
    let base = folder.path().join("base.yaml");
    let repository = "s3:s3.example.internal/base";
    let secret = json!({"stringData": {"RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD": CANARY}});
    fs::write(&base, secret.to_string()).unwrap();
    let ambient = json!({"credentials": {"s3Identity": "ambient"}});
    let (lines, code) = differences(&ambient, &json!({}), &[claim("data")], &["--credentials", base.to_str().unwrap()]);
    assert_eq!((lines[0]["effect"].as_str(), code), (Some("Refused"), 1));
    let needs = "AWS_ACCESS_KEY_ID (missing), AWS_SECRET_ACCESS_KEY (missing)";
    let problem = format!("credentials: no Secret is rendered; correct {needs}");
    assert_eq!(lines[0]["changes"], json!([{"field": "problem", "old": null, "new": problem}]));
    // Claims that both refuse because of a missing key are compared all the same.
    let reduced = json!({"backup": {"retain": {"hourly": 24}}});
    let (lines, _) = differences(&json!({}), &reduced, &[claim("data")], &["--credentials", base.to_str().unwrap()]);
    assert_eq!((lines.len(), lines[0]["effect"].as_str()), (1, Some("RetentionReduced")));
}

#[test]
fn invalid_settings_are_named_whether_old_or_new() {
    let bad = json!({"backup": {"retain": {}}});
    for (old, new, file) in [(&bad, &json!({}), "old.yaml"), (&json!({}), &bad, "new.yaml")] {
        let output = diff(old, new, &[claim("data")], &[]);
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""));
        assert!(
            err(&output).contains(&format!("{file}: settings.backup.retain: can keep nothing")),
            "{}",
            err(&output)
        );
    }
    let output = run(&["diff", "no/such.yaml", "examples/settings.yaml", "-f", "examples/claim.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("no/such.yaml"), "{}", err(&output));
    let output = diff(&json!({}), &json!({}), &[], &[]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("no claim in the input"), "{}", err(&output));
}

#[test]
fn either_settings_may_come_from_standard_input() {
    let reduced = "backup: {retain: {hourly: 24}}";
    let output = run_on(&["diff", "examples/settings.yaml", "-", "-f", "examples/claim.yaml"], reduced);
    assert!(out(&output).starts_with("RetentionReduced: "), "{}", out(&output) + &err(&output));
    let output = run_on(&["diff", "-", "-", "-f", "examples/claim.yaml"], reduced);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""));
    assert!(err(&output).contains("-: no document in it"), "{}", err(&output));
}

#[test]
fn no_output_contains_control_characters_for_a_terminal() {
    let new = json!({"metadata": {"annotations": {"example.com/note": "\u{1b}[2J\u{9b}2Jgone"}}});
    let text = out(&diff(&json!({}), &new, &[claim("data")], &[]));
    assert!(text.contains(r#"unset → {"example.com/note":"\u001b[2J\u{9b}2Jgone"}"#), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text}");
}

#[test]
fn settings_that_differ_without_an_effect_on_plans_are_reported() {
    let output = diff(&json!({}), &json!({"ledger": {"storeId": "7d0a4c1e"}}), &[claim("data")], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).contains("the settings differ, and nothing comes of it for these claims"), "{}", err(&output));
    let output = diff(&json!({}), &json!({}), &[claim("data")], &[]);
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
}

#[test]
fn the_readme_shows_the_output_of_its_example() {
    let arguments = ["diff", "examples/settings.yaml", "examples/settings-next.yaml", "-f", "examples/claim.yaml"];
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&arguments.join(" ")));
    assert!(readme.contains(&format!("```text\n{}```\n", out(&run(&arguments)))), "{}", out(&run(&arguments)));
}

#[test]
fn both_engines_print_the_same() {
    let new = json!({"profile": "seed", "repositoryPath": "eu/{{ request.namespace }}/{{ request.name }}"});
    let claims = [claim("data"), stored("stored")];
    let say = |engine: &str| out(&diff(&json!({}), &new, &claims, &["--engine", engine]));
    assert_eq!(say("native"), say("wasm"));
    assert!(say("wasm").starts_with("RepositoryMoved: "));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let arguments = ["diff", "examples/settings.yaml", "examples/settings-next.yaml", "-f", "examples/claim.yaml"];
    let mut child = command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(1), ""));
}
