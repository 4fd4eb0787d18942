//! What the host does without help: when it is killed, when there are two hosts, when a person accepts a hold or
//! removes the label, when keys are rotated, when settings are invalid, when the store's certificate is from an
//! authority of its own, when the host has a key of its own, and when an object belongs to somebody else.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use volsync_policy::ledger::{MARKER, entry_key};
use volsync_policy::names::{ATTENTION, CLAIM_UID, MANAGED_BY, MANAGER, PRIORITY};
use volsync_policy_cluster::{ACCESS_KEY, BUCKET, GUEST, SECRET_KEY, STORE, Store, says, text};
use volsync_policy_tests::root;

use crate::admission::kubectl_does;
use crate::app::{App, CLAIM};
use crate::repositories::snapshots;
use crate::s3::Bucket;
use crate::volsync::{bound, destination, secret};
use crate::{STORE_ID, World, host, rights, store, tests};

tests![
    hosts_that_end_between_two_writes_come_to_the_same_end,
    a_second_host_waits_and_takes_over_once_the_first_gives_its_lease_back,
    a_claim_whose_backups_are_gone_is_held_until_a_person_accepts_the_hold,
    a_restore_that_comes_back_empty_releases_nothing_and_is_repeated_once_the_backups_are_back,
    a_claim_that_loses_its_label_loses_its_backup_and_keeps_its_data,
    a_secret_that_is_deleted_is_created_again_once_volsync_misses_it,
    a_claim_that_is_filled_from_the_image_of_an_earlier_one_starts_over,
    an_object_of_somebody_else_is_never_touched,
    claims_are_restored_and_first_backed_up_one_after_the_other_where_settings_say_so,
    rotated_credentials_reach_every_secret_and_settings_that_are_not_valid_are_refused,
    a_store_with_a_certificate_of_its_own_authority_is_used_once_the_base_credentials_name_the_authority,
    movers_need_no_rights_in_the_ledger_if_the_host_has_a_key_of_its_own,
];

/// Each host ends after one, two or three writes. The next one continues from what it finds, whatever was written last.
fn hosts_that_end_between_two_writes_come_to_the_same_end(world: &World) -> anyhow::Result<()> {
    let world = &World::without_host(&world.store)?;
    host::install(world)?;
    let app = App::new(world, "killed")?;
    let host = host::start(world, "host", 8099)?;
    app.protect()?;
    app.is_remembered()?;
    host.kill()?;

    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    let uid = text(&app.create()?, "/metadata/uid").to_owned();
    let mut hosts = 0;
    loop {
        let mut host = host::start_for_writes(world, 1 + hosts % 3)?;
        hosts += 1;
        ensure!(hosts < 40, "{:?}\n{}", app.told(&uid)?, host.log()?);
        let is_at_the_end = world.cluster.until("a write, or the end", || {
            let is_told = app.told(&uid)?.iter().any(|code| code == "Released");
            Ok(if is_told { Some(true) } else { host.has_ended()?.then_some(false) })
        })?;
        if is_at_the_end {
            host.kill()?;
            break;
        }
    }
    // The writes are the Secret, the ReplicationDestination, a pin, the ledger entry, the release record, the
    // ReplicationSource, and three for the image.
    ensure!(hosts > 4, "{hosts} hosts: {:?}", app.told(&uid)?);
    ensure!(app.namespace.run(CLAIM, "cat file")? == "good\n");
    app.namespace.run(CLAIM, "echo more > after")?;
    app.is_backed_up("after")?;
    app.is_backed_up("file")
}

