//! `volsync-policy function`, as a tool that runs KRM functions runs it.
#![allow(clippy::unwrap_used, reason = "a helper that panics fails its test")]

mod common;

use serde_json::{Value, json};

use common::{CANARY, claim, err, out, run, run_on};

/// Settings with which manifests contain no credential.
fn external() -> Value {
    let keys = ["RESTIC_REPOSITORY", "RESTIC_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let data: Value =
        keys.map(|key| (key.to_owned(), json!({"key": "volsync", "property": key}))).into_iter().collect();
    json!({"credentials": {"kind": "ExternalSecret", "externalSecret": {"store": {"name": "vault"}, "data": data}}})
}

fn list(specification: &Value, items: &[Value]) -> Value {
    json!({
        "apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items,
        "functionConfig": {"apiVersion": "volsync-policy.io/v1", "kind": "Function",
                           "metadata": {"name": "backups"}, "spec": specification},
    })
}

/// What the function makes of a list, and its exit code.
fn function(list: &Value) -> (Value, i32) {
    let output = run_on(&["function"], &list.to_string());
    let written = serde_saphyr::from_str(&out(&output)).map_err(|_| err(&output)).unwrap();
    (written, output.status.code().unwrap())
}

fn names(list: &Value) -> Vec<(&str, &str)> {
    let name = |item| ["/kind", "/metadata/name"].map(|path| Value::pointer(item, path).unwrap().as_str().unwrap());
    list["items"].as_array().unwrap().iter().map(name).map(|[kind, name]| (kind, name)).collect()
}

/// Severity, code and name of each result.
fn results(list: &Value) -> Vec<(&str, &str, &str)> {
    let results = list["results"].as_array().unwrap().iter();
    results
        .map(|result| {
            let part = |path| result.pointer(path).and_then(Value::as_str).unwrap_or_default();
            (part("/severity"), part("/tags/code"), part("/resourceRef/name"))
        })
        .collect()
}

#[test]
fn manifests_are_added_behind_the_other_objects_and_the_claim_waits_for_its_restore() {
    let mut unlabelled = claim("cache");
    unlabelled["metadata"]["labels"] = json!({});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"}});
    let (written, code) = function(&list(&json!({"settings": external()}), &[deployment, claim("data"), unlabelled]));
    assert_eq!(code, 0);
    let expected = [
        ("Deployment", "shop"),
        ("PersistentVolumeClaim", "data"),
        ("PersistentVolumeClaim", "cache"),
        ("ExternalSecret", "data-volsync-secret"),
        ("ReplicationDestination", "data-restore"),
        ("ReplicationSource", "data-backup"),
    ];
    assert_eq!(names(&written), expected);
    assert_eq!(written["items"][1]["spec"]["dataSourceRef"]["name"], "data-restore");
    assert_eq!(written["items"][2]["spec"].get("dataSourceRef"), None);
    assert_eq!(written["items"][5]["spec"]["paused"], true);
    assert!(results(&written).contains(&("info", "NoEvidence", "data")), "{written:#}");
    assert!(results(&written).contains(&("info", "NotSelected", "cache")), "{written:#}");
}

#[test]
fn a_second_run_changes_nothing_and_keeps_the_records_of_the_tool() {
    let (mut once, _) = function(&list(&json!({"settings": external()}), &[claim("data")]));
    for (index, item) in once["items"].as_array_mut().unwrap().iter_mut().enumerate() {
        item["metadata"]["annotations"]["internal.config.kubernetes.io/index"] = json!(index.to_string());
    }
    let (twice, code) = function(&once);
    assert_eq!((code, &twice), (0, &once));
    // What somebody changed is put right.
    let mut changed = once.clone();
    changed["items"][3]["spec"]["trigger"]["schedule"] = json!("0 0 * * *");
    assert_eq!(function(&changed), (once, 0));
}

#[test]
fn credentials_come_from_a_secret_among_the_objects() {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "base", "namespace": "backups"},
        "stringData": {"RESTIC_REPOSITORY": "s3:https://s3.example.com/backups", "RESTIC_PASSWORD": CANARY,
                       "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"},
    });
    let named = |name| json!({"credentials": {"name": name, "namespace": "backups"}});
    let (written, code) = function(&list(&named("base"), &[secret.clone(), claim("data")]));
    assert_eq!(code, 0);
    assert_eq!(names(&written)[2], ("Secret", "data-volsync-secret"));
    assert!(!written["results"].to_string().contains(CANARY));

    let output = run_on(&["function"], &list(&named("other"), &[secret, claim("data")]).to_string());
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""));
    assert!(err(&output).contains("spec.credentials: there is no such Secret"), "{}", err(&output));
}

#[test]
fn a_refused_claim_and_an_object_of_somebody_else_are_errors_and_stay_as_they_are() {
    let mut refused = claim("wrong");
    refused["metadata"]["labels"]["backup"] = json!("sometimes");
    let theirs = json!({"apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource",
                        "metadata": {"name": "data-backup", "namespace": "shop"}, "spec": {"sourcePVC": "data"}});
    let given = list(&json!({"settings": external()}), &[refused.clone(), theirs.clone(), claim("data")]);
    let (written, code) = function(&given);
    assert_eq!(code, 1);
    assert_eq!((&written["items"][0], &written["items"][1]), (&refused, &theirs));
    let errors: Vec<_> = results(&written).into_iter().filter(|(severity, ..)| *severity == "error").collect();
    assert_eq!(errors, [("error", "LabelInvalid", "wrong"), ("error", "", "data-backup")]);
    let output = run_on(&["function"], &given.to_string());
    for name in ["shop/wrong: ", "shop/data-backup: "] {
        assert!(err(&output).contains(name), "{}", err(&output));
    }
}

#[test]
fn claims_without_a_namespace_get_the_one_of_the_configuration() {
    let mut without = claim("data");
    without["metadata"].as_object_mut().unwrap().remove("namespace");
    let (written, code) = function(&list(&json!({"settings": external(), "namespace": "blog"}), &[without]));
    assert_eq!(code, 0, "{written:#}");
    assert_eq!(written["items"][0]["metadata"].get("namespace"), None);
    assert_eq!(written["items"][3]["metadata"]["namespace"], "blog");
}

#[test]
fn input_that_is_no_list_and_configuration_that_is_misspelt_are_refused() {
    let nothing = run(&["function"]);
    assert_eq!((nothing.status.code(), out(&nothing).as_str()), (Some(2), ""));
    let misspelt = list(&json!({"setting": {}}), &[claim("data")]);
    let mut other = list(&json!({}), &[]);
    other["functionConfig"]["kind"] = json!("ConfigMap");
    for (input, why) in [
        (json!({"kind": "List", "items": []}), "expected a ResourceList"),
        (misspelt, "functionConfig: spec: "),
        (other, "functionConfig: expected a Function"),
        (list(&json!({"settings": {"labell": "x"}}), &[]), "settings.labell"),
    ] {
        let output = run_on(&["function"], &input.to_string());
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{input}");
        assert!(err(&output).contains(why), "{}", err(&output));
    }
}
