//! Properties that hold for any claim and any settings.

use proptest::prelude::*;
use serde_json::{Value, json};
use volsync_policy_engine::{CallError, Engine, Native};
use volsync_policy_tests::engines;

const CANARY: &str = "canary-of-the-credentials";
const CANARY_BASE64: &str = "Y2FuYXJ5LW9mLXRoZS1jcmVkZW50aWFscw==";

/// Text as people and attackers might write it.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]([-a-z0-9.]{0,60}[a-z0-9])?",
        "\\PC{0,80}",
        Just(String::new()),
        Just("{{ request.namespace }}".to_owned()),
        Just("{{ request.object.metadata.labels.app }}".to_owned()),
        Just("$(id)\n---\n".to_owned()),
        Just("hourly".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        10 => "[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?",
        3 => "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
        1 => text(),
    ]
}

fn quantity() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[0-9]{1,4}(Ki|Mi|Gi|Ti|k|M|G|m|e3|)".prop_map(Value::from),
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn map() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(text(), text(), 0..4).prop_map(|map| json!(map))
}

prop_compose! {
    fn claim()(
        name in name(),
        namespace in prop_oneof![4 => "[a-z]{1,12}", 1 => name()],
        label in prop_oneof![6 => Just("hourly".to_owned()), 1 => text()],
        labels in map(),
        annotations in map(),
        ours in prop::collection::btree_map(prop::sample::select(vec![
            "restore", "run-as-user", "fs-group", "mover-service-account", "accept", "restor"]), text(), 0..2),
        uid in prop::option::of(text()),
        created in prop::option::of(text()),
        modes in prop::collection::vec(prop::sample::select(vec![
            "ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"]), 0..3),
        storage in prop_oneof![4 => Just(json!("1Gi")), 1 => quantity()],
        class in prop::option::of(name()),
        block in prop::bool::weighted(0.05),
        source in prop::option::weighted(0.2, text()),
    ) -> Value {
        let mut claim = json!({
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": created,
                         "labels": labels, "annotations": annotations},
            "spec": {"accessModes": modes, "resources": {"requests": {"storage": storage}}, "storageClassName": class},
        });
        claim["metadata"]["labels"]["backup"] = json!(label);
        for (key, value) in ours {
            claim["metadata"]["annotations"][format!("volsync-policy.io/{key}")] = json!(value);
        }
        if block {
            claim["spec"]["volumeMode"] = json!("Block");
        }
        if let Some(name) = source {
            let reference = json!({"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": name});
            claim["spec"]["dataSourceRef"] = reference;
        }
        claim
    }
}

/// Settings, of which about half are accepted.
fn settings() -> impl Strategy<Value = Value> {
    let piece = prop_oneof![
        3 => Just("{{ request.namespace }}".to_owned()),
        3 => Just("{{ request.name }}".to_owned()),
        3 => Just("/".to_owned()),
        2 => "[a-z.-]{1,5}",
    ];
    let path = prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
    let around = ("[a-z]{0,9}-?", "(-[a-z]{1,9})?").prop_map(|(a, b)| format!("{a}{{{{ request.name }}}}{b}"));
    let keys = prop::collection::btree_map(
        prop::sample::select(vec!["repositoryPath", "secret", "source", "class", "label", "schedule", "mode", "junk"]),
        (path, around, text(), prop::sample::select(vec!["populate", "side", "none"])),
        0..4,
    );
    keys.prop_map(|keys| {
        let mut settings = json!({});
        for (key, (path, around, text, mode)) in keys {
            match key {
                "repositoryPath" => settings["repositoryPath"] = json!(path),
                "secret" | "source" => settings["names"][key] = json!(around),
                "class" => settings["backup"]["storageClassName"] = json!(text),
                "label" => settings["metadata"]["labels"]["team"] = json!(text),
                "schedule" => settings["schedules"]["hourly"] = json!("H * * * *"),
                "mode" => settings["restore"]["mode"] = json!(mode),
                _ => settings[text] = json!(path),
            }
        }
        settings
    })
}