fn a_second_host_waits_and_takes_over_once_the_first_gives_its_lease_back(world: &World) -> anyhow::Result<()> {
    let world = &World::without_host(&world.store)?;
    host::install(world)?;
    let leads = |port: u16| host::metrics(world, port).map(|it| it.contains("\nvolsync_policy_leader 1\n"));
    let first = host::start(world, "first", 8099)?;
    world.cluster.until("the first host to lead", || Ok(leads(8099)?.then_some(())))?;
    let second = host::start(world, "second", 8098)?;
    let app = App::new(world, "handover")?;
    app.create()?;
    app.until("FreshVolume")?;
    ensure!(leads(8099)? && !leads(8098)?, "{}", second.log()?);
    ensure!(!second.log()?.contains("\"carried out\""), "{}", second.log()?);

    let status = first.terminate()?;
    ensure!(status.success(), "{status}");
    world.cluster.until("the second host to lead", || Ok(leads(8098)?.then_some(())))?;
    app.until("StartedFresh")?;
    app.namespace.run(CLAIM, "echo good > file")?;
    app.is_backed_up("file")
}

/// VolSync would start the movers of all claims at once.
fn claims_are_restored_and_first_backed_up_one_after_the_other_where_settings_say_so(
    world: &World,
) -> anyhow::Result<()> {
    let world = &World::without_host(&world.store)?;
    host::install(world)?;
    let mut settings = host::settings();
    settings["restore"] = json!({"maxConcurrent": 1});
    settings["backup"] = json!({"maxConcurrentFirst": 1});
    world.namespace(host::NAMESPACE)?.apply(&host::config_map(&settings))?;
    let host = host::start(world, "host", 8099)?;
    let is_ready = || Ok(host::metrics(world, 8099)?.contains("\nvolsync_policy_leader 1\n").then_some(()));
    world.cluster.until("the host to lead", is_ready)?;
    let namespace = world.namespace("storm")?;
    let create = |name: &str, labels: Value, priority: &str| {
        namespace.create(&json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "labels": labels, "annotations": {PRIORITY: priority}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}},
        }))
    };
    // These volumes are older than their labels, so they are not restored.
    for name in ["old", "older"] {
        create(name, json!({}), "0")?;
        bound(&namespace, name)?;
    }
    for (name, priority) in [("one", "0"), ("other", "0"), ("urgent", "10")] {
        create(name, json!({"backup": "hourly"}), priority)?;
    }
    for name in ["old", "older"] {
        let label = json!({"metadata": {"labels": {"backup": "hourly"}}});
        namespace.patch("PersistentVolumeClaim", name, label)?;
    }
    let restored = ["one", "other", "urgent"];
    let in_order = |kind, suffix, claims: &[&str]| {
        let mut movers = Vec::new();
        for claim in claims {
            let is_done = |mover: &Value| mover.pointer("/status/lastSyncTime").is_some();
            let mover = namespace.wait(kind, &format!("{claim}-{suffix}"), "the end of its mover", is_done);
            let mover = mover.with_context(|| host.log().unwrap_or_default())?;
            let time = |at: &str| text(&mover, at).to_owned();
            movers.push((time("/metadata/creationTimestamp"), time("/status/lastSyncTime"), claim.to_string()));
        }
        movers.sort();
        let is_in_order = movers.iter().zip(movers.iter().skip(1)).all(|((_, end, _), (begin, ..))| end <= begin);
        ensure!(is_in_order, "{movers:?}\n{}", host.log()?);
        Ok(movers.pop().map(|(.., claim)| claim))
    };
    let last = in_order("ReplicationDestination", "restore", &restored)?;
    let told =
        |event: &Value| says(event, "/reason=RestoreQueued") && text(event, "/message").contains("ahead of this");
    ensure!(namespace.list("Event")?.iter().any(told), "{}", host.log()?);
    ensure!(last.is_some_and(|last| last != "urgent"), "{}", host.log()?);
    in_order("ReplicationSource", "backup", &[&restored[..], &["old", "older"]].concat()).map(drop)
}

