//! Raw objects: the JSON that the API server returns for the model's objects.
//!
//! A host applies manifests as the policy rendered them, so these objects start from manifests of the policy.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use volsync_policy::evidence::Expectation;
use volsync_policy::names::{
    ACCEPT, CLAIM_UID, CONSUMED, EXPECTS, MANAGED_BY, POPULATED_FROM, RELEASED, SNAPSHOT_VERSION, SPENT, populator,
};
use volsync_policy::{HoldId, Part, Plan, Review, plan};

use crate::answer::shared;
use crate::naming::{CLAIM, DRIVER, NAMESPACE, number, path_where, repository, uid, uid_of_prime};
use crate::objects::{Claim, Destination, Id, Image, Log, Path, Prime, Record, Secret, Source};
use crate::seen::Volume;
use crate::stored::{CAPACITY, REASON, read_record, write_record};
use crate::version::Stored;

/// The manifests of a plan.
pub(crate) fn manifests(plan: &Plan) -> Value {
    let mut plan: Value = serde_json::from_slice(&plan.to_json()).expect("a plan is JSON");
    plan["manifests"].take()
}

/// One of the manifests of a plan.
pub(crate) fn manifest(manifests: &Value, part: Part) -> &Value {
    &manifests[part.as_str()]["object"]
}

/// A manifest for the claim with that uid, as it is rendered.
fn rendered(part: Part, claim: Id) -> Value {
    static MANIFESTS: LazyLock<Value> = LazyLock::new(|| {
        let claim = Claim {
            uid: 1,
            is_sourced: true,
            is_labelled: true,
            volume: None,
            populated_from: None,
            record: None,
            hold: None,
            accepted: Vec::new(),
            spent: Vec::new(),
            answered: None,
            is_known: false,
        };
        let review = json!({"request": self::claim(&claim)});
        manifests(&plan(&Review::under(shared(Path::Right), review.to_string().as_bytes()).expect("a review")))
    });
    let mut object = manifest(&MANIFESTS, part).clone();
    object["metadata"]["annotations"][CLAIM_UID] = uid(claim).into();
    object["metadata"]["ownerReferences"][0]["uid"] = uid(claim).into();
    object
}

/// The claim that a manifest was rendered for.
fn claim_in(manifest: &Value) -> Id {
    number(annotation(manifest, CLAIM_UID).expect("ours names its claim"))
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// The Secret as it is rendered.
fn rendered_secret(claim: Id, path: Path) -> Value {
    let mut object = rendered(Part::Secret, claim);
    object["data"]["RESTIC_REPOSITORY"] = STANDARD.encode(repository(path)).into();
    object
}

/// The claim and the place in a Secret that is applied.
pub(crate) fn secret_in(manifest: &Value) -> (Id, Path) {
    let points_at = |path| manifest["data"]["RESTIC_REPOSITORY"] == STANDARD.encode(repository(path));
    let (claim, path) = (claim_in(manifest), path_where(points_at));
    assert_eq!(*manifest, rendered_secret(claim, path), "it is stored as it is applied");
    (claim, path)
}

/// The ReplicationDestination as it is rendered.
fn rendered_destination(claim: Id, expects: Expectation) -> Value {
    let mut object = rendered(Part::Destination, claim);
    object["metadata"]["annotations"][EXPECTS] = expects.as_str().into();
    object["spec"]["trigger"]["manual"] = format!("auto-restore-{}", uid(claim)).into();
    object
}

/// The claim, and whether nothing is expected, in a ReplicationDestination that is created.
pub(crate) fn destination_in(manifest: &Value) -> (Id, Expectation) {
    let claim = claim_in(manifest);
    let all = [Expectation::Data, Expectation::AcceptedData, Expectation::Nothing, Expectation::AcceptedNothing];
    let expects = all.into_iter().find(|it| annotation(manifest, EXPECTS) == Some(it.as_str())).expect("it expects");
    assert_eq!(*manifest, rendered_destination(claim, expects), "it is stored as it is applied");
    (claim, expects)
}

/// The ReplicationSource as it is rendered.
fn rendered_source(claim: Id, is_paused: bool, record: Option<&Record>) -> Value {
    let mut object = rendered(Part::Source, claim);
    object["metadata"]["annotations"]
        .as_object_mut()
        .expect("it names its claim")
        .extend(record.map(|record| (RELEASED.to_owned(), write_record(record).into())));
    let spec = object["spec"].as_object_mut().expect("it has one");
    spec.remove("paused");
    spec.extend(is_paused.then(|| ("paused".to_owned(), true.into())));
    object
}

/// The claim, whether it is paused, and the record in a ReplicationSource that is applied.
pub(crate) fn source_in(manifest: &Value) -> (Id, bool, Option<Record>) {
    let (claim, is_paused) = (claim_in(manifest), manifest["spec"]["paused"] == true);
    let record = annotation(manifest, RELEASED).map(read_record);
    assert_eq!(*manifest, rendered_source(claim, is_paused, record.as_ref()), "it is stored as it is applied");
    (claim, is_paused, record)
}

/// An object as it is stored.
fn stored(mut object: Value, of: &impl Stored, is_foreign: bool) -> Value {
    object["metadata"]["uid"] = uid(of.uid()).into();
    object["metadata"]["resourceVersion"] = of.version().to_string().into();
    if is_foreign {
        let metadata = object["metadata"].as_object_mut().expect("an object");
        metadata.retain(|key, _| !["annotations", "ownerReferences"].contains(&key.as_str()));
        object["metadata"]["labels"] = json!({MANAGED_BY: "somebody"});
    }
    object
}

pub(crate) fn namespace(name: &str, uid: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": uid}})
}

pub(crate) fn claim(claim: &Claim) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": NAMESPACE, "labels": {}, "annotations": {}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": CAPACITY}}},
        "status": {"phase": if claim.volume.is_some() { "Bound" } else { "Pending" }},
    });
    if claim.is_labelled {
        object["metadata"]["labels"]["backup"] = "hourly".into();
    }
    if claim.is_sourced {
        let name = format!("{CLAIM}-restore");
        object["spec"]["dataSourceRef"] =
            json!({"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": name});
    }
    if let Some(volume) = claim.volume {
        object["spec"]["volumeName"] = uid(volume).into();
        object["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] = "yes".into();
    }
    if let Some(record) = &claim.record {
        object["metadata"]["annotations"][RELEASED] = write_record(record).into();
    }
    if !claim.accepted.is_empty() {
        let holds = claim.accepted.iter().map(|hold| hold.id.to_string()).collect::<Vec<String>>().join(",");
        object["metadata"]["annotations"][ACCEPT] = format!("{holds} {REASON}").into();
    }
    if !claim.spent.is_empty() {
        let ids: Vec<String> = claim.spent.iter().map(HoldId::to_string).collect();
        object["metadata"]["annotations"][SPENT] = ids.join(",").into();
    }
    stored(object, claim, false)
}

