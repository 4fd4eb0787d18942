//! What a cluster and its store lack, and what each lack costs. The first part reads; the rules are below it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use volsync_policy::evidence::{Failure, Timestamp};
use volsync_policy::ledger::{ConditionalWrites, Marker};
use volsync_policy::maintenance::{BaseRepository, MarkerFault};
use volsync_policy::names::{SNAPSHOT_VERSION, VOLSYNC_VERSION};
use volsync_policy::{ObjectRef, Shared};

use crate::api::Refusal;
use crate::cluster::Cluster;
use crate::health::LONGEST_SILENCE;
use crate::store::{Stores, answer};
use crate::survey::now;

/// The release of VolSync whose movers were watched: what their logs say is taken from it.
const VERIFIED: &str = "0.16";

/// The oldest minor version of Kubernetes 1 in which a claim may name a ReplicationDestination as its data source.
const OLDEST: u32 = 24;

/// How far two clocks may be apart, in seconds.
const LONGEST_SKEW: u64 = 60;

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in one or two words.
    pub topic: &'static str,
    /// Whether it is as it should be; `None` if that is not known.
    pub is_well: Option<bool>,
    /// What was found.
    pub found: String,
    /// What it costs; empty if it is well.
    pub cost: &'static str,
}

impl Finding {
    fn well(topic: &'static str, found: impl Into<String>) -> Self {
        Finding { topic, is_well: Some(true), found: found.into(), cost: "" }
    }

    fn lack(topic: &'static str, found: impl Into<String>, cost: &'static str) -> Self {
        Finding { topic, is_well: Some(false), found: found.into(), cost }
    }

    fn unknown(topic: &'static str, found: impl Into<String>, cost: &'static str) -> Self {
        Finding { topic, is_well: None, found: found.into(), cost }
    }
}

impl Cluster {
    /// Looks at everything that the policy needs: the cluster, VolSync, the host, the ledger, and the person's rights.
    /// What cannot be read is a finding, too.
    pub fn doctor(&self) -> Vec<Finding> {
        self.block_on(async {
            let mut findings = vec![self.kubernetes().await, self.volsync().await];
            findings.extend(self.classes().await);
            findings.push(self.host().await);
            findings.extend(self.ledger().await);
            findings.extend(self.rights().await);
            findings
        })
    }

    async fn kubernetes(&self) -> Finding {
        match self.api().at("/version").await {
            Ok(version) => kubernetes(version.get("gitVersion").and_then(Value::as_str).unwrap_or_default()),
            Err(refusal) => Finding::unknown("Kubernetes", refusal.as_str(), "its version is not known"),
        }
    }

    async fn volsync(&self) -> Finding {
        if let Err(Refusal::Absent) = self.api().at(&format!("/apis/{VOLSYNC_VERSION}")).await {
            return volsync(None);
        }
        let deployments = "/apis/apps/v1/deployments?labelSelector=app.kubernetes.io%2Fname%3Dvolsync";
        match self.api().at(deployments).await {
            Ok(list) => {
                let containers = list.pointer("/items/0/spec/template/spec/containers").and_then(Value::as_array);
                let images = containers.into_iter().flatten().filter_map(|it| it.get("image")?.as_str());
                let images: Vec<&str> = images.collect();
                volsync(Some(&images))
            }
            Err(refusal) => Finding::unknown("VolSync", format!("its Deployment: {}", refusal.as_str()), UNVERIFIED),
        }
    }

    /// The snapshot classes for the storage classes of labelled claims.
    async fn classes(&self) -> Vec<Finding> {
        let read = async {
            let shared = json!({"settings": self.settings().await.ok()?}).to_string();
            let label = Shared::from_json(shared.as_bytes()).ok()?.label().to_owned();
            let claims = format!("/api/v1/persistentvolumeclaims?labelSelector={label}");
            let snapshots = format!("/apis/{SNAPSHOT_VERSION}/volumesnapshotclasses");
            let claims = self.api().at(&claims).await.ok()?;
            let storage = self.api().at("/apis/storage.k8s.io/v1/storageclasses").await.ok()?;
            let snapshots = match self.api().at(&snapshots).await {
                Err(Refusal::Absent) => json!({}),
                snapshots => snapshots.ok()?,
            };
            Some(classes(&claims, &storage, &snapshots))
        };
        let unread = || vec![Finding::unknown("snapshots", "claims or classes could not be read", NO_SNAPSHOTS)];
        read.await.unwrap_or_else(unread)
    }

