//! What a host reads in the store, and what that says of the ledger and of the repository.

use super::*;
use crate::evidence::Digest;

#[test]
fn a_repository_whose_newest_backup_is_recorded_is_not_read() {
    let mut record: Value = serde_json::from_str(RECORD).unwrap();
    record["newest"] = json!(SNAPSHOT);
    let released_with = |record: &Value| {
        let record = json!({"metadata": {"annotations": {"volsync-policy.io/released": record.to_string()}}});
        changed(&released(), json!({"claim": {"object": record.clone()}, "source": {"object": record}}))
    };
    let first = plan_for_host(&Inspection::from_json(inspection(&restored()).to_string().as_bytes()).unwrap());
    let entry = first.writes.iter().find_map(|write| match &write.verb {
        Verb::Put(put) => Some(json!({"absent": null, "bytes": base64(&put.text), "etag": "e", "date": DATE})),
        _ => None,
    });
    let recorded = changed(&released_with(&record), json!({ "entry": entry.unwrap() }));
    let reads_repository = |seen: &Value| asked(seen).contains(&"repository".to_owned());
    assert!(!reads_repository(&recorded) && asked(&recorded).contains(&"entry".to_owned()));
    let unread = ["repository", "config", "snapshots", "locks"].map(|role| (role.to_owned(), Value::Null));
    let plan = planned(&changed(&recorded, Value::Object(unread.into_iter().collect())));
    assert_eq!((plan.plan.verdict.code.as_str(), plan.plan.notes.len()), ("Released", 0));

    // The next backup, a mark, another writer's entry, and an accepted hold are each a reason to look.
    let log = json!({"latestMoverStatus": {"logs": "snapshot 00000000 saved\nRestic completed in 3s"}});
    assert!(reads_repository(&changed(&recorded, json!({"source": {"object": {"status": log}}}))));
    record["overtaken"] = json!(true);
    assert!(reads_repository(&changed(&released_with(&record), json!({"entry": recorded["entry"]}))));
    assert!(reads_repository(&changed(&recorded, json!({"entry": {"absent": true, "bytes": null}}))));
    let accepted = json!({"volsync-policy.io/accept": "64af66e3 looked at it"});
    let accepted = json!({"claim": {"object": {"metadata": {"annotations": accepted}}}});
    assert!(reads_repository(&changed(&recorded, accepted)));
}

#[test]
fn only_dead_locks_are_deleted_and_only_if_the_restore_fails_because_of_one() {
    let removed = |locks: &[(&str, &str)], change: Value| {
        let lock = |(name, at): &(&str, &str)| {
            json!({"key": format!("here/shop/data/locks/{name}"),
                   "lastModified": format!("2026-11-24T{at}.000Z")})
        };
        let locks: Vec<Value> = locks.iter().map(lock).collect();
        let locks = json!({"locks": {"listing": locks, "prefixes": [], "date": DATE}});
        let mut inspection = inspection(&changed(&changed(&restoring(), locks), change));
        inspection["settings"]["restore"] = json!({"clearDeadLocks": true});
        let plan = plan_for_host(&Inspection::from_json(inspection.to_string().as_bytes()).unwrap());
        let of = |write: &crate::Write| serde_json::to_value(write).unwrap().pointer("/remove/key").cloned();
        plan.writes.iter().filter_map(of).collect::<Vec<_>>()
    };
    let (dead, young, an_hour) = (("dead", "08:59:59"), ("young", "09:30:00"), ("hour", "09:00:00"));
    assert_eq!(removed(&[dead, young, an_hour], json!({})), ["here/shop/data/locks/dead"]);
    assert!(removed(&[young, an_hour], json!({})).is_empty());
    let another_cause = json!({"destinationLog": {"log": "Fatal: wrong password or no key found"}});
    assert!(removed(&[dead], another_cause).is_empty());
}

#[test]
fn the_second_listing_of_a_repository_is_the_only_read_that_waits() {
    let mut seen = fresh();
    seen.as_object_mut().unwrap().remove("repositoryAgain");
    seen.as_object_mut().unwrap().remove("config");
    let (_, reads) = OPERATIONS.iter().find(|(name, _)| *name == "reads").unwrap();
    let reads: Value = serde_json::from_slice(&reads(inspection(&seen).to_string().as_bytes()).unwrap()).unwrap();
    let waits: Vec<(&Value, &Value)> =
        reads.as_array().unwrap().iter().map(|read| (&read["role"], &read["afterSeconds"])).collect();
    assert_eq!(waits, [(&json!("config"), &Value::Null), (&json!("repositoryAgain"), &json!(30))]);
}