fn a_claim_whose_backups_are_gone_is_held_until_a_person_accepts_the_hold(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "accepted")?;
    app.protect()?;
    app.is_remembered()?;
    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null)?;
    fs::remove_dir_all(world.store.bucket().join(app.repository()))?;

    app.create()?;
    app.until("DataExpected")?;
    let claim =
        app.namespace.wait("PersistentVolumeClaim", CLAIM, "the annotation", |claim| attention(claim).is_some())?;
    let told = attention(&claim).unwrap_or_default();
    ensure!(told.contains(" DataExpected: ") && told.contains("accept it: kubectl "), "{told}");
    ensure!(says(&claim, "/status/phase=Pending"));
    let metrics = host::metrics(world, 8099)?;
    let labels = "{namespace=\"accepted\",persistentvolumeclaim=\"data\",code=\"DataExpected\"} ";
    let since = format!("volsync_policy_attention_since_timestamp_seconds{labels}");
    ensure!(metrics.contains(&since), "{metrics}");
    let first = accept(world, &app, "DataExpected", "")?;
    bound(&app.namespace, CLAIM)?;
    // The person accepted that the claim starts empty. Whether its backup may run is another question.
    accept(world, &app, "DataExpected", &first)?;
    app.namespace.run(CLAIM, "echo new > file")?;
    app.namespace.wait("PersistentVolumeClaim", CLAIM, "no annotation", |claim| attention(claim).is_none())?;
    app.is_backed_up("file")
}

/// The snapshots disappear after the host has seen them, and before the mover looks for one.
fn a_restore_that_comes_back_empty_releases_nothing_and_is_repeated_once_the_backups_are_back(
    world: &World,
) -> anyhow::Result<()> {
    let app = App::new(world, "came-back-empty")?;
    app.protect()?;
    app.is_remembered()?;
    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null)?;
    // No mover is admitted, because it runs as root.
    let admits = |level: &str| {
        let label = format!("pod-security.kubernetes.io/enforce={level}");
        let arguments = ["label", "namespace", app.namespace.name(), label.as_str(), "--overwrite"];
        kubectl_does(world, &arguments, &Value::Null)
    };
    admits("restricted")?;
    app.create()?;
    app.until("RestoreFromBackup")?;
    app.namespace.wait("Job", "volsync-dst-data-restore", "the restore's Job", |job| !job.is_null())?;
    let repository = world.store.bucket().join(app.repository());
    fs::rename(repository.join("snapshots"), repository.with_file_name("lost"))?;
    admits("privileged")?;
    // VolSync says that the restore was successful, and may bind the claim before the host looks.
    let uid = text(&app.claim()?, "/metadata/uid").to_owned();
    let holds = ["RestoreCameBackEmpty", "SnapshotsGone"];
    let told = world.cluster.until("a hold", || {
        let told = app.told(&uid)?;
        Ok(told.iter().any(|code| holds.contains(&code.as_str())).then_some(told))
    })?;
    ensure!(app.source()?.is_null(), "a backup was released: {told:?}");

    fs::rename(repository.with_file_name("lost"), repository.join("snapshots"))?;
    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.create()?;
    app.until("Restored")?;
    ensure!(app.namespace.run(CLAIM, "cat file")? == "good\n");
    Ok(())
}

/// What the annotation of a claim says that a person has to do.
pub(crate) fn attention(claim: &Value) -> Option<&str> {
    claim.get("metadata")?.get("annotations")?.get(ATTENTION)?.as_str()
}

/// Accepts a hold with the command in its Event, once that differs from `earlier`. Returns the command.
fn accept(world: &World, app: &App<'_>, code: &str, earlier: &str) -> anyhow::Result<String> {
    let command = world.cluster.until("the command that accepts the hold", || {
        let told = app.note(code)?;
        let command = told.split("accept it: kubectl ").nth(1).with_context(|| told.clone())?;
        Ok((command != earlier).then(|| command.to_owned()))
    })?;
    let (arguments, hold) = command.split_once(" volsync-policy.io/accept=").with_context(|| command.clone())?;
    let hold = format!("volsync-policy.io/accept={}", hold.trim_matches('"').replace("<reason>", "lost in a fire"));
    let arguments: Vec<&str> = arguments.split(' ').chain([hold.as_str()]).collect();
    kubectl_does(world, &arguments, &Value::Null)?;
    Ok(command)
}

