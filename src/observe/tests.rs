//! A claim's life as a host sees it: raw objects in, reads, evidence and writes out.

mod store;

use serde_json::{Value, json};

use crate::guest::OPERATIONS;
use crate::{HostPart, HostPlan, Inspection, Part, PlanDocument, Queue, Role, Step, Verb, plan_for_host};

const DATE: &str = "Tue, 24 Nov 2026 10:00:00 GMT";
const LATER: &str = "Tue, 24 Nov 2026 10:00:30 GMT";
const SNAPSHOT: &str = "de5770e6000000000000000000000000000000000000000000000000000000aa";
const OLDER: &str = "00000000000000000000000000000000000000000000000000000000000000bb";
const RECORD: &str = r#"{"version":1,"uid":"u-1","volume":{"driver":"csi.test","handle":"v-1"},"term":1}"#;

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn object(api_version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-of-{name}"), "resourceVersion": "7"},
    });
    json_patch(&mut object, rest);
    json!({ "object": object })
}

/// RFC 7386.
fn json_patch(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else { return *target = patch };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(&key);
        } else {
            json_patch(&mut target[&key], value);
        }
    }
}

fn namespace(name: &str) -> Value {
    object("v1", "Namespace", name, json!({"metadata": {"namespace": null}}))
}

fn claim() -> Value {
    let claim = json!({
        "metadata": {"uid": "u-1", "creationTimestamp": "2026-11-24T09:00:00Z", "labels": {"backup": "hourly"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                 "dataSourceRef": {"apiGroup": "volsync.backube", "kind": "ReplicationDestination",
                                   "name": "data-restore"}},
        "status": {"phase": "Pending"},
    });
    object("v1", "PersistentVolumeClaim", "data", claim)["object"].clone()
}

fn ours(uid: &str) -> Value {
    json!({"labels": {"app.kubernetes.io/managed-by": "volsync-policy"},
           "annotations": {"volsync-policy.io/claim-uid": uid}})
}

fn secret() -> Value {
    object(
        "v1",
        "Secret",
        "data-volsync-secret",
        json!({"metadata": ours("u-1"), "data": {
            "RESTIC_REPOSITORY": base64("s3:http://s3.local:9000/backups/here/shop/data"),
            "RESTIC_PASSWORD": base64("p"), "AWS_ACCESS_KEY_ID": base64("a"), "AWS_SECRET_ACCESS_KEY": base64("s"),
        }}),
    )
}

/// A ReplicationDestination whose restore is done.
fn destination() -> Value {
    object(
        "volsync.backube/v1alpha1",
        "ReplicationDestination",
        "data-restore",
        json!({
            "metadata": ours("u-1"),
            "spec": {"trigger": {"manual": "once"}},
            "status": {
                "lastManualSync": "once", "latestImage": {"kind": "VolumeSnapshot", "name": "image-1"},
                "latestMoverStatus": {"result": "Successful", "logs":
                    "restoring snapshot de5770e6 of [/data] at 2026-11-24 by root to .\nRestic completed in 3s"},
            },
        }),
    )
}

fn source() -> Value {
    let mut source = json!({
        "metadata": ours("u-1"), "spec": {},
        "status": {"latestMoverStatus": {"result": "Successful", "logs":
            "snapshot de5770e6 saved\nRestic completed in 3s"}},
    });
    source["metadata"]["annotations"]["volsync-policy.io/released"] = json!(RECORD);
    object("volsync.backube/v1alpha1", "ReplicationSource", "data-backup", source)
}

/// Everything of a new claim in a store that never held a backup.
fn fresh() -> Value {
    let absent = json!({"absent": true});
    json!({
        "cluster": namespace("kube-system"), "namespace": namespace("shop"), "claim": {"object": claim()},
        "populator": absent, "destination": absent, "source": absent, "secret": absent,
        "marker": {"bytes": base64(r#"{"version":1,"storeId":"store-1"}"#), "etag": "m", "date": DATE},
        "entry": {"absent": true, "date": DATE},
        "repository": {"listing": [], "prefixes": [], "date": DATE},
        "config": {"absent": true, "date": DATE},
        "repositoryAgain": {"listing": [], "prefixes": [], "date": LATER},
    })
}

/// The same, with two backups of an earlier incarnation.
fn backed_up() -> Value {
    let folder = |name: &str| format!("here/shop/data/{name}/");
    let snapshot = |id: &str, at: &str| {
        let key = format!("here/shop/data/snapshots/{id}");
        json!({"key": key, "lastModified": format!("2026-11-24T{at}:00.000Z")})
    };
    let snapshots = [snapshot(SNAPSHOT, "07:30"), snapshot(OLDER, "06:30")];
    let folders = ["data", "index", "keys", "locks", "snapshots"].map(folder);
    changed(
        &fresh(),
        json!({
        "repository": {"listing": [{"key": "here/shop/data/config", "lastModified": "2026-11-01T00:00:00.000Z"}],
                           "prefixes": folders},
            "config": {"absent": null, "bytes": base64("config")},
            "snapshots": {"listing": snapshots, "prefixes": [], "date": DATE},
            "locks": {"listing": [], "prefixes": [], "date": DATE},
            "repositoryAgain": null,
        }),
    )
}

/// A claim that is Bound to what was restored from the newest of them; its backup has yet to be released.
fn restored() -> Value {
    let volume = json!({
        "metadata": {"namespace": null, "annotations": {"volsync.backube/populated-from": "shop/image-1"}},
        "spec": {"claimRef": {"uid": "u-1"}, "csi": {"driver": "csi.test", "volumeHandle": "v-1"}},
    });
    let owner = json!({"metadata": {"ownerReferences": [{"uid": "uid-of-data-restore"}]}});
    changed(
        &backed_up(),
        json!({
            "claim": {"object": {"spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}}},
            "volume": object("v1", "PersistentVolume", "pv-1", volume),
            "secret": secret(), "destination": destination(),
            "image": object("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "image-1", owner),
        }),
    )
}

/// A claim whose restore runs.
fn restoring() -> Value {
    changed(
        &backed_up(),
        json!({
            "secret": secret(),
            "destination": changed(&destination(), json!({"object": {"status": null}})),
            "destinationJob": object("batch/v1", "Job", "volsync-dst-data-restore", json!({"status": {"failed": 2}})),
            "destinationLog": {"log": "unable to create lock in backend: repository is already locked by PID 27"},
        }),
    )
}

fn changed(seen: &Value, patch: Value) -> Value {
    let mut seen = seen.clone();
    // An answer that replaces another is not merged into it.
    for (role, answer) in patch.as_object().unwrap() {
        let is_other = answer.get("object").is_some() != seen.get(role).is_some_and(|it| it.get("object").is_some());
        if is_other && answer.get("absent").is_none() {
            seen.as_object_mut().unwrap().remove(role);
        }
    }
    json_patch(&mut seen, patch);
    seen
}

fn inspection(seen: &Value) -> Value {
    json!({
        "request": seen.pointer("/claim/object").cloned().unwrap_or_else(claim),
        "credentials": {"kind": "Secret", "stringData": {
            "RESTIC_REPOSITORY": "s3:http://s3.local:9000/backups/here", "RESTIC_PASSWORD": "p",
            "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}},
        "settings": {"ledger": {"storeId": "store-1"}},
        "seen": seen,
    })
}

/// The roles that there are to read next, each with what it looks at.
fn reads_of(inspection: &Value) -> Vec<(String, String)> {
    let (_, reads) = OPERATIONS.iter().find(|(name, _)| *name == "reads").unwrap();
    let reads: Value = serde_json::from_slice(&reads(inspection.to_string().as_bytes()).unwrap()).unwrap();
    let of = |read: &Value| {
        let object = read.get("object").or(read.get("log")).map(|it| it["name"].clone());
        let key = || read.get("listing").or(read.get("bytes")).map(|it| it["key"].clone());
        let at = object.or_else(key).or(read.get("turn").map(|it| it["queue"].clone()));
        (read["role"].as_str().unwrap().to_owned(), at.unwrap().as_str().unwrap().to_owned())
    };
    reads.as_array().unwrap().iter().map(of).collect()
}

fn reads(seen: &Value) -> Vec<(String, String)> {
    reads_of(&inspection(seen))
}

/// The roles in the order in which a host that knows everything in `world` is asked for them, batch by batch.
fn asked(world: &Value) -> Vec<String> {
    let mut inspection = inspection(world);
    inspection["seen"] = json!({});
    let mut asked = Vec::new();
    loop {
        let batch = reads_of(&inspection);
        if batch.is_empty() {
            return asked;
        }
        for (role, _) in batch {
            inspection["seen"][&role] = world.get(&role).cloned().unwrap_or_else(|| json!({"failed": "denied"}));
            asked.push(role);
        }
    }
}

fn planned(seen: &Value) -> HostPlan {
    plan_for_host(&Inspection::from_json(inspection(seen).to_string().as_bytes()).unwrap())
}

fn code(seen: &Value) -> &'static str {
    planned(seen).plan.verdict.code.as_str()
}

/// The evidence that is made of what was seen, as a plan prints it.
fn evidence(seen: &Value) -> Value {
    serde_json::to_value(planned(seen).evidence).unwrap()
}

fn writes(seen: &Value) -> Value {
    serde_json::to_value(planned(seen).writes).unwrap()
}

#[test]
fn what_is_read_names_what_is_read_next() {
    let order = [
        "cluster",
        "namespace",
        "claim",
        "populator",
        "destination",
        "source",
        "secret",
        "marker",
        "entry",
        "repository",
        "config",
        "repositoryAgain",
        "queue",
    ];
    assert_eq!(asked(&fresh()), order);
    let order = [
        "cluster",
        "namespace",
        "claim",
        "volume",
        "populator",
        "destination",
        "source",
        "secret",
        "image",
        "marker",
        "entry",
        "repository",
        "config",
        "snapshots",
        "locks",
        "queue",
    ];
    assert_eq!(asked(&restored()), order);
    let keys = |seen: &Value| reads(seen).into_iter().map(|(_, key)| key).collect::<Vec<_>>();
    let unread = changed(&fresh(), json!({"marker": null, "entry": null, "repository": null}));
    assert_eq!(keys(&unread), ["here/.volsync-policy/store.json"]);
    let unread = changed(&fresh(), json!({"entry": null, "repository": null}));
    assert_eq!(keys(&unread), ["here/.volsync-policy/entries/shop/data.json"]);
    assert_eq!(keys(&changed(&fresh(), json!({"repository": null}))), ["here/shop/data/"]);
}

#[test]
fn a_claim_waits_for_its_turn_and_keeps_it_until_its_mover_is_done() {
    let turn = |seen: &Value, settings: Value| {
        let mut inspection = inspection(seen);
        inspection["settings"] = changed(&inspection["settings"], settings);
        inspection["request"]["metadata"]["annotations"] = json!({"volsync-policy.io/priority": "7"});
        let (_, reads) = OPERATIONS.iter().find(|(name, _)| *name == "reads").unwrap();
        serde_json::from_slice::<Value>(&reads(inspection.to_string().as_bytes()).unwrap()).unwrap()
    };
    let of = |queue, limit| {
        json!([{"role": "queue", "turn": {"queue": queue, "limit": limit, "priority": 7,
                                                             "since": "2026-11-24T09:00:00Z"}}])
    };
    assert_eq!(turn(&backed_up(), json!({})), of("restores", 8));
    assert_eq!(turn(&restored(), json!({"backup": {"maxConcurrentFirst": 2}})), of("backups", 2));
    let read = changed(&released(), json!({"destinationJob": {"absent": true}}));
    assert_eq!(reads(&read), [], "a backup that was released needs no turn");
    assert_eq!(reads(&restoring()), [], "a restore that runs needs no turn");

    let ahead = |seen: &Value, ahead: u32| changed(seen, json!({"queue": {"ahead": ahead}}));
    assert_eq!(code(&ahead(&backed_up(), 1)), "RestoreQueued");
    assert_eq!(code(&ahead(&backed_up(), 0)), "RestoreFromBackup");
    assert_eq!(code(&changed(&backed_up(), json!({"queue": {"failed": "timeout"}}))), "RestoreQueued");
    assert_eq!(code(&ahead(&restored(), 1)), "BackupQueued");

    let holds = |seen: &Value| planned(seen).holds;
    assert_eq!(holds(&ahead(&backed_up(), 1)), None);
    assert_eq!(holds(&ahead(&backed_up(), 0)), Some(Queue::Restores));
    assert_eq!(holds(&restoring()), Some(Queue::Restores));
    let failing = json!({"destinationJob": {"object": {"status": {"failed": 3}}}});
    assert_eq!(holds(&changed(&restoring(), failing)), None, "a restore that fails does not stop all others");
    assert_eq!(holds(&ahead(&restored(), 0)), Some(Queue::Backups));
    assert_eq!(holds(&released()), Some(Queue::Backups), "no backup has succeeded yet");
    let synced = json!({"source": {"object": {"status": {"lastSyncTime": "2026-11-24T08:30:00Z"}}}});
    assert_eq!(holds(&changed(&released(), synced)), None);
}

#[test]
fn what_a_cheaper_read_made_needless_is_not_read() {
    let objects = ["cluster", "namespace", "claim", "populator", "destination", "source", "secret"];
    let foreign = changed(
        &fresh(),
        json!({"destination": changed(&destination(), json!(
        {"object": {"metadata": {"labels": null}}}))}),
    );
    assert_eq!(asked(&foreign), objects, "nothing is done beside a stranger's object");
    let gone = changed(&fresh(), json!({"claim": {"failed": "denied", "object": null}}));
    assert_eq!(asked(&gone), ["cluster", "namespace", "claim"]);
    let missed = changed(&fresh(), json!({"claim": {"object": {"spec": {"dataSourceRef": null}}}}));
    assert_eq!(asked(&missed), objects, "admission was missed, whatever the store holds");
    let unlabelled = changed(&fresh(), json!({"claim": {"object": {"metadata": {"labels": null}}}}));
    assert_eq!(asked(&unlabelled), ["destination", "source", "secret"], "nothing of ours was left behind");
    let left = changed(&unlabelled, json!({"secret": secret()}));
    assert_eq!(asked(&left), ["destination", "source", "secret", "cluster", "namespace", "claim", "populator"]);
    let terminating = changed(&fresh(), json!({"claim": {"object": {"metadata": {"deletionTimestamp": DATE}}}}));
    assert_eq!(asked(&terminating), ["cluster", "namespace", "claim", "source"]);
    let failed = changed(&restoring(), json!({"destinationJob": {"object": {"status": {"failed": 0}}}}));
    let with_job = objects.into_iter().chain(["destinationJob"]).collect::<Vec<_>>();
    assert_eq!(asked(&failed), with_job, "nothing failed, so a restore is waited for, whatever the store holds");
    assert!(asked(&restoring()).contains(&"destinationLog".to_owned()));
}

#[test]
fn a_claim_without_a_name_is_not_looked_at() {
    let mut nameless = inspection(&fresh());
    nameless["request"]["metadata"]["name"] = Value::Null;
    nameless["request"]["metadata"]["generateName"] = json!("data-");
    assert_eq!(reads_of(&nameless), []);
    let plan = plan_for_host(&Inspection::from_json(nameless.to_string().as_bytes()).unwrap());
    assert_eq!((plan.plan.verdict.code.as_str(), plan.writes.len(), plan.again), ("NameUnknown", 0, None));
}

#[test]
fn a_new_claim_is_created_its_secret_and_its_restore() {
    assert_eq!(code(&fresh()), "FreshVolume");
    let create = |manifest| json!({"manifest": manifest, "fieldManager": "volsync-policy"});
    assert_eq!(
        writes(&fresh()),
        json!([{"step": "applySecret", "create": create("secret")},
               {"step": "applyDestination", "create": create("destination")}])
    );
    assert_eq!(planned(&fresh()).again.unwrap().after_seconds, 0);
}

#[test]
fn a_restored_claim_is_recorded_before_its_backup_runs() {
    let plan = planned(&restored());
    assert_eq!(plan.plan.verdict.code.as_str(), "Restored");
    let steps: Vec<&str> = plan.writes.iter().map(|write| &*write.step).collect();
    assert_eq!(
        steps,
        ["recordRelease", "recordRelease", "pinSnapshots", "pinSnapshots", "applySecret", "applySource"]
            .into_iter()
            .chain(["consumeImage"; 3])
            .collect::<Vec<_>>()
    );
    let writes = writes(&restored());
    assert_eq!(writes[0]["put"]["key"], "here/.volsync-policy/entries/shop/data.json");
    assert_eq!((&writes[0]["put"]["through"], &writes[0]["put"]["ifNoneMatch"]), (&json!("base"), &json!("*")));
    assert_eq!(writes[1]["patch"]["body"]["metadata"]["uid"], "u-1");
    assert_eq!(writes[2]["copy"]["from"]["key"], format!("here/shop/data/snapshots/{SNAPSHOT}"));
    assert_eq!(writes[2]["copy"]["to"]["key"], format!("here/.volsync-policy/pins/shop/data/{SNAPSHOT}"));
    assert_eq!(
        writes[7]["patchStatus"]["body"],
        json!({"metadata": {"uid": "uid-of-data-restore"},
                                                        "status": {"latestImage": null}})
    );
    assert_eq!(writes[8]["delete"]["object"]["name"], "image-1");

    let steps = plan.plan.steps;
    assert_eq!(steps.iter().filter_map(Step::applies).collect::<Vec<_>>(), [Part::Secret, Part::Source]);
    let words: Vec<&str> = steps.iter().map(Step::words).collect();
    assert_eq!(words[2..4], ["apply the Secret", "apply the ReplicationSource"]);
}

#[test]
fn an_image_that_somebody_else_owns_is_not_deleted() {
    let image = json!({"object": {"metadata": {"ownerReferences": [{"uid": "uid-of-another"}]}}});
    let writes = writes(&changed(&restored(), json!({ "image": image })));
    let deleted: Vec<&Value> =
        writes.as_array().unwrap().iter().filter(|write| write.get("delete").is_some()).collect();
    assert!(deleted.is_empty(), "{deleted:?}");
    assert!(writes[7]["patchStatus"].is_object());
}

fn address() -> String {
    crate::evidence::Digest::of(b"s3:http://s3.local:9000/backups/here/shop/data").as_str().to_owned()
}

fn fingerprint() -> String {
    crate::evidence::Digest::of(b"config").as_str().to_owned()
}

/// The same claim, its backup released and running.
fn released() -> Value {
    let running = json!({"source": source(), "claim": {"object": {"metadata": {"annotations":
        {"volsync-policy.io/released": RECORD}}}}});
    let consumed = json!({"object": {"metadata": {"annotations": {"volsync-policy.io/consumed": "image-1"}},
                                     "status": {"latestImage": null}}});
    changed(&restored(), json_merge(running, json!({"destination": consumed, "image": null})))
}

fn json_merge(mut one: Value, other: Value) -> Value {
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}

#[test]
fn what_is_as_it_should_be_is_not_written_again() {
    let mut seen = released();
    assert_eq!(code(&seen), "Released");
    // Carried out once, what was written stands there.
    let plan = serde_json::from_slice::<Value>(&planned(&seen).to_json()).unwrap();
    for (role, manifest) in [("source", "source"), ("secret", "secret")] {
        json_patch(&mut seen[role]["object"], plan["manifests"][manifest]["object"].clone());
    }
    for write in plan["writes"].as_array().unwrap() {
        if let Some(put) = write.get("put") {
            seen["entry"] = json!({"bytes": base64(put["text"].as_str().unwrap()), "etag": "e", "date": DATE});
        }
        if let Some(patch) = write.get("patch").filter(|patch| patch["object"]["kind"] == "PersistentVolumeClaim") {
            json_patch(&mut seen["claim"]["object"], patch["body"].clone());
        }
    }
    let again = planned(&seen);
    assert_eq!((again.plan.verdict.code.as_str(), &again.writes), ("Released", &Vec::new()));
    assert_eq!(again.again.unwrap().after_seconds, 3600);
    // A lost ledger entry is written again. The record on the claim stays as it is.
    let lost = changed(&seen, json!({"entry": {"bytes": null, "etag": null, "absent": true}}));
    let written = writes(&lost);
    assert_eq!((written.as_array().unwrap().len(), &written[0]["put"]["ifNoneMatch"]), (1, &json!("*")), "{written:#}");
    // Somebody changes it: it is applied in the version that was seen.
    let as_wanted = seen.clone();
    seen["source"]["object"]["spec"]["restic"]["retain"]["hourly"] = json!(1);
    assert_eq!(
        writes(&seen),
        json!([{"step": "applySource", "apply": {"manifest": "source", "uid": "uid-of-data-backup",
                                                "resourceVersion": "7", "fieldManager": "volsync-policy"}}])
    );
    // A field that the manifest has not is removed, together with what else differs.
    seen["source"]["object"]["spec"]["restic"]["retain"]["weekly"] = json!(5);
    let writes_of = |seen: &Value| writes(seen)[0]["patch"]["body"].clone();
    let body = writes_of(&seen);
    assert_eq!(
        (&body["metadata"]["uid"], &body["metadata"]["resourceVersion"]),
        (&json!("uid-of-data-backup"), &json!("7"))
    );
    assert_eq!(body["metadata"]["annotations"], plan["manifests"]["source"]["object"]["metadata"]["annotations"]);
    assert_eq!(body["spec"], json!({"restic": {"retain": {"hourly": 24, "weekly": null}}}));
    // So is a key of the Secret, without a value of it in the patch.
    let mut seen = as_wanted;
    seen["secret"]["object"]["data"]["AWS_SESSION_TOKEN"] = json!(base64("t"));
    seen["secret"]["object"]["data"]["AWS_ACCESS_KEY_ID"] = json!(base64("old"));
    assert_eq!(writes_of(&seen)["data"], json!({"AWS_SESSION_TOKEN": null}));
}

#[test]
fn objects_say_what_evidence_says() {
    let evidence = evidence(&released());
    assert_eq!(evidence["cluster"], "uid-of-kube-system");
    assert_eq!(evidence["claim"]["volume"], json!({"of": {"driver": "csi.test", "handle": "v-1"}}));
    assert_eq!(evidence["claim"]["populatedFrom"], "image-1");
    assert_eq!(evidence["secret"], json!({"ours": {"repository": "same", "password": "same"}}));
    assert_eq!(
        evidence["restore"],
        json!({"done": {"image": "image-1", "consumed": true, "outcome": {"restored": "de5770e6"}, "expects": "data"}})
    );
    assert_eq!(evidence["backup"]["ours"]["state"], "running");
    let holds = &evidence["repository"]["holds"];
    assert_eq!((&holds["count"], &holds["newestKey"]), (&json!(2), &json!(SNAPSHOT)));
    assert_eq!((&holds["listsRestored"], &holds["listsSaved"]), (&json!(true), &json!(true)));
    assert_eq!((&holds["asOf"], &holds["newestAt"]), (&json!("2026-11-24T10:00:00Z"), &json!("2026-11-24T07:30:00Z")));
}

#[test]
fn a_restore_that_fails_says_how_often_and_why() {
    let of = |seen: &Value| evidence(seen)["restore"].clone();
    assert_eq!(of(&restoring()), json!({"running": {"failures": 2, "cause": "locked"}}));
    let gave_up = json!({"destination": {"object": {"status": {"latestMoverStatus": {"result": "Failed", "logs":
        "Fatal: wrong password or no key found"}}}}, "destinationJob": {"absent": true}, "destinationLog": null});
    let gave_up = changed(&changed(&restoring(), json!({"destinationJob": null})), gave_up);
    assert_eq!(of(&gave_up), json!({"running": {"failures": 8, "cause": "password"}}));
}

/// Changes to what was seen, and where evidence then stands otherwise.
#[test]
fn what_is_malformed_is_unread_and_never_absent() {
    let unread = json!({"unread": "malformed"});
    let cases = [
        ("entry", json!({"absent": null, "bytes": base64("{}")}), "/ledger", unread.clone()),
        ("entry", json!({"absent": null, "bytes": "%"}), "/ledger", unread.clone()),
        ("marker", json!({"bytes": base64(r#"{"version":2,"storeId":"store-1"}"#)}), "/ledger", unread.clone()),
        ("marker", json!({"bytes": base64(r#"{"version":1,"storeId":"other"}"#)}), "/ledger", json!("otherStore")),
        ("marker", json!({"failed": "denied"}), "/ledger", json!({"unread": "denied"})),
        ("repository", json!({"truncated": true}), "/repository", unread.clone()),
        ("repository", json!({"date": "yesterday"}), "/repository", unread.clone()),
        ("repository", json!({"prefixes": ["there/"]}), "/repository", unread.clone()),
        ("repository", json!({"failed": "storeMissing"}), "/repository", json!({"unread": "storeMissing"})),
        ("repository", json!({"failed": "a new class"}), "/repository", unread.clone()),
        ("config", json!({"bytes": null}), "/repository", unread.clone()),
        ("config", json!({"bytes": null, "absent": true}), "/repository", unread.clone()),
        ("snapshots", json!({"listing": [{"key": "here/shop/data/snapshots/x"}]}), "/repository", unread),
        ("snapshots", json!({"failed": "timeout"}), "/repository", json!({"unread": "timeout"})),
        ("claim", json!({"object": {"status": {"phase": "Odd"}}}), "/claim", Value::Null),
        ("claim", json!({"object": {"metadata": {"name": "other"}}}), "/claim", Value::Null),
        ("claim", json!({"object": {"metadata": {"uid": null}}}), "/claim", Value::Null),
        ("volume", json!({"object": {"spec": {"claimRef": {"uid": "u-2"}}}}), "/claim/volume", Value::Null),
        ("volume", json!({"failed": "denied"}), "/claim/volume", Value::Null),
        ("secret", json!({"object": {"kind": "ConfigMap"}}), "/secret", Value::Null),
        ("destination", json!({"object": {"apiVersion": "v1"}}), "/restore", Value::Null),
        ("source", json!({"failed": "denied"}), "/backup", Value::Null),
        ("populator", json!({"absent": "maybe"}), "/populator", Value::Null),
    ];
    for (role, change, place, expected) in cases {
        let mut seen = restored();
        json_patch(&mut seen[role], change.clone());
        let inspection = json_merge(inspection(&restored()), json!({ "seen": seen }));
        let plan = plan_for_host(&Inspection::from_json(inspection.to_string().as_bytes()).unwrap());
        let found = serde_json::to_value(plan.evidence).unwrap();
        assert_eq!(found.pointer(place).unwrap_or(&Value::Null), &expected, "{role}: {change}");
        assert!(plan.writes.iter().all(|write| write.step != "applySource"), "{role}: {change}: {:?}", plan.writes);
    }
}

#[test]
fn a_record_that_cannot_be_parsed_does_not_mean_that_there_was_no_release() {
    let garbled = json!({"object": {"metadata": {"annotations": {"volsync-policy.io/released": "{"}}}});
    assert_eq!(code(&changed(&released(), json!({ "claim": garbled }))), "Released", "one of the two suffices");
    assert_eq!(code(&changed(&released(), json!({ "source": garbled }))), "Released");
    let both = changed(&released(), json!({ "claim": garbled, "source": garbled }));
    assert_eq!((code(&both), writes(&both)), ("ObjectsUnread", json!([])));
}

#[test]
fn another_incarnation_than_the_requests_is_not_decided_about() {
    let mut other = inspection(&released());
    other["request"]["metadata"]["uid"] = json!("u-0");
    let plan = plan_for_host(&Inspection::from_json(other.to_string().as_bytes()).unwrap());
    assert_eq!((plan.plan.verdict.code.as_str(), plan.writes.len()), ("ObjectsUnread", 0));
}

#[test]
fn a_password_that_is_there_stays() {
    let other = json!({"secret": {"object": {"data": {"RESTIC_PASSWORD": base64("older")}}}});
    let plan = planned(&changed(&restored(), other));
    let plan: Value = serde_json::from_slice(&plan.to_json()).unwrap();
    assert_eq!(plan["evidence"]["secret"]["ours"]["password"], "other");
    let secret = &plan["manifests"]["secret"];
    assert_eq!(
        (&secret["keeps"], &secret["object"]["data"]["RESTIC_PASSWORD"]),
        (&json!(["RESTIC_PASSWORD"]), &json!(base64("older")))
    );
}

/// A host may keep of an object no more than the fields that a read names.
#[test]
fn a_key_that_was_replaced_reaches_the_secret_of_a_claim_that_waits_for_the_store() {
    let denied = json!({"repository": {"listing": null, "prefixes": null, "failed": "denied"}});
    let old_key = json!({"object": {"data": {"AWS_SECRET_ACCESS_KEY": base64("before")}}});
    for (mut seen, waits) in [(changed(&restored(), denied), "RepositoryUnread"), (restoring(), "Restoring")] {
        assert_eq!(code(&seen), waits);
        let plan = serde_json::from_slice::<Value>(&planned(&seen).to_json()).unwrap();
        json_patch(&mut seen["secret"]["object"], plan["manifests"]["secret"]["object"].clone());
        let applies = |seen: &Value| writes(seen).to_string().contains("applySecret");
        assert!(!applies(&seen), "{waits}: the Secret has the key");
        assert!(applies(&changed(&seen, json!({ "secret": old_key }))), "{waits}");
    }
}

#[test]
fn the_fields_that_a_read_names_are_all_that_is_looked_at() {
    let plan = |inspection: &Value| {
        plan_for_host(&Inspection::from_json(inspection.to_string().as_bytes()).unwrap()).to_json()
    };
    let mut applied = released();
    let planned: Value = serde_json::from_slice(&plan(&inspection(&applied))).unwrap();
    for role in ["secret", "source"] {
        json_patch(&mut applied[role]["object"], planned["manifests"][role]["object"].clone());
    }
    let planned: Value = serde_json::from_slice(&plan(&inspection(&applied))).unwrap();
    assert!(!planned["writes"].to_string().contains("apply"), "{}", planned["writes"]);
    for world in [fresh(), restoring(), restored(), released(), applied] {
        let mut slim = world.clone();
        for role in Role::ALL {
            let Some(object) = slim.get_mut(role.as_str()).and_then(|answer| answer.get_mut("object")) else {
                continue;
            };
            let mut kept = json!({"metadata": {}});
            for path in ["apiVersion", "kind", "metadata.name", "metadata.namespace"].iter().chain(role.fields()) {
                let pointer = format!("/{}", path.replace('.', "/"));
                if let Some(value) = object.pointer(&pointer) {
                    let nested = path.rsplit('.').fold(value.clone(), |value, key| json!({ key: value }));
                    json_patch(&mut kept, nested);
                }
            }
            *object = kept;
        }
        let whole = inspection(&world);
        let slim = json_merge(whole.clone(), json!({ "seen": slim }));
        assert_eq!(String::from_utf8(plan(&slim)).unwrap(), String::from_utf8(plan(&whole)).unwrap());
    }
}

#[test]
fn an_answer_under_a_role_that_does_not_exist_is_refused() {
    let refused = |seen: Value| {
        Inspection::from_json(inspection(&seen).to_string().as_bytes()).err().map(|error| error.to_string())
    };
    assert_eq!(refused(json!({"clame": {}})).as_deref(), Some("seen.clame: unknown role; did you mean `claim`?"));
    assert_eq!(refused(json!({"claim": "absent"})).as_deref(), Some("seen.claim: expected an object"));
    let mut both = inspection(&fresh());
    both["evidence"] = json!({});
    let error = Inspection::from_json(both.to_string().as_bytes()).err().unwrap();
    assert!(error.to_string().starts_with("evidence: unknown key"), "{error}");
}

#[test]
fn a_plan_is_read_back_as_it_was_written() {
    for world in [fresh(), restoring(), restored(), released()] {
        let json = planned(&world).to_json();
        let plan: PlanDocument<'_, Value> = serde_json::from_slice(&json).unwrap();
        let host: HostPart<'_> = serde_json::from_slice(&json).unwrap();
        let read = json_merge(json!(plan), json!(host));
        assert_eq!(read, serde_json::from_slice::<Value>(&json).unwrap());
    }
}

/// A claim whose backup was released, and whose Secret names another repository than would be rendered.
fn released_elsewhere() -> Value {
    let elsewhere = base64("s3:http://s3.local:9000/backups/old/shop/data");
    let mut record: Value = serde_json::from_str(RECORD).unwrap();
    record["fingerprint"] = json!("a".repeat(64));
    let record = json!({"metadata": {"annotations": {"volsync-policy.io/released": record.to_string()}}});
    changed(
        &restored(),
        json!({
            "claim": {"object": record.clone()}, "source": changed(&source(), json!({ "object": record })),
            "secret": {"object": {"data": {"RESTIC_REPOSITORY": elsewhere}}},
        }),
    )
}

#[test]
fn a_secret_whose_values_were_taken_out_is_unread_where_they_matter() {
    for (taken_out, is_judged) in
        [("/data", false), ("/data/RESTIC_REPOSITORY", false), ("/data/RESTIC_PASSWORD", true)]
    {
        let mut seen = released_elsewhere();
        *seen["secret"]["object"].pointer_mut(taken_out).unwrap() = Value::Null;
        assert_eq!(evidence(&seen).get("secret"), None, "{taken_out}");
        assert_eq!(evidence(&seen)["repository"]["unread"] == "notTried", !is_judged, "{taken_out}");
        assert_eq!(code(&seen), "ObjectsUnread", "{taken_out}");
        seen["secret"]["object"]["metadata"]["labels"] = json!({});
        assert_eq!(code(&seen), "NotOurs", "what is left of it is read");
    }
    let mut empty = released_elsewhere();
    empty["secret"]["object"]["data"] = json!({});
    assert!(evidence(&empty)["secret"]["ours"]["repository"]["other"].is_string(), "an API server says so");
}

#[test]
fn an_acceptance_of_something_else_is_spent_on_the_claim() {
    let annotated = |spent: &str| {
        let accept = json!({"volsync-policy.io/accept": "0000000a because", "volsync-policy.io/spent": spent});
        let annotations = if spent.is_empty() {
            json!({"volsync-policy.io/accept": accept["volsync-policy.io/accept"]})
        } else {
            accept
        };
        changed(&restored(), json!({"claim": {"object": {"metadata": {"annotations": annotations}}}}))
    };
    let first = &writes(&annotated(""))[0];
    assert_eq!(
        (&first["step"], &first["patch"]["fieldManager"]),
        (&json!("spendAcceptances"), &json!("volsync-policy-records"))
    );
    let body = json!({"metadata": {"uid": "u-1", "resourceVersion": "7",
                                   "annotations": {"volsync-policy.io/spent": "0000000a"}}});
    assert_eq!(first["patch"]["body"], body);
    let spent = annotated("0000000b,0000000a");
    assert_ne!(writes(&spent)[0]["step"], "spendAcceptances");
    assert_eq!(evidence(&spent)["claim"]["spent"], json!(["0000000b", "0000000a"]));
    assert_eq!(code(&annotated("0000000a by hand")), "ObjectsUnread");
}