    async fn host(&self) -> Finding {
        match self.sign_of_life().await {
            Ok(host) => host_finding(host, now()),
            Err(error) => Finding::unknown("host", error.to_string(), NO_HOST),
        }
    }

    async fn ledger(&self) -> Vec<Finding> {
        let unread = |why: String| vec![Finding::unknown("ledger", why, NO_LEDGER)];
        let (settings, credentials, key) = match self.settings_and_credentials().await {
            Ok(read) => read,
            Err(error) => return unread(error.to_string()),
        };
        let shared = json!({"settings": settings, "credentials": credentials}).to_string();
        let base = Shared::from_json(shared.as_bytes()).map_err(|error| error.to_string());
        let base = match base.and_then(|shared| BaseRepository::of(shared).map_err(|error| error.to_string())) {
            Ok(base) => base,
            Err(error) => {
                return vec![Finding::lack("settings", error, "the host keeps the previous ones, or does nothing")];
            }
        };
        let stores = match Stores::of_command() {
            Ok(stores) => stores,
            Err(error) => return unread(error.to_string()),
        };
        let bucket = match stores.bucket(&credentials, key.as_ref().unwrap_or(&credentials)) {
            Ok(bucket) => bucket,
            Err(failure) => return unread(format!("the base credentials name no bucket: {}", failure.as_str())),
        };
        let seen = answer(bucket.get(&base.marker_key()).await);
        let date = seen.get("date").and_then(Value::as_str).and_then(Timestamp::parse_http);
        let marker = ledger(base.marker(&seen), base.store_id());
        [marker].into_iter().chain(date.map(|date| clock(date, now()))).collect()
    }

    /// What the person may do, as far as commands need it.
    async fn rights(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (verb, group, resource, cost) in RIGHTS {
            let review = ObjectRef::new("authorization.k8s.io/v1", "SelfSubjectAccessReview", None, "");
            let attributes = json!({"verb": verb, "group": group, "resource": resource});
            let body = json!({"apiVersion": review.api_version, "kind": review.kind,
                              "spec": {"resourceAttributes": attributes}});
            let what = format!("{verb} {resource}");
            let answer = self.api().create(&review, &body, "volsync-policy-command").await;
            findings.push(match answer.ok().and_then(|it| it.pointer("/status/allowed").and_then(Value::as_bool)) {
                Some(true) => Finding::well("your rights", what),
                Some(false) => Finding::lack("your rights", format!("you may not {what} in all namespaces"), cost),
                None => Finding::unknown("your rights", format!("it is not known whether you may {what}"), cost),
            });
        }
        findings
    }
}

/// What commands need: verb, API group, resource, and what the lack costs.
const RIGHTS: [(&str, &str, &str, &str); 4] = [
    ("list", "", "persistentvolumeclaims", "`status` and `audit` work for single namespaces only"),
    ("list", "volsync.backube", "replicationsources", "`status` and `audit` work for single namespaces only"),
    ("get", "", "secrets", "`look` and `hold accept` cannot read what the host reads"),
    ("patch", "", "persistentvolumeclaims", "`hold accept` cannot write"),
];

const UNVERIFIED: &str = "what a restore did is read from its mover's log, in the words of VolSync 0.16: if they \
    differ, restored claims are held with `RestoreUnverified`";
const NO_SNAPSHOTS: &str = "claims of this class can be neither backed up nor restored by snapshots; how they are \
    backed up is set per storage class, with `storageClasses` in settings";
const NO_HOST: &str = "nothing is restored or released; backups that run continue";
const NO_LEDGER: &str = "new claims are held, because it is unknown whether they ever had a backup; backups that run \
    continue";

fn kubernetes(version: &str) -> Finding {
    let minor = version.strip_prefix("v1.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    match minor {
        Some(minor) if minor >= OLDEST => Finding::well("Kubernetes", version),
        Some(_) => Finding::lack(
            "Kubernetes",
            version,
            "a claim cannot wait for its restore, which needs 1.24 or later: it binds empty, and is held",
        ),
        None => Finding::unknown("Kubernetes", version, "its version is not known"),
    }
}