#[test]
fn the_store_is_read_while_volsync_fills_the_claim() {
    let populator = object("v1", "PersistentVolumeClaim", "vs-prime-u-1", json!({"status": {"phase": "Pending"}}));
    let asked = asked(&changed(&restoring(), json!({ "populator": populator })));
    assert!(asked.iter().any(|role| role == "repository"), "{asked:?}");
}

#[test]
fn an_entry_that_is_there_is_replaced_only_as_it_was_read() {
    let entry = include_str!("../../../tests/stored/entry.json");
    let seen = changed(&restored(), json!({"entry": {"absent": null, "bytes": base64(entry), "etag": "\"e\""}}));
    // The entry is of another repository by its address: a person is asked, and nothing is written over it.
    assert_eq!(code(&seen), "RepositoryMoved");
    let entry = entry.replace(&format!("{}1", "0".repeat(63)), &address());
    let entry = entry.replace(&format!("{}2", "0".repeat(63)), &fingerprint());
    let seen =
        changed(&seen, json!({"entry": {"bytes": base64(&entry.replace("10:30", "07:30").replace("10:00", "05:00"))}}));
    assert_eq!(code(&seen), "Restored");
    assert_eq!(writes(&seen)[0]["put"]["ifMatch"], "\"e\"");
    let seen = changed(&seen, json!({"entry": {"etag": null}}));
    assert_eq!(writes(&seen), json!([]), "without its tag nobody knows whether it still is what was read");
}

#[test]
fn a_repository_is_absent_only_if_it_was_so_twice() {
    assert_eq!(evidence(&fresh())["repository"], json!({"absent": {"asOf": "2026-11-24T10:00:30Z"}}));
    let unsure = [
        json!({"repositoryAgain": null}),
        json!({"repositoryAgain": {"date": "Tue, 24 Nov 2026 10:00:29 GMT"}}),
        json!({"repositoryAgain": {"prefixes": ["here/shop/data/data/"]}}),
        json!({"config": {"absent": null, "failed": "denied"}}),
        json!({"config": {"absent": null, "bytes": base64("config")}}),
    ];
    for change in unsure {
        assert_eq!(code(&changed(&fresh(), change.clone())), "RepositoryUnread", "{change}");
    }
}

#[test]
fn a_repository_is_not_judged_while_nobody_knows_whether_the_secret_names_it() {
    for failure in ["denied", "notTried"] {
        let seen = changed(&released_elsewhere(), json!({"secret": {"object": null, "failed": failure}}));
        assert_eq!(code(&seen), "ObjectsUnread", "a released backup is no stray");
        assert_eq!(evidence(&seen)["repository"], json!({ "unread": failure }));
        assert!(!asked(&seen).contains(&"repository".to_owned()));
    }
}