fn review(claim: &Value, settings: &Value) -> Vec<u8> {
    let credentials = json!({"data": {"RESTIC_PASSWORD": CANARY_BASE64}, "stringData": {
        "RESTIC_REPOSITORY": format!("s3:http://{CANARY}.example/bucket"), "AWS_ACCESS_KEY_ID": CANARY,
        "AWS_SECRET_ACCESS_KEY": CANARY, "AWS_REGION": CANARY}});
    let review = json!({"request": claim, "settings": settings, "credentials": credentials});
    serde_json::to_vec(&review).unwrap()
}

/// An answer to a read of a Kubernetes object. Each Secret contains a credential.
fn answer(api_version: &'static str, kind: &'static str, name: String) -> impl Strategy<Value = Value> {
    let logs = prop_oneof![
        Just("restoring snapshot de5770e6 of [/data] at 2026 by root@volsync to .\nRestic completed in 3s".to_owned()),
        Just(format!("Fatal: unable to open repository at s3:http://{CANARY}/b: dial tcp")),
        text(),
    ];
    let annotations = prop::collection::btree_map(
        prop::sample::select(vec!["claim-uid", "consumed", "expects", "released"]),
        prop_oneof![Just("u-1".to_owned()), Just("nothing".to_owned()), text()],
        0..4,
    );
    let parts = (logs, annotations, any::<[bool; 6]>(), text());
    let object = parts.prop_map(move |(logs, annotations, [ours, done, image, syncing, paused, bound], text)| {
        let annotations: Value =
            annotations.into_iter().map(|(key, value)| (format!("volsync-policy.io/{key}"), json!(value))).collect();
        json!({"object": {
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": name, "namespace": "shop", "uid": "u-1", "resourceVersion": text,
                         "labels": {"app.kubernetes.io/managed-by": if ours { "volsync-policy" } else { "me" }},
                         "annotations": annotations},
            "spec": {"trigger": {"manual": "once"}, "paused": paused, "volumeName": if bound { "pv" } else { "" },
                     "claimRef": {"uid": "u-1"}, "dataSourceRef": {"name": text}},
            "data": {"RESTIC_REPOSITORY": CANARY_BASE64, "RESTIC_PASSWORD": CANARY_BASE64},
            "status": {"phase": if bound { "Bound" } else { "Pending" }, "failed": 4,
                       "lastManualSync": if done { "once" } else { "" },
                       "lastSyncStartTime": syncing.then_some("now"),
                       "latestImage": image.then(|| json!({"name": text})),
                       "latestMoverStatus": {"result": if done { "Successful" } else { "Failed" }, "logs": logs}},
        }})
    });
    let [absent, denied] = [json!({"absent": true}), json!({"failed": "denied"})];
    prop_oneof![4 => object, 1 => Just(absent), 1 => Just(denied), 1 => any_json()]
}

/// Any JSON value.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), text().prop_map(Value::from)];
    let key = prop::sample::select(vec!["object", "absent", "failed", "listing", "prefixes", "bytes", "date", "log"]);
    let inner = leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{1,12}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    });
    prop::collection::btree_map(key, inner, 0..3).prop_map(|map| json!(map))
}

prop_compose! {
    /// What a host passes to the policy: a claim with the name `data`, and any answers for any roles.
    fn inspection()(
        mut claim in claim(),
        stored in answer("v1", "PersistentVolumeClaim", "data".to_owned()),
        cluster in answer("v1", "Namespace", "kube-system".to_owned()),
        namespace in any_json(),
        volume in answer("v1", "PersistentVolume", "pv".to_owned()),
        populator in answer("v1", "PersistentVolumeClaim", "vs-prime-u-1".to_owned()),
        destination in answer("volsync.backube/v1alpha1", "ReplicationDestination", "data-restore".to_owned()),
        source in answer("volsync.backube/v1alpha1", "ReplicationSource", "data-backup".to_owned()),
        secret in answer("v1", "Secret", "data-volsync-secret".to_owned()),
        job in answer("batch/v1", "Job", "volsync-dst-data-restore".to_owned()),
        store in prop::collection::vec(any_json(), 7),
    ) -> Value {
        claim["metadata"]["name"] = json!("data");
        claim["metadata"]["namespace"] = json!("shop");
        let mut seen = json!({
            "cluster": cluster, "namespace": namespace, "claim": stored, "volume": volume, "populator": populator,
            "destination": destination, "source": source, "secret": secret, "destinationJob": job,
        });
        let roles = ["marker", "entry", "repository", "repositoryAgain", "config", "snapshots", "locks"];
        for (role, answer) in roles.into_iter().zip(store) {
            seen[role] = answer;
        }
        let credentials = json!({"stringData": {
            "RESTIC_REPOSITORY": "s3:http://s3.example/bucket", "RESTIC_PASSWORD": CANARY,
            "AWS_ACCESS_KEY_ID": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY}});
        json!({"request": claim, "credentials": credentials, "settings": {"ledger": {"storeId": "s"}}, "seen": seen})
    }
}