fn a_claim_that_loses_its_label_loses_its_backup_and_keeps_its_data(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "label")?;
    app.protect()?;
    app.namespace.patch("PersistentVolumeClaim", CLAIM, json!({"metadata": {"labels": {"backup": null}}}))?;
    app.until("OptedOut")?;
    app.namespace.wait("ReplicationSource", "data-backup", "its end", Value::is_null)?;
    ensure!(!snapshots(&world.store, &app.repository())?.is_empty());
    ensure!(app.namespace.run(CLAIM, "cat file")? == "good\n");
    Ok(())
}

/// The host watches no Secrets. VolSync reports the missing one in the ReplicationSource, which the host watches.
fn a_secret_that_is_deleted_is_created_again_once_volsync_misses_it(world: &World) -> anyhow::Result<()> {
    let app = App::new(world, "secret-deleted")?;
    app.protect()?;
    app.namespace.delete("Secret", "data-volsync-secret")?;
    app.namespace.wait("Secret", "data-volsync-secret", "its creation", |secret| !secret.is_null())?;
    app.namespace.run(CLAIM, "echo more > after")?;
    app.is_backed_up("after")
}

/// VolSync's populator takes any image of the ReplicationDestination, here one that is never ready.
fn a_claim_that_is_filled_from_the_image_of_an_earlier_one_starts_over(world: &World) -> anyhow::Result<()> {
    let world = &World::without_host(&world.store)?;
    let app = App::new(world, "earlier-image")?;
    let mut left = destination("data-restore", "data-volsync-secret", "earlier");
    left["metadata"]["labels"] = json!({MANAGED_BY: MANAGER});
    left["metadata"]["annotations"] = json!({CLAIM_UID: "earlier"});
    left["spec"]["paused"] = json!(true);
    app.namespace.create(&left)?;
    app.namespace.create(&json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": "never"},
        "spec": {"volumeSnapshotClassName": "folder", "source": {"persistentVolumeClaimName": "no-such-claim"}},
    }))?;
    let image = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "never"});
    app.namespace.patch_status("ReplicationDestination", "data-restore", json!({"status": {"latestImage": image}}))?;
    let prime = format!("vs-prime-{}", text(&app.create()?, "/metadata/uid"));
    let is_filling = |prime: &Value| says(prime, "/spec/dataSourceRef/name=never");
    app.namespace.wait("PersistentVolumeClaim", &prime, "the earlier image", is_filling)?;

    host::install(world)?;
    let _host = host::start(world, "host", 8099)?;
    app.until("StartedFresh")?;
    ensure!(app.told(text(&app.claim()?, "/metadata/uid"))?.contains(&"StaleRestore".to_owned()));
    Ok(())
}

/// No field of these objects conflicts with a manifest of the policy, so an apply would change them without an error.
fn an_object_of_somebody_else_is_never_touched(world: &World) -> anyhow::Result<()> {
    let names = [
        ("Secret", "data-volsync-secret"),
        ("ReplicationDestination", "data-restore"),
        ("ReplicationSource", "data-backup"),
    ];
    for (kind, name) in names {
        let app = App::new(world, &format!("foreign-{}", kind.to_lowercase()))?;
        let version = if kind == "Secret" { "v1" } else { "volsync.backube/v1alpha1" };
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
        match kind {
            "Secret" => object["immutable"] = json!(false),
            "ReplicationSource" => object["spec"] = json!({"sourcePVC": "other", "trigger": {"manual": "never"}}),
            _ => object["spec"] = json!({"trigger": {"manual": "never"}}),
        }
        app.namespace.create(&object)?;
        app.create()?;
        app.until("NotOurs")?;
        let left = app.namespace.get(kind, name)?;
        let managers = left["metadata"]["managedFields"].as_array().context("no managers")?;
        let ours = |it: &Value| text(it, "/manager").starts_with("volsync-policy");
        ensure!(!managers.iter().any(ours), "{kind}: {managers:#?}");
        ensure!(left["metadata"]["labels"].is_null(), "{left:#}");
        for (kind, other) in names.into_iter().filter(|(_, other)| *other != name) {
            ensure!(app.namespace.get(kind, other)?.is_null(), "{other} was created beside a foreign {name}");
        }
    }
    Ok(())
}

