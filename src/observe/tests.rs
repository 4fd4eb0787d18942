//! A claim's life as a host sees it: raw objects in, reads and writes out.

use serde_json::{Value, json};

use crate::guest::OPERATIONS;
use crate::{Inspection, plan_for_host};

const DATE: &str = "Tue, 24 Nov 2026 10:00:00 GMT";
const LATER: &str = "Tue, 24 Nov 2026 10:00:30 GMT";

fn claim() -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop", "uid": "u-1", "resourceVersion": "7",
                     "creationTimestamp": "2026-11-24T09:00:00Z", "labels": {"backup": "hourly"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                 "dataSourceRef": {"apiGroup": "volsync.backube", "kind": "ReplicationDestination",
                                   "name": "data-restore"}},
        "status": {"phase": "Pending"},
    })
}

fn review(claim: &Value, seen: &Value) -> Vec<u8> {
    let review = json!({
        "request": claim,
        "credentials": {"kind": "Secret", "stringData": {
            "RESTIC_REPOSITORY": "s3:http://s3.local:9000/backups/here", "RESTIC_PASSWORD": "p",
            "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}},
        "settings": {"ledger": {"storeId": "store-1"}},
        "seen": seen,
    });
    review.to_string().into_bytes()
}

/// The roles that there are to read next, each with what it looks at.
fn reads(claim: &Value, seen: &Value) -> Vec<(String, String)> {
    let (_, reads) = OPERATIONS.iter().find(|(name, _)| *name == "reads").unwrap();
    let reads: Value = serde_json::from_slice(&reads(&review(claim, seen)).unwrap()).unwrap();
    let of = |read: &Value| {
        let at = read.get("object").or(read.get("log")).map(|it| it["name"].clone());
        let at = at.or(read.get("listing").or(read.get("bytes")).map(|it| it["key"].clone()));
        (read["role"].as_str().unwrap().to_owned(), at.unwrap().as_str().unwrap().to_owned())
    };
    reads.as_array().unwrap().iter().map(of).collect()
}

fn names(reads: &[(String, String)]) -> Vec<&str> {
    reads.iter().map(|(role, _)| role.as_str()).collect()
}

fn planned(claim: &Value, seen: &Value) -> Value {
    let inspection = Inspection::from_json(&review(claim, seen)).unwrap();
    serde_json::from_slice(&plan_for_host(&inspection).to_json()).unwrap()
}

fn put(seen: &mut Value, role: &str, answer: Value) {
    seen[role] = answer;
}

/// Everything of a new claim in a store that never held a backup.
fn fresh() -> Value {
    let absent = json!({"absent": true});
    let namespace = |name: &str| json!({"object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": "ns"}}});
    json!({
        "cluster": namespace("kube-system"), "namespace": namespace("shop"), "claim": {"object": claim()},
        "populator": absent, "destination": absent, "source": absent, "secret": absent,
        "destinationJob": absent,
        "marker": {"bytes": base64(r#"{"version":1,"storeId":"store-1"}"#), "etag": "m", "date": DATE},
        "entry": {"absent": true, "date": DATE},
        "repository": {"listing": [], "prefixes": [], "date": DATE},
        "config": {"absent": true, "date": DATE},
        "repositoryAgain": {"listing": [], "prefixes": [], "date": LATER},
    })
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn what_is_read_names_what_is_read_next() {
    let mut seen = json!({});
    assert_eq!(names(&reads(&claim(), &seen)), ["cluster", "namespace", "claim"]);
    for role in ["cluster", "namespace", "claim"] {
        put(&mut seen, role, fresh()[role].clone());
    }
    assert_eq!(names(&reads(&claim(), &seen)), ["populator", "destination", "source", "secret"]);
    for role in ["populator", "destination", "source", "secret"] {
        put(&mut seen, role, fresh()[role].clone());
    }
    let of_store = reads(&claim(), &seen);
    assert_eq!(names(&of_store), ["marker", "entry", "repository"]);
    assert_eq!(of_store[1].1, "here/.volsync-policy/entries/shop/data.json");
    assert_eq!(of_store[2].1, "here/shop/data/");
    for role in ["marker", "entry", "repository"] {
        put(&mut seen, role, fresh()[role].clone());
    }
    assert_eq!(names(&reads(&claim(), &seen)), ["config", "repositoryAgain"]);
    assert_eq!(reads(&claim(), &fresh()), []);
}

#[test]
fn a_new_claim_is_created_its_secret_and_its_restore() {
    let plan = planned(&claim(), &fresh());
    assert_eq!(plan["verdict"]["code"], "FreshVolume", "{plan:#}");
    let manager = "volsync-policy";
    assert_eq!(
        plan["writes"],
        json!([
            {"step": "applySecret", "create": {"manifest": "secret", "fieldManager": manager}},
            {"step": "applyDestination", "create": {"manifest": "destination", "fieldManager": manager}},
        ])
    );
    assert_eq!(plan["again"]["afterSeconds"], 0);
}