fn plan(claim: &Value, settings: &Value) -> Option<Value> {
    let plan = Native.call("plan", &review(claim, settings)).ok()?;
    Some(serde_json::from_slice(&plan).unwrap())
}

/// An RFC 1123 subdomain of at most 253 characters, written differently than in the policy.
fn is_name(name: &str) -> bool {
    let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (1..=253).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
        && name.split('.').all(|part| alphanumeric(part.chars().next()) && alphanumeric(part.chars().last()))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        // A failure that was found once becomes a case of its own, in which people can read it.
        failure_persistence: None,
        max_global_rejects: 100_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_engine_gives_the_same_bytes_every_time(claim in claim(), settings in settings()) {
        let review = review(&claim, &settings);
        for operation in ["plan", "validate"] {
            let [native, compiled, interpreted] = engines().map(|engine| engine.call(operation, &review));
            prop_assert_eq!(&native, &Native.call(operation, &review));
            prop_assert_eq!(&native, &compiled);
            prop_assert_eq!(&native, &interpreted);
            prop_assert!(!matches!(native, Err(CallError::Failed(_))));
        }
    }

    #[test]
    fn names_are_valid_and_every_repository_names_the_secret(claim in claim(), settings in settings()) {
        let plan = plan(&claim, &settings).unwrap_or_default();
        prop_assume!(plan["manifests"].is_object());
        let manifests = &plan["manifests"];
        let secret = manifests["secret"]["name"].as_str().unwrap();
        let destination = manifests["destination"]["object"]["metadata"]["name"].as_str().unwrap_or("none");
        let source = manifests["source"]["object"]["metadata"]["name"].as_str().unwrap();
        let derived = [
            format!("volsync-{destination}-dest-20261123182407"),
            format!("volsync-dst-{destination}-cache"),
            format!("volsync-src-{source}-cache"),
            format!("volsync-{source}-src"),
        ];
        for name in [secret, destination, source].into_iter().chain(derived.iter().map(String::as_str)) {
            prop_assert!(is_name(name), "{}", name);
        }
        for manifest in ["destination", "source"] {
            let object = &manifests[manifest]["object"];
            prop_assert!(object.is_null() || object["spec"]["restic"]["repository"] == secret);
        }
        prop_assert!(!manifests["source"]["object"].is_null());
        prop_assert_eq!(&manifests["source"]["object"]["spec"]["paused"], true);
        prop_assert_eq!(&manifests["source"]["action"], "pause");
    }

    #[test]
    fn a_canary_in_the_credentials_is_found_in_the_secrets_data_and_nowhere_else(
        claim in claim(), settings in settings(),
    ) {
        let review = review(&claim, &settings);
        for operation in ["plan", "validate", "validate_settings"] {
            let answer = match Native.call(operation, &review) {
                Err(error) => error.to_string(),
                Ok(answer) => {
                    let mut answer: Value = serde_json::from_slice(&answer).unwrap();
                    let data = answer.pointer_mut("/manifests/secret/object/data").map(Value::take);
                    if let Some(data) = data {
                        prop_assert!(data.to_string().contains(CANARY_BASE64));
                    }
                    answer.to_string()
                }
            };
            prop_assert!(!answer.contains(CANARY) && !answer.contains("Y2FuYXJ5"), "{}", answer);
        }
    }

    #[test]
    fn two_claims_never_share_a_repository_or_an_object(
        one in ("[a-c]{1,2}", "[a-c]{1,2}(-restore)?"), other in ("[a-c]{1,2}", "[a-c]{1,2}(-restore)?"),
        source in prop::option::of(("[a-c]{1,2}", prop::sample::select(vec!["", "-restore", "-dst"]))),
        settings in settings(),
    ) {
        let plan = |(namespace, name): &(String, String)| {
            let metadata = json!({"name": name, "namespace": namespace, "labels": {"backup": "hourly"}});
            let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
            if let Some((name, suffix)) = source.as_ref().filter(|_| *namespace == one.0) {
                spec["dataSourceRef"] = json!({"apiGroup": "volsync.backube", "kind": "ReplicationDestination",
                                               "name": format!("{name}{suffix}")});
            }
            plan(&json!({"kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}), &settings)
        };
        let plans = plan(&one).zip(plan(&other));
        prop_assume!(one != other && plans.as_ref().is_some_and(|(a, b)| {
            a["manifests"].is_object() && b["manifests"].is_object()
        }));
        let (a, b) = plans.unwrap_or_default();
        let repository = "/manifests/secret/object/data/RESTIC_REPOSITORY";
        prop_assert_ne!(a.pointer(repository), b.pointer(repository));
        for object in ["secret", "destination", "source"] {
            let id = |plan: &Value| plan["manifests"][object]["object"]["metadata"].get("name").cloned();
            let theirs_by_choice = object == "destination" && source.as_ref().is_some_and(|(_, s)| s != &"-restore");
            prop_assert!(one.0 != other.0 || theirs_by_choice || id(&a).is_none() || id(&a) != id(&b), "{}", object);
        }
    }

    #[test]
    fn whatever_is_written_for_an_expression_gives_an_answer(
        expression in prop_oneof!["\\PC{0,60}", "[a-z0-9.\\[\\]{}()|&!*@:,'\"`<=> -]{0,60}"], claim in claim(),
    ) {
        let settings = json!({"backup": {"storageClassName": format!("{{{{ {expression} }}}}")}});
        let review = review(&claim, &settings);
        let [native, compiled, interpreted] = engines().map(|engine| engine.call("plan", &review));
        prop_assert_eq!(&native, &compiled);
        prop_assert_eq!(native, interpreted);
    }

    #[test]
    fn whatever_bytes_come_in_an_answer_goes_out(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (operation, run) in volsync_policy::guest::OPERATIONS {
            let native = run(&bytes).map_err(|error| error.to_string());
            let [_, modules @ ..] = engines();
            for module in modules {
                prop_assert_eq!(&native, &module.call(operation, &bytes).map_err(|error| error.to_string()));
            }
        }
    }

    #[test]
    fn whatever_a_host_saw_is_planned_alike_in_every_engine(inspection in inspection()) {
        let bytes = inspection.to_string().into_bytes();
        for operation in ["plan", "reads"] {
            let [native, compiled, interpreted] = engines().map(|engine| engine.call(operation, &bytes));
            prop_assert_eq!(&native, &compiled);
            prop_assert_eq!(native, interpreted);
        }
    }

    #[test]
    fn what_a_host_saw_of_secrets_and_logs_does_not_come_out(inspection in inspection()) {
        let bytes = inspection.to_string().into_bytes();
        let said = |answer: Result<Vec<u8>, CallError>| match answer {
            Ok(answer) => serde_json::from_slice(&answer).unwrap(),
            Err(error) => json!(error.to_string()),
        };
        let mut plan: Value = said(Native.call("plan", &bytes));
        if let Some(data) = plan.pointer_mut("/manifests/secret/object/data") {
            *data = Value::Null;
        }
        for said in [plan, said(Native.call("reads", &bytes))] {
            let said = said.to_string();
            prop_assert!(!said.contains(CANARY) && !said.contains(CANARY_BASE64), "{}", said);
        }
    }

    #[test]
    fn a_host_that_goes_on_reading_comes_to_an_end(mut inspection in inspection()) {
        let seen = inspection["seen"].take();
        inspection["seen"] = json!({});
        for _ in 0..10 {
            let Ok(reads) = Native.call("reads", inspection.to_string().as_bytes()) else { return Ok(()) };
            let reads: Value = serde_json::from_slice(&reads).unwrap();
            let reads = reads.as_array().unwrap();
            if reads.is_empty() {
                return Ok(());
            }
            for read in reads {
                let role = read["role"].as_str().unwrap();
                prop_assert!(inspection["seen"].get(role).is_none(), "{} is read twice", role);
                inspection["seen"][role] = seen.get(role).cloned().unwrap_or_else(|| json!({"failed": "timeout"}));
            }
        }
        prop_assert!(false, "there is always more to read");
    }
}