/// VolSync by the images of its Deployment; `None` if its kinds are not there.
fn volsync(images: Option<&[&str]>) -> Finding {
    let Some(images) = images else {
        return Finding::lack("VolSync", "not installed", "nothing is backed up or restored");
    };
    let tag = |image: &&&str| image.contains("volsync");
    let version = images.iter().find(tag).and_then(|image| image.split('@').next()?.rsplit_once(':'));
    let version = version.map(|(_, tag)| tag.trim_start_matches('v'));
    match version {
        Some(version) if version == VERIFIED || version.starts_with(&format!("{VERIFIED}.")) => {
            Finding::well("VolSync", version)
        }
        Some(version) => Finding::lack("VolSync", version.escape_debug().to_string(), UNVERIFIED),
        None => Finding::unknown("VolSync", "installed, and its version is not known", UNVERIFIED),
    }
}

/// The snapshot classes for the storage classes of these claims, one finding each.
fn classes(claims: &Value, storage: &Value, snapshots: &Value) -> Vec<Finding> {
    let items = |list: &Value| list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |object: &Value, at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let in_use: BTreeSet<String> = items(claims).iter().map(|claim| text(claim, "/spec/storageClassName")).collect();
    let storage = items(storage);
    let provisioners: BTreeMap<String, String> =
        storage.iter().map(|class| (text(class, "/metadata/name"), text(class, "/provisioner"))).collect();
    let default = "/metadata/annotations/snapshot.storage.kubernetes.io~1is-default-class";
    let snapshots = items(snapshots);
    let of_driver = |driver: &str| snapshots.iter().filter(|class| text(class, "/driver") == driver).count();
    let defaults = |driver: &str| {
        let of_driver = snapshots.iter().filter(|class| text(class, "/driver") == driver);
        of_driver.filter(|class| text(class, default) == "true").count()
    };
    let finding = |class: String| {
        let Some(driver) = provisioners.get(&class) else {
            return Finding::unknown("snapshots", format!("there is no storage class `{class}`"), NO_SNAPSHOTS);
        };
        match (of_driver(driver), defaults(driver)) {
            (0, _) => {
                Finding::lack("snapshots", format!("`{class}`: no VolumeSnapshotClass for {driver}"), NO_SNAPSHOTS)
            }
            (_, 1) => Finding::well("snapshots", format!("`{class}`: {driver} has a default VolumeSnapshotClass")),
            (_, _) => Finding::unknown(
                "snapshots",
                format!("`{class}`: {driver} has no default VolumeSnapshotClass, or several"),
                "unless settings name one, `volumeSnapshotClassName`, no snapshot is taken",
            ),
        }
    };
    in_use.into_iter().filter(|class| !class.is_empty()).map(finding).collect()
}

fn host_finding(host: Option<Timestamp>, now: Timestamp) -> Finding {
    match host {
        Some(at) if now.since(at) <= LONGEST_SILENCE => Finding::well("host", format!("its Lease was renewed at {at}")),
        Some(at) => Finding::lack("host", format!("its Lease was last renewed at {at}"), NO_HOST),
        None => Finding::lack("host", "nobody holds the Lease", NO_HOST),
    }
}

/// The ledger by its marker; settings should name the id of the store.
fn ledger(marker: Result<Marker, MarkerFault>, store_id: Option<&str>) -> Finding {
    match marker {
        Err(MarkerFault::Unread(failure)) if failure != Failure::StoreMissing => {
            Finding::unknown("ledger", MarkerFault::Unread(failure).to_string(), NO_LEDGER)
        }
        Err(fault) => Finding::lack("ledger", fault.to_string(), NO_LEDGER),
        Ok(_) if store_id.is_none() => {
            Finding::lack("ledger", "settings have no `ledger.storeId`", "a wrong bucket or prefix is not noticed")
        }
        Ok(Marker { conditional_writes: Some(ConditionalWrites::Proven), .. }) => {
            Finding::well("ledger", "the store honours conditional writes")
        }
        Ok(Marker { conditional_writes: Some(ConditionalWrites::None), .. }) => {
            Finding::well("ledger", "the store does not honour conditional writes, so entries are numbered")
        }
        Ok(_) => Finding::unknown(
            "ledger",
            "it is not known whether the store honours conditional writes: `ledger verify --probe` finds out",
            "without them, two clusters could age out each other's backups",
        ),
    }
}