fn rotated_credentials_reach_every_secret_and_settings_that_are_not_valid_are_refused(
    world: &World,
) -> anyhow::Result<()> {
    let world = &World::start(&world.store)?;
    let app = App::new(world, "rotated-key")?;
    app.create()?;
    app.until("StartedFresh")?;
    let before = app.namespace.get("Secret", "data-volsync-secret")?;
    let settings = world.namespace(host::NAMESPACE)?;

    let mut rotated = secret("volsync-policy-base", "");
    rotated["stringData"]["AWS_DEFAULT_REGION"] = json!("us-east-1");
    rotated["stringData"]["RESTIC_PASSWORD"] = json!("another-password");
    settings.apply(&rotated)?;
    let after = app.namespace.wait("Secret", "data-volsync-secret", "the new key", |secret| {
        secret["data"]["AWS_DEFAULT_REGION"].is_string()
    })?;
    ensure!(after["data"]["RESTIC_PASSWORD"] == before["data"]["RESTIC_PASSWORD"], "the password was replaced");

    // Invalid settings cause an Event, and the previous ones stay in force.
    settings.apply(&host::config_map(&json!({"schedules": {"minutely": "every minute"}})))?;
    let refused = world.cluster.until("the refusal", || {
        let events = settings.list("Event")?;
        Ok(events.into_iter().find(|event| says(event, "/reason=SettingsRefused")))
    })?;
    ensure!(text(&refused, "/message").contains("schedules.minutely"), "{refused:#}");
    let second = App::new(world, "still-served")?;
    second.create()?;
    second.until("StartedFresh")?;

    // Without base credentials new claims wait, and running backups continue.
    settings.apply(&host::config_map(&host::settings()))?;
    settings.delete("Secret", "volsync-policy-base")?;
    let third = App::new(world, "without-credentials")?;
    third.create()?;
    third.until("CredentialsMissing")?;
    app.namespace.run(CLAIM, "echo good > file")?;
    app.is_backed_up("file")?;
    ensure!(!says(&app.source()?, "/spec/paused=true"), "the backup was paused");
    settings.apply(&secret("volsync-policy-base", ""))?;
    third.until("StartedFresh").map(drop)
}