pub(crate) fn volume(Volume { id, claim, populated_from }: &Volume) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": uid(*id), "uid": format!("pv-{id}"), "annotations": {}},
        "spec": {"claimRef": {"namespace": NAMESPACE, "name": CLAIM, "uid": uid(*claim)},
                 "csi": {"driver": DRIVER, "volumeHandle": uid(*id)}},
    });
    if let Some(image) = populated_from {
        object["metadata"]["annotations"][POPULATED_FROM] = format!("{NAMESPACE}/{}", uid(*image)).into();
    }
    object
}

pub(crate) fn prime(prime: &Prime) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": populator(&uid(prime.claim)), "namespace": NAMESPACE, "uid": uid_of_prime(prime)},
        "spec": {"dataSourceRef": {
            "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": uid(prime.image)}},
    })
}

pub(crate) fn secret(secret: &Secret) -> Value {
    stored(rendered_secret(secret.claim, secret.path), secret, secret.is_foreign)
}

pub(crate) fn destination(destination: &Destination) -> Value {
    let Destination { claim, expects, started, log, image, noted, .. } = destination;
    let mut object = stored(rendered_destination(*claim, *expects), destination, false);
    if let Some(image) = noted {
        object["metadata"]["annotations"][CONSUMED] = uid(*image).into();
    }
    match log {
        Some(log) => {
            let log = match log {
                Log::Restored(id) => format!("restoring snapshot {id:08x} of [/data]\nRestic completed in 3s"),
                Log::Nothing => "No data will be restored".to_owned(),
                Log::Lost => String::new(),
            };
            object["status"] = json!({
                "lastManualSync": object["spec"]["trigger"]["manual"],
                "latestMoverStatus": {"result": "Successful", "logs": log},
            });
        }
        None if started.is_some() => object["status"] = json!({"lastSyncStartTime": "2026-11-02T00:00:00Z"}),
        None => {}
    }
    if let Some(image) = image {
        object["status"]["latestImage"] =
            json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": uid(*image)});
    }
    object
}

pub(crate) fn source(source: &Source) -> Value {
    let rendered = rendered_source(source.claim, source.is_paused, source.record.as_ref());
    let mut object = stored(rendered, source, source.is_foreign);
    if source.cut.is_some() {
        object["status"]["lastSyncStartTime"] = "2026-11-02T00:00:00Z".into();
    }
    if let Some(id) = source.saved {
        let log = format!("snapshot {id:08x} saved\nRestic completed in 3s");
        object["status"]["latestMoverStatus"] = json!({"result": "Successful", "logs": log});
    }
    object
}

/// The VolumeSnapshot of a restore.
pub(crate) fn image(image: &Image) -> Value {
    json!({
        "apiVersion": SNAPSHOT_VERSION, "kind": "VolumeSnapshot",
        "metadata": {"name": uid(image.id), "namespace": NAMESPACE, "uid": uid(image.id),
                     "ownerReferences": [{"kind": "ReplicationDestination", "uid": uid(image.owner)}]},
    })
}