fn clock(store: Timestamp, own: Timestamp) -> Finding {
    match store.since(own).max(own.since(store)) {
        skew if skew <= LONGEST_SKEW => Finding::well("clock", "that of the store and of this machine agree"),
        skew => Finding::lack(
            "clock",
            format!("that of the store and of this machine differ by {skew} seconds"),
            "ages in `status` and `audit` are wrong; S3 refuses requests if they differ by fifteen minutes",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_judged_by_what_they_can_do() {
        let well = |version| kubernetes(version).is_well;
        assert_eq!(
            ["v1.36.0", "v1.24.1-eks-1", "v1.23.9", "odd"].map(well),
            [Some(true), Some(true), Some(false), None]
        );
        let well = |images: &[&str]| volsync(Some(images)).is_well;
        assert_eq!(well(&["quay.io/brancz/kube-rbac-proxy:v0.18.0", "quay.io/backube/volsync:0.16.0"]), Some(true));
        assert_eq!(well(&["quay.io/backube/volsync:v0.16.1@sha256:0000"]), Some(true));
        assert_eq!(well(&["quay.io/backube/volsync:0.17.0"]), Some(false));
        assert_eq!(well(&["quay.io/backube/volsync:0.160.0"]), Some(false));
        assert_eq!(well(&["localhost/volsync@sha256:0000"]), None);
        assert_eq!(volsync(None).is_well, Some(false));
    }

    #[test]
    fn each_storage_class_in_use_needs_a_snapshot_class_of_its_driver() {
        let list = |items: Value| json!({ "items": items });
        let claim = |class: Option<&str>| json!({"spec": {"storageClassName": class}});
        let claims = list(json!([
            claim(Some("fast")),
            claim(Some("fast")),
            claim(Some("nfs")),
            claim(Some("odd")),
            claim(None)
        ]));
        let storage = list(json!([{"metadata": {"name": "fast"}, "provisioner": "f"},
            {"metadata": {"name": "nfs"}, "provisioner": "n"}, {"metadata": {"name": "unused"}, "provisioner": "u"}]));
        let snapshot = |driver: &str, is_default: &str| {
            let annotations = json!({"snapshot.storage.kubernetes.io/is-default-class": is_default});
            json!({"driver": driver, "metadata": {"annotations": annotations}})
        };
        let well = |snapshots: Value| -> Vec<Option<bool>> {
            classes(&claims, &storage, &list(snapshots)).iter().map(|finding| finding.is_well).collect()
        };
        assert_eq!(well(json!([snapshot("f", "true")])), [Some(true), Some(false), None]);
        assert_eq!(well(json!([snapshot("f", "false"), snapshot("n", "true")])), [None, Some(true), None]);
        assert_eq!(well(json!([snapshot("f", "true"), snapshot("f", "true")])), [None, Some(false), None]);
    }

    #[test]
    fn a_ledger_is_well_if_it_is_the_pinned_one_and_it_is_known_what_the_store_honours() {
        let marker = |conditional_writes| Marker { conditional_writes, ..Marker::new("a") };
        let known = [ConditionalWrites::Proven, ConditionalWrites::None].map(Some);
        for known in known {
            assert_eq!(ledger(Ok(marker(known)), Some("a")).is_well, Some(true));
        }
        assert_eq!(ledger(Ok(marker(None)), Some("a")).is_well, None);
        assert_eq!(ledger(Ok(marker(known[0])), None).is_well, Some(false));
        assert_eq!(ledger(Err(MarkerFault::Absent), Some("a")).is_well, Some(false));
        assert_eq!(ledger(Err(MarkerFault::Unread(Failure::Unreachable)), Some("a")).is_well, None);
    }

    #[test]
    fn a_host_that_is_silent_and_clocks_that_differ_are_lacks() {
        let at = Timestamp::from_unix;
        assert_eq!(host_finding(Some(at(1_000)), at(1_300)).is_well, Some(true));
        assert_eq!(host_finding(Some(at(1_000)), at(1_301)).is_well, Some(false));
        assert_eq!(host_finding(None, at(1_301)).is_well, Some(false));
        assert_eq!(clock(at(1_000), at(1_060)).is_well, Some(true));
        assert_eq!(clock(at(1_061), at(1_000)).is_well, Some(false));
    }
}