fn movers_need_no_rights_in_the_ledger_if_the_host_has_a_key_of_its_own(_: &World) -> anyhow::Result<()> {
    let store = store()?;
    let world = &World::start(&store)?;
    let namespace = world.namespace(host::NAMESPACE)?;
    // At first, the store does not know the key that movers get.
    let [access, key] = GUEST;
    let of_movers = |key: &str| {
        let mut secret = secret("volsync-policy-base", "");
        secret["stringData"]["AWS_ACCESS_KEY_ID"] = json!(access);
        secret["stringData"]["AWS_SECRET_ACCESS_KEY"] = json!(key);
        secret
    };
    namespace.apply(&of_movers("another-key"))?;
    let mut settings = host::settings();
    settings["credentials"] = json!({"hostSecret": "store"});
    namespace.apply(&host::config_map(&settings))?;
    let app = App::new(world, "own-key")?;
    app.create()?;
    app.until("LedgerUnread")?;

    let key_of_host = json!({"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY});
    let mut of_host = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "store"}});
    of_host["stringData"] = key_of_host;
    namespace.apply(&of_host)?;
    app.until("FreshVolume")?;
    let derived = app.namespace.get("Secret", "data-volsync-secret")?;
    ensure!(!derived.to_string().contains(&STANDARD.encode(SECRET_KEY)), "a mover gets the host's key");
    // The right key reaches the mover of the restore that has failed without it.
    app.namespace
        .wait("Job", "volsync-dst-data-restore", "a failed pod", |job| job.pointer("/status/failed").is_some())?;
    rights::a_log_is_read(world)?;
    let [bucket, ledger] = ["", "/.volsync-policy/*"].map(|below| format!("arn:aws:s3:::{BUCKET}{below}"));
    let statement = |effect: &str, resources: &[&String]| {
        let principal = json!({"AWS": [access]});
        json!({"Effect": effect, "Principal": principal, "Action": "s3:*", "Resource": resources})
    };
    let all = format!("{bucket}/*");
    let statements = [statement("Allow", &[&bucket, &all]), statement("Deny", &[&ledger])];
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    Bucket::of(&store, &secret("base", ""))?.allow(&policy)?;
    namespace.apply(&of_movers(key))?;
    app.until("StartedFresh")?;
    app.namespace.run(CLAIM, "echo good > file")?;
    app.is_backed_up("file")?;
    app.is_remembered()?;
    let of_movers = Bucket::of(&store, &of_movers(key))?;
    ensure!(of_movers.get(MARKER) == json!({"failed": "denied"}), "a mover reads the ledger");
    ensure!(of_movers.put(&entry_key(&app.repository()), "{}").is_err(), "a mover writes to the ledger");

    namespace.delete("Secret", "store")?;
    let second = App::new(world, "no-key")?;
    second.create()?;
    second.until("LedgerUnread").map(drop)
}

fn a_store_with_a_certificate_of_its_own_authority_is_used_once_the_base_credentials_name_the_authority(
    _: &World,
) -> anyhow::Result<()> {
    let store = Arc::new(Store::start_with_own_authority(&root().join("target/cluster"))?);
    let world = &World::without_host(&store)?;
    let authority = fs::read_to_string(store.authority().context("no authority")?)?;
    let credentials = |name: &str, address: &str| {
        let mut secret = secret(name, "");
        secret["stringData"]["RESTIC_REPOSITORY"] = json!(format!("s3:https://{address}/{BUCKET}"));
        secret
    };
    let base = || credentials("volsync-policy-base", STORE);
    let trusting = |mut secret: Value| {
        secret["stringData"]["ca.crt"] = json!(authority);
        secret
    };
    let files = tempfile::tempdir()?;
    fs::write(files.path().join("settings"), host::settings().to_string())?;
    fs::write(files.path().join("base"), trusting(credentials("base", &store.address().to_string())).to_string())?;
    let mut init = Command::new(host::program()?);
    init.args(["ledger", "init", "--settings", "settings", "--credentials", "base", "--store-id", STORE_ID]);
    let begun = init.current_dir(files.path()).output()?;
    ensure!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));

    host::install(world)?;
    let settings = world.namespace(host::NAMESPACE)?;
    settings.apply(&base())?;
    let _host = host::start(world, "host", 8099)?;
    let app = App::new(world, "own-authority")?;
    app.create()?;
    app.until("LedgerUnread")?;
    settings.apply(&trusting(base()))?;
    app.until("StartedFresh")?;
    app.namespace.run(CLAIM, "echo good > file")?;
    app.is_backed_up("file")?;

    app.namespace.delete("PersistentVolumeClaim", CLAIM)?;
    app.create()?;
    ensure!(app.namespace.run(CLAIM, "cat file")? == "good\n");
    app.until("Restored")?;
    app.namespace.run(CLAIM, "echo more > after")?;
    app.is_backed_up("after")
}