#[test]
fn while_the_secret_points_elsewhere_the_ledger_beside_its_repository_counts() {
    let seen = released_elsewhere();
    let [marker, entry] = [("liveMarker", "store.json"), ("liveEntry", "entries/shop/data.json")]
        .map(|(role, key)| (role.to_owned(), format!("old/.volsync-policy/{key}")));
    assert_eq!(reads(&seen), [marker]);
    let marker = json!({"bytes": base64(r#"{"version":1,"storeId":"store-1"}"#), "etag": "m", "date": DATE});
    assert_eq!(reads(&changed(&seen, json!({"liveMarker": marker.clone()}))), [entry]);
    let entry = json!({"bytes": base64(include_str!("../../../tests/stored/entry.json")), "etag": "e", "date": DATE});
    let taken_over = changed(&seen, json!({"liveMarker": marker, "liveEntry": entry}));
    assert_eq!(evidence(&taken_over)["ledger"]["entry"]["writer"]["cluster"], "c-1");
    // Without one, that of the settings counts; one that cannot be read may be another's.
    let absent = json!({"absent": true, "date": DATE});
    let without = changed(&taken_over, json!({"liveEntry": null}));
    assert_eq!(evidence(&changed(&without, json!({ "liveEntry": absent })))["ledger"], "none");
    let unread = changed(&without, json!({"liveEntry": {"failed": "denied"}}));
    assert_eq!(evidence(&unread)["ledger"], json!({"unread": "denied"}));
    // Where the Secret is as it would be rendered, there is no other ledger.
    assert!(reads(&released()).iter().all(|(role, _)| !role.starts_with("live")));
}

/// Through which credentials the store is read, by role, with `credentials.hostSecret` in settings.
fn through_with_a_host_secret(world: &Value) -> Vec<(String, String)> {
    let mut inspection = inspection(world);
    inspection["settings"]["credentials"] = json!({"hostSecret": "store"});
    for role in ["marker", "entry", "repository", "config", "snapshots"] {
        inspection["seen"].as_object_mut().unwrap().remove(role);
    }
    let mut asked = Vec::new();
    // The markers are read first, then the entries, then the repository.
    for _ in 0..3 {
        let reads = crate::reads(&Inspection::from_json(inspection.to_string().as_bytes()).unwrap());
        for read in serde_json::to_value(reads).unwrap().as_array().unwrap() {
            let Some(place) = read.get("listing").or(read.get("bytes")) else { continue };
            let role = read["role"].as_str().unwrap();
            asked.push((role.to_owned(), place["through"].as_str().unwrap().to_owned()));
            let marker = json!({"bytes": base64(r#"{"version":1,"storeId":"store-1"}"#), "etag": "m", "date": DATE});
            let absent = json!({"absent": true, "date": DATE});
            inspection["seen"][role] = if role.to_lowercase().contains("marker") { marker } else { absent };
        }
    }
    asked
}

#[test]
fn the_hosts_own_key_is_used_in_the_bucket_of_the_base_repository_and_in_no_other() {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<(String, String)>>()
    };
    let in_base = pairs(&[("marker", "host"), ("entry", "host"), ("repository", "host")]);
    assert_eq!(through_with_a_host_secret(&fresh()), in_base);
    assert_eq!(through_with_a_host_secret(&restored()), in_base);
    let elsewhere = |repository: &str| {
        let data = json!({"data": {"RESTIC_REPOSITORY": base64(repository)}});
        through_with_a_host_secret(&changed(&released_elsewhere(), json!({"secret": {"object": data}})))
    };
    for (repository, through) in [
        ("s3:http://s3.local:9000/backups/old/shop/data", "host"),
        ("s3:http://s3.local:9000/other/old/shop/data", "secret"),
        ("s3:http://other.local/backups/old/shop/data", "secret"),
    ] {
        let live = ["liveMarker", "liveEntry", "repository"].map(|role| (role, through));
        let expected = [("marker", "host"), live[0], ("entry", "host"), live[1], live[2]];
        assert_eq!(elsewhere(repository), pairs(&expected), "{repository}");
    }
}

#[test]
fn a_saved_snapshot_counts_as_the_newest_only_if_nothing_else_was_written_since_the_recorded_one() {
    let mut record: Value = serde_json::from_str(RECORD).unwrap();
    record["newest"] = json!(OLDER);
    let record = json!({"volsync-policy.io/released": record.to_string()});
    let seen = changed(&released(), json!({"claim": {"object": {"metadata": {"annotations": record}}}}));
    assert_eq!(evidence(&seen)["repository"]["holds"]["listsSaved"], true);
    let mut between = seen.clone();
    let strangers = json!({"key": format!("here/shop/data/snapshots/{}", "c".repeat(64)),
                           "lastModified": "2026-11-24T07:00:00.000Z"});
    between["snapshots"]["listing"].as_array_mut().unwrap().push(strangers.clone());
    assert_eq!(evidence(&between)["repository"]["holds"]["listsSaved"], false, "somebody wrote in between");
    let mut newer = seen.clone();
    newer["snapshots"]["listing"].as_array_mut().unwrap().push(changed(
        &strangers,
        json!({
            "lastModified": "2026-11-24T08:00:00.000Z"
        }),
    ));
    assert_eq!(evidence(&newer)["repository"]["holds"]["listsSaved"], false, "somebody wrote since");
}

/// Somebody else has written since the backup that the source's log names, and the entry is the claim's own.
fn overwritten() -> Value {
    let mut entry: Value = serde_json::from_str(include_str!("../../../tests/stored/entry.json")).unwrap();
    json_patch(
        &mut entry,
        json!({"writer": {"cluster": "uid-of-kube-system", "uid": "u-1", "term": 1,
                          "volume": {"driver": "csi.test", "handle": "v-1"}}, "memory": null}),
    );
    entry["repository"] =
        json!(crate::evidence::Digest::of(b"s3:http://s3.local:9000/backups/here/shop/data").as_str());
    let mut seen =
        changed(&released(), json!({"entry": {"absent": null, "bytes": base64(&entry.to_string()), "etag": "e"}}));
    seen["snapshots"]["listing"].as_array_mut().unwrap().push(json!({
        "key": format!("here/shop/data/snapshots/{}", "c".repeat(64)), "lastModified": "2026-11-24T08:00:00.000Z"
    }));
    seen
}

#[test]
fn the_source_is_read_again_only_where_another_may_have_written_under_the_own_entry() {
    let seen = overwritten();
    assert_eq!(asked(&seen).last().unwrap(), "sourceAgain");
    assert!(!asked(&released()).contains(&"sourceAgain".to_owned()));
    let suspicion = |seen: &Value| evidence(seen)["repository"]["holds"]["suspicion"].clone();
    assert_eq!((suspicion(&seen), code(&seen)), (json!("open"), "Released"));
    let again = |patch: Value| changed(&seen, json!({"sourceAgain": changed(&source(), patch)}));
    let rested = again(json!({}));
    assert_eq!((suspicion(&rested), code(&rested)), (json!("confirmed"), "StrayBackup"));
    let saved = "snapshot cccccccc saved\nRestic completed in 3s";
    let others = [
        json!({"object": {"metadata": {"uid": "another"}}}),
        json!({"object": {"status": {"lastSyncStartTime": "2026-11-24T09:59:00Z"}}}),
        json!({"object": {"status": {"latestMoverStatus": {"logs": saved}}}}),
    ];
    for other in others {
        assert_eq!(suspicion(&again(other.clone())), "open", "{other}");
    }
    // While it runs, a second look tells nothing.
    let at_work = json!({"source": {"object": {"status": {"lastSyncStartTime": "2026-11-24T09:59:00Z"}}}});
    let at_work = changed(&seen, at_work);
    assert!(!asked(&at_work).contains(&"sourceAgain".to_owned()));
    assert_eq!(suspicion(&at_work), "open");
}

#[test]
fn what_the_own_entry_knows_or_a_copy_shows_is_no_strangers() {
    let seen = changed(&overwritten(), json!({"sourceAgain": source()}));
    let suspicion = |memory: Value| {
        use base64::Engine as _;
        let stored = seen["entry"]["bytes"].as_str().unwrap();
        let stored = base64::engine::general_purpose::STANDARD.decode(stored).unwrap();
        let mut entry: Value = serde_json::from_slice(&stored).unwrap();
        entry["memory"] = memory;
        let seen = changed(&seen, json!({"entry": {"bytes": base64(&entry.to_string())}}));
        evidence(&seen)["repository"]["holds"]["suspicion"].clone()
    };
    let fingerprint = crate::evidence::Digest::of(b"config");
    let memory = |key: &str, at: &str| json!({"fingerprint": fingerprint, "newestKey": key, "newestAt": at});
    assert_eq!(suspicion(memory(OLDER, "2026-11-24T06:30:00Z")), "confirmed");
    assert_eq!(suspicion(memory(OLDER, "2026-11-24T06:29:59Z")), Value::Null, "a copy has other times");
    assert_eq!(suspicion(memory(&"c".repeat(64), "2026-11-24T08:00:00Z")), Value::Null, "the entry names it");
    let mut other = memory(OLDER, "2026-11-24T06:30:00Z");
    other["fingerprint"] = json!("f".repeat(64));
    assert_eq!(suspicion(other), Value::Null, "another repository");
}

/// The same in a store whose ledger entries are numbered; `entries` are their numbers, and who wrote them.
fn numbered(seen: &Value, entries: &[(u64, &str)], entry: Value) -> Value {
    let marker = r#"{"version":1,"storeId":"store-1","conditionalWrites":"none"}"#;
    let name = |(number, writer): &(u64, &str)| format!("{number:020}.{writer}.{}.json", "0".repeat(64));
    let listed = entries.iter().map(|it| json!({"key": format!("{FOLDER}{}", name(it)), "lastModified": LATER_IN_RFC}));
    let listing = json!({"listing": listed.collect::<Vec<_>>(), "prefixes": [], "date": DATE});
    let world = json!({"marker": {"bytes": base64(marker)}, "entries": listing});
    changed(&changed(seen, world), json!({"entry": entry}))
}

const FOLDER: &str = "here/.volsync-policy/numbered/shop/data/";
const LATER_IN_RFC: &str = "2026-11-24T09:00:00Z";
const HERE: &str = "uid-of-kube-system";

/// The text of the entry that a plan writes, and its key.
fn put(seen: &Value) -> (String, String) {
    let writes = planned(seen).writes;
    let [write] = writes.as_slice() else { panic!("{}", writes.len()) };
    match &write.verb {
        Verb::Put(put) if put.condition.is_none() => (put.at.key.clone(), put.text.clone()),
        _ => panic!("a put without a condition"),
    }
}

#[test]
fn a_numbered_entry_is_read_back_before_the_release() {
    let before = numbered(&restored(), &[], Value::Null);
    assert!(!asked(&before).contains(&"entry".to_owned()), "there is none");
    assert_eq!(code(&before), "EntryUnconfirmed");
    let (key, text) = put(&before);
    let digest = Digest::of(text.as_bytes());
    assert_eq!(key, format!("{FOLDER}00000000000000000001.{HERE}.{}.json", digest.as_str()));

    let entry = json!({"absent": null, "bytes": base64(&text), "date": DATE});
    let after = numbered(&restored(), &[(1, HERE)], entry.clone());
    let order = asked(&after);
    let of_ledger = order.iter().filter(|role| ["marker", "entries", "entry"].contains(&role.as_str()));
    assert_eq!(of_ledger.collect::<Vec<_>>(), ["marker", "entries", "entry"]);
    let looked_at = reads(&changed(&after, json!({"entry": null})));
    assert_eq!(looked_at[0].1, format!("{FOLDER}00000000000000000001.{HERE}.{}.json", "0".repeat(64)));
    assert_eq!(code(&after), "SameVolume");
    let writes = writes(&after);
    let steps: Vec<&str> = writes.as_array().unwrap().iter().map(|write| write["step"].as_str().unwrap()).collect();
    assert!(steps.starts_with(&["markRelease", "pinSnapshots"]) && steps.contains(&"applySource"), "{steps:?}");

    // If another cluster has written the same number, or a later one, the entry is the other's.
    let of_another = base64(&text.replace(HERE, "uid-of-another"));
    for others in [&[(1, HERE), (1, "uid-of-another")][..], &[(1, HERE), (2, "uid-of-another")]] {
        let seen = numbered(&restored(), others, json!({"absent": null, "bytes": of_another, "date": DATE}));
        assert_eq!((code(&seen), seen["entry"]["bytes"].as_str().is_some()), ("EntryNotRetired", true));
        let asked = reads(&changed(&seen, json!({"entry": null})));
        assert!(asked[0].1.contains("uid-of-another"), "{asked:?}");
    }
    let retired = crate::ledger::retire(text.replace(HERE, "uid-of-another").as_bytes()).unwrap().unwrap();
    let retired = json!({"absent": null, "bytes": base64(&retired), "date": DATE});
    let seen = numbered(&restored(), &[(2, "uid-of-another"), (3, "retired")], retired);
    assert_eq!(code(&seen), "EntryUnconfirmed");
    assert!(put(&seen).0.starts_with(&format!("{FOLDER}00000000000000000004.{HERE}.")));

    // What was listed and is not there any more was replaced; what has another name is not understood.
    assert_eq!(code(&numbered(&restored(), &[(1, HERE)], json!({"absent": true, "date": DATE}))), "LedgerUnread");
    let odd = json!({"entries": {"listing": [{"key": format!("{FOLDER}odd"), "lastModified": LATER_IN_RFC}]}});
    assert_eq!(code(&changed(&numbered(&restored(), &[(1, HERE)], entry), odd)), "LedgerUnread");
    let unlisted = json!({"entries": {"listing": null, "prefixes": null, "date": null, "failed": "denied"}});
    assert_eq!(code(&changed(&before, unlisted)), "LedgerUnread");
}

#[test]
fn a_new_backup_gets_a_number_of_its_own_and_older_entries_are_removed() {
    let (_, text) = put(&numbered(&restored(), &[], Value::Null));
    let mut entry: Value = serde_json::from_str(&text).unwrap();
    entry["memory"] = json!({"fingerprint": Digest::of(b"config"), "newestKey": OLDER,
                             "newestAt": "2026-11-24T06:30:00Z"});
    let entry = json!({"absent": null, "bytes": base64(&entry.to_string()), "date": DATE});
    let seen = numbered(&released(), &[(5, HERE), (6, HERE), (7, HERE)], entry);
    let writes = planned(&seen).writes;
    let of_ledger: Vec<&Verb> =
        writes.iter().filter(|write| write.step == "writeLedger").map(|write| &write.verb).collect();
    let [Verb::Put(put), records @ .., Verb::Remove(removed)] = of_ledger.as_slice() else { panic!() };
    assert!(put.at.key.starts_with(&format!("{FOLDER}00000000000000000008.")) && put.condition.is_none());
    assert!(records.iter().all(|verb| matches!(verb, Verb::Patch(_))));
    assert!(removed.key.starts_with(&format!("{FOLDER}00000000000000000005.")));
}
