use serde_json::{Map, Value, json};

use super::*;

const CANARY: &str = "canary-of-the-credentials";

fn dump(documents: &[Value]) -> Dump {
    let mut dump = Dump::default();
    documents.iter().for_each(|document| dump.add(document.clone()).unwrap());
    dump
}

fn fault(document: Value) -> String {
    format!("{:#}", Dump::default().add(document).unwrap_err())
}

fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "uid": format!("uid-of-{name}")}});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn claim() -> Value {
    let mut claim = object("v1", "PersistentVolumeClaim", "shop", "data");
    claim["metadata"]["labels"] = json!({"backup": "hourly"});
    claim["spec"] = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        "dataSourceRef": {"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": "data-restore"}});
    claim["status"] = json!({"phase": "Pending"});
    claim
}

fn review() -> Map<String, Value> {
    let review = json!({"request": claim(), "settings": {"ledger": {"storeId": "a"}}, "credentials": {"stringData": {
        "RESTIC_REPOSITORY": "s3:http://s3.local/backups/here", "RESTIC_PASSWORD": "p", "AWS_ACCESS_KEY_ID": "i",
        "AWS_SECRET_ACCESS_KEY": "k"}}});
    review.as_object().unwrap().clone()
}

fn secret(data: Value) -> Value {
    let mut secret = object("v1", "Secret", "shop", "data-volsync-secret");
    secret["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "volsync-policy"});
    secret["data"] = data;
    secret
}

/// All objects of the cluster, with that Secret.
fn cluster(secret: &Value) -> Vec<Value> {
    let none = |version: &str, kind: &str| json!({"apiVersion": version, "kind": format!("{kind}List"), "items": null});
    vec![
        list(&[claim(), secret.clone()]),
        none("volsync.backube/v1alpha1", "ReplicationDestination"),
        none("volsync.backube/v1alpha1", "ReplicationSource"),
        list(&[object("v1", "Namespace", "", "kube-system"), object("v1", "Namespace", "", "shop")]),
    ]
}

/// The answers from these documents, all objects of the cluster except a Secret, and a marker and listings of the
/// store.
fn with_store(documents: &[Value]) -> Observation {
    let mut all = cluster(&object("v1", "Secret", "shop", "other"));
    all.extend(documents.iter().cloned());
    dump(&all).observe(&review(), false)
}

fn listing(date: Value, keys: &[&str]) -> Value {
    let objects = keys.iter().map(|key| json!({"key": key, "lastModified": "2026-11-24T09:00:00Z"}));
    let mut listing = json!({"kind": "StoreListing", "objects": objects.collect::<Vec<Value>>()});
    if !date.is_null() {
        listing["date"] = date;
    }
    listing
}

const MARKER: &str = "here/.volsync-policy/store.json";

fn marker() -> Value {
    json!({"kind": "StoreListing", "text": {MARKER: r#"{"version":1,"storeId":"a"}"#}})
}

fn answer(dump: &Dump, asked: &Value) -> Value {
    dump.object(&serde_json::from_value(asked.clone()).unwrap()).unwrap_or_else(|missing| json!(missing.to_string()))
}

fn asked(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let mut asked = json!({"apiVersion": api_version, "kind": kind, "name": name});
    if !namespace.is_empty() {
        asked["namespace"] = json!(namespace);
    }
    asked
}

#[test]
fn an_object_that_no_list_has_is_absent_only_if_a_list_has_its_kind_and_namespace() {
    let absent = json!({"absent": true});
    let job = |namespace: &str| asked("batch/v1", "Job", namespace, "other");
    let of_one = dump(&[list(&[object("batch/v1", "Job", "shop", "a")])]);
    assert_eq!(answer(&of_one, &asked("batch/v1", "Job", "shop", "a"))["object"]["metadata"]["name"], "a");
    assert_eq!(answer(&of_one, &job("shop")), absent);
    assert!(answer(&of_one, &job("bank")).is_string(), "`kubectl get -n shop` prints the same");
    assert!(answer(&of_one, &asked("v1", "Secret", "shop", "a")).is_string());
    assert!(answer(&of_one, &asked("other/v1", "Job", "shop", "other")).is_string(), "of another group");
    let jobs = [object("batch/v1", "Job", "shop", "a"), object("batch/v1", "Job", "till", "a")];
    assert_eq!(answer(&dump(&[list(&jobs)]), &job("bank")), absent);
    let typed = json!({"apiVersion": "batch/v1", "kind": "JobList", "items": null});
    assert_eq!(answer(&dump(std::slice::from_ref(&typed)), &job("bank")), absent);
    let mut page = typed;
    page["metadata"] = json!({"continue": "more"});
    assert!(answer(&dump(&[page]), &job("bank")).is_string(), "a page is not all of it");
    assert!(answer(&dump(&[object("batch/v1", "Job", "shop", "a")]), &job("shop")).is_string(), "no list");
    let volumes = dump(&[list(&[object("v1", "PersistentVolume", "", "a")])]);
    assert_eq!(answer(&volumes, &asked("v1", "PersistentVolume", "", "b")), absent);
}

#[test]
fn an_item_without_a_kind_has_the_kind_of_its_list() {
    let mut item = object("v1", "Secret", "shop", "a");
    item.as_object_mut().unwrap().retain(|key, _| key == "metadata");
    let secrets = dump(&[json!({"apiVersion": "v1", "kind": "SecretList", "items": [item]})]);
    let found = answer(&secrets, &asked("v1", "Secret", "shop", "a"));
    assert_eq!((&found["object"]["kind"], &found["object"]["apiVersion"]), (&json!("Secret"), &json!("v1")));
}

#[test]
fn each_missing_part_is_named_with_the_command_that_adds_it() {
    let seen = dump(&[list(&[claim()])]).observe(&review(), false);
    let said: Vec<String> = seen.missing.iter().map(Missing::to_string).collect();
    for (kind, command) in [
        ("Namespace", "kubectl get --raw /api/v1/namespaces`"),
        ("ReplicationSource", "kubectl get --raw /apis/volsync.backube/v1alpha1/replicationsources`"),
        ("Secret", "kubectl get --raw /api/v1/secrets | volsync-policy redact`"),
    ] {
        assert!(said.iter().any(|it| it.contains(&format!("every {kind} ")) && it.contains(command)), "{said:?}");
    }
    assert_eq!(seen.seen["secret"], json!({"failed": "notTried"}));
    assert_eq!(seen.seen.get("repository"), None, "nobody knows which repository the Secret names");
}

#[test]
fn a_complete_dump_misses_nothing() {
    let keys = [MARKER, "here/shop/other/config"];
    let Observation { seen, missing } = with_store(&[
        listing(json!("Tue, 24 Nov 2026 10:00:00 GMT"), &keys),
        listing(json!("2026-11-24T10:00:30Z"), &keys),
        marker(),
    ]);
    assert_eq!(missing, []);
    assert_eq!(seen["repository"], json!({"listing": [], "prefixes": [], "date": "2026-11-24T10:00:00Z"}));
    assert_eq!(seen["repositoryAgain"]["date"], "2026-11-24T10:00:30Z");
    assert_eq!(seen["config"]["absent"], true);
    assert_eq!(seen["entry"]["absent"], true);
}

#[test]
fn a_repository_is_absent_only_after_two_listings_half_a_minute_apart() {
    let (nothing, something) = ([MARKER, "here/x"], [MARKER, "here/shop/data/config", "here/x"]);
    let at = |second: u32, keys: &[&str]| listing(json!(format!("2026-11-24T10:00:{second:02}Z")), keys);
    for (documents, is_missing) in [
        (vec![at(0, &nothing)], true),
        (vec![at(0, &nothing), at(29, &nothing)], true),
        (vec![at(0, &nothing), at(30, &nothing)], false),
        (vec![at(30, &nothing), at(0, &nothing)], false),
        (vec![at(0, &something), at(30, &nothing)], true),
        (vec![at(0, &nothing), at(20, &something), at(40, &nothing)], true),
        (vec![listing(Value::Null, &nothing), at(30, &nothing)], true),
    ] {
        let seen = with_store(&documents);
        assert_eq!(seen.missing.contains(&Missing::SecondListing), is_missing, "{documents:?}");
    }
    let gone = with_store(&[at(0, &something), at(30, &nothing)]);
    assert_eq!(gone.seen["repository"]["listing"], json!([]), "the newest listing counts");
}

#[test]
fn a_listing_says_nothing_beyond_its_prefix() {
    let covers = |document: Value| !with_store(&[document]).missing.contains(&Missing::Listing);
    assert!(covers(listing(Value::Null, &["here/shop/data/config", "here/.volsync-policy/store.json"])));
    assert!(!covers(listing(Value::Null, &["here/shop/data/snapshots/a", "here/shop/data/snapshots/b"])));
    assert!(!covers(listing(json!("2026-11-24T10:00:00Z"), &[])), "nobody knows of what");
    let mut nothing = listing(json!("2026-11-24T10:00:00Z"), &[]);
    nothing["prefix"] = json!("here/");
    let seen = with_store(&[nothing.clone()]);
    assert_eq!(seen.seen["marker"], json!({"failed": "notTried"}), "a store that refuses may show nothing at all");
    nothing["bucket"] = json!("other");
    assert!(!covers(nothing), "of another bucket");
    assert!(!covers(marker()), "what objects hold is no listing");
}

#[test]
fn the_output_of_the_aws_command_line_is_a_listing() {
    let object = |key: &str| json!({"Key": key, "LastModified": "2026-11-24T09:00:00.500000+00:00", "ETag": "\"e\""});
    let keys =
        ["here/shop/data/config", "here/shop/data/keys/a", "here/shop/data/snapshots/b", MARKER].map(object).to_vec();
    let Observation { seen, missing } = with_store(&[json!({"Contents": keys, "RequestCharged": null})]);
    assert_eq!(
        seen["repository"],
        json!({"listing": [{"key": "here/shop/data/config", "lastModified": "2026-11-24T09:00:00Z"}],
            "prefixes": ["here/shop/data/keys/", "here/shop/data/snapshots/"], "date": "2026-11-24T09:00:00Z"})
    );
    assert_eq!(seen["snapshots"]["listing"][0]["key"], "here/shop/data/snapshots/b");
    assert_eq!(
        missing,
        [
            Missing::Bytes(".volsync-policy/store.json".to_owned()),
            Missing::Date,
            Missing::Bytes("shop/data/config".to_owned())
        ]
    );
    let folders = json!({"Contents": [object("here/shop/data/config")], "Prefix": "here/shop/data/",
        "CommonPrefixes": [{"Prefix": "here/shop/data/snapshots/"}], "Name": "backups"});
    let seen = with_store(&[folders]).seen;
    assert_eq!(seen["repository"]["prefixes"], json!(["here/shop/data/snapshots/"]));
    assert_eq!(seen["snapshots"], json!({"failed": "notTried"}), "what is in a folder is not listed");
    for page in [json!({"Contents": [], "NextToken": "more"}), json!({"Contents": [], "IsTruncated": true})] {
        assert_eq!(fault(page), "is a listing of which pages are missing");
    }
}

#[test]
fn a_listing_is_only_of_the_bucket_of_the_base_credentials() {
    let named = |repository: &str| {
        let data = json!({"RESTIC_REPOSITORY": STANDARD.encode(repository), "RESTIC_PASSWORD": "cA=="});
        let mut documents = cluster(&secret(data));
        documents.push(listing(Value::Null, &["here/shop/data/config", "here/x", MARKER]));
        dump(&documents).observe(&review(), false).missing.contains(&Missing::OtherStore)
    };
    assert!(!named("s3:http://s3.local/backups/here/shop/data"));
    assert!(named("s3:http://s3.local/elsewhere/here/shop/data"));
    assert!(named("s3:http://s3.other/backups/here/shop/data"));
}

#[test]
fn removed_values_are_unknown_unless_a_person_asserts_them() {
    let name = || "data-volsync-secret".to_owned();
    let mut without_data = secret(Value::Null);
    without_data.as_object_mut().unwrap().remove("data");
    for secret in [secret(json!({"RESTIC_REPOSITORY": null, "RESTIC_PASSWORD": null})), without_data] {
        let dump = dump(&cluster(&secret));
        let seen = dump.observe(&review(), false);
        assert_eq!(seen.missing[0], Missing::Values(name()));
        assert!(seen.seen["secret"]["object"].pointer("/data/RESTIC_PASSWORD").is_none_or(Value::is_null));
        let seen = dump.observe(&review(), true);
        assert_eq!(seen.missing[0], Missing::AssumedValues(name()));
        let data = &seen.seen["secret"]["object"]["data"];
        assert_eq!(data["RESTIC_REPOSITORY"], STANDARD.encode("s3:http://s3.local/backups/here/shop/data"));
    }
    let other = json!({"RESTIC_REPOSITORY": STANDARD.encode("s3:http://s3.local/b"), "RESTIC_PASSWORD": "cA=="});
    let seen = dump(&cluster(&secret(other.clone()))).observe(&review(), true);
    assert_eq!(seen.seen["secret"]["object"]["data"], other, "what is there is never replaced");
}

#[test]
fn a_document_that_is_not_part_of_a_dump_is_refused_and_never_quoted() {
    for (document, words) in [
        (json!({"a": CANARY}), "is neither an object of Kubernetes, a List of them nor a listing of a store"),
        (json!(CANARY), "is neither"),
        (json!({"kind": "Secret", "data": {"a": CANARY}}), "holds an object without `kind` or `metadata.name`"),
        (json!({"kind": "List", "items": CANARY}), "has `items` that are no list"),
        (json!({"kind": "List", "items": [CANARY]}), "holds an object without"),
        (json!({"Contents": CANARY}), "is not what `aws s3api list-objects-v2 --output json` prints"),
        (json!({"kind": "StoreListing", "key": CANARY}), "is no StoreListing: that has `date`, `bucket`, `prefix`"),
        (json!({"kind": "StoreListing", "date": CANARY}), "date: write a time in UTC"),
        (json!({"kind": "StoreListing", "bytes": {"a": "canary-of"}}), "bytes: `a` is not followed by Base64"),
        (
            json!({"kind": "StoreListing", "objects": [{"key": "a", "lastModified": CANARY}]}),
            "`a`: write a time in UTC, such as `2026-11-24T10:00:00Z`",
        ),
    ] {
        let said = fault(document);
        assert!(said.contains(words) && !said.contains("canary"), "{said}");
    }
}

#[test]
fn a_secret_is_redacted_wherever_it_is_and_nothing_else_changes() {
    let encoded = STANDARD.encode(CANARY);
    let copy = json!({"data": {"a": encoded}}).to_string();
    let with_values = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": encoded, "b": ""},
        "stringData": {"c": CANARY},
        "metadata": {"name": "x", "labels": {"l": "v"}, "managedFields": [{"manager": "m"}], "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": copy, "a/is": format!("is {CANARY}"), "a/kept": "k"}}});
    let without = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": null, "b": null},
        "stringData": {"c": null}, "metadata": {"name": "x", "labels": {"l": "v"}, "annotations": {"a/kept": "k"}}});
    let other = json!({"kind": "ConfigMap", "data": {"a": "stays"}, "metadata": {"managedFields": [{"manager": "m"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "stays"}}});
    let bare = |secret: &Value| {
        let mut secret = secret.clone();
        secret.as_object_mut().unwrap().remove("kind");
        secret
    };
    let places: [fn(Value, Value) -> Value; 5] = [
        |secret, _| secret,
        |secret, other| json!({"kind": "List", "items": [other, secret]}),
        |secret, other| json!([secret, other]),
        |secret, other| json!({"kind": "AdmissionReview", "request": {"object": secret, "oldObject": other}}),
        |secret, other| json!({"kind": "List", "items": [{"kind": "List", "items": [secret]}, other]}),
    ];
    let mut pairs: Vec<(Value, Value)> = places
        .iter()
        .map(|place| (place(with_values.clone(), other.clone()), place(without.clone(), other.clone())))
        .collect();
    let typed = |secret: &Value| json!({"kind": "SecretList", "items": [bare(secret)]});
    pairs.push((typed(&with_values), typed(&without)));
    for (mut document, expected) in pairs {
        redact(&mut document);
        assert_eq!(document, expected);
        let text = document.to_string();
        assert!(!text.contains(CANARY) && !text.contains(&encoded), "{text}");
    }
    let mut odd = json!({"kind": "Secret", "data": CANARY, "metadata": {"name": "x"}});
    redact(&mut odd);
    assert_eq!(odd, json!({"kind": "Secret", "data": null, "metadata": {"name": "x"}}));
}
