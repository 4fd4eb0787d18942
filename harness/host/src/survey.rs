//! A survey of a cluster: how all of its claims stand. It reads lists, page by page, and nothing about a single claim.

use std::collections::HashMap;
use std::time::SystemTime;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use volsync_policy::evidence::Timestamp;
use volsync_policy::ledger::read_record;
use volsync_policy::names::{ATTENTION, CLAIM_UID, CREATED_BY, MANAGED_BY, MANAGER, RELEASED, VOLSYNC_VERSION};
use volsync_policy::{ObjectRef, Review, Shared};

use crate::api::{ApiServer, Refusal};
use crate::backup::{Backup, Source};
use crate::claim::ClaimKey;
use crate::cluster::Cluster;
use crate::health::{Facts, Health};
use crate::metadata::Metadata;

/// How all claims stand.
#[derive(Debug, Clone)]
pub struct Survey {
    /// When it was made.
    pub at: Timestamp,
    /// When a host last gave a sign of life.
    pub host: Option<Timestamp>,
    /// The claims, the worst first.
    pub claims: Vec<Surveyed>,
}

/// How one claim stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Surveyed {
    /// How it stands.
    pub health: Health,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When the last run of its ReplicationSource ended.
    pub last_backup: Option<Timestamp>,
}

/// Which claims are surveyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those with the label.
    Labelled,
    /// All.
    All,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    metadata: PageMetadata,
    #[serde(default = "Vec::new")]
    items: Vec<T>,
}

#[derive(Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: String,
}

/// A claim. It is also passed to the policy, as it is.
#[derive(Deserialize)]
struct Claim {
    metadata: Map<String, Value>,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: ClaimStatus,
}

#[derive(Default, Deserialize)]
struct ClaimStatus {
    #[serde(default)]
    phase: String,
}

#[derive(Deserialize)]
struct Destination {
    metadata: Metadata,
}

/// What the host has created for claims, by the claim's uid, and what others have created, by the claim's name.
#[derive(Default)]
struct Created {
    restores: HashMap<String, String>,
    backups: HashMap<String, (String, Backup)>,
    others: HashMap<ClaimKey, Option<Timestamp>>,
}

impl Cluster {
    /// How the claims of a namespace stand, or of all namespaces.
    ///
    /// # Errors
    ///
    /// Settings or a list cannot be read.
    pub fn survey(&self, namespace: Option<&str>, scope: Scope) -> anyhow::Result<Survey> {
        self.block_on(async {
            let shared = json!({"settings": self.settings().await?}).to_string();
            let shared = Shared::from_json(shared.as_bytes())?;
            let selector = (scope == Scope::Labelled).then(|| shared.label());
            let (api, ours) = (self.api(), format!("{MANAGED_BY}={MANAGER}"));
            let (sources, destinations, claims, host) = tokio::try_join!(
                list::<Source>(api, (VOLSYNC_VERSION, "ReplicationSource"), namespace, None),
                list::<Destination>(api, (VOLSYNC_VERSION, "ReplicationDestination"), namespace, Some(&ours)),
                list::<Claim>(api, ("v1", "PersistentVolumeClaim"), namespace, selector),
                self.sign_of_life(),
            )?;
            let created = Created::of(sources, destinations);
            let at = now();
            let claims = claims.into_iter().map(|claim| created.surveyed(claim, &shared, host, at));
            let mut claims: Vec<Surveyed> = claims.collect::<Result<_, _>>()?;
            claims.sort();
            Ok(Survey { at, host, claims })
        })
    }

    /// When a host last renewed its Lease.
    pub(crate) async fn sign_of_life(&self) -> anyhow::Result<Option<Timestamp>> {
        let lease = self.lease();
        match self.api().get(&lease).await {
            Ok(lease) => {
                let holder = lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default();
                let renewed = lease.pointer("/spec/renewTime").and_then(Value::as_str).and_then(Timestamp::parse);
                Ok(renewed.filter(|_| !holder.is_empty()))
            }
            Err(Refusal::Absent) => Ok(None),
            Err(refusal) => bail!(
                "the Lease {}/{} could not be read: {}",
                lease.namespace.unwrap_or_default(),
                lease.name,
                refusal.as_str()
            ),
        }
    }
}

impl Created {
    fn of(sources: Vec<Source>, destinations: Vec<Destination>) -> Self {
        let mut created = Created::default();
        for Destination { mut metadata } in destinations {
            if let Some(uid) = metadata.annotations.remove(CLAIM_UID) {
                created.restores.insert(uid, metadata.name);
            }
        }
        for source in sources {
            let (is_ours, backup) = (source.is_ours(), source.backup());
            let Source { mut metadata, spec, .. } = source;
            match metadata.annotations.remove(CLAIM_UID).filter(|_| is_ours) {
                Some(uid) => drop(created.backups.insert(uid, (metadata.name, backup))),
                // One of ours without a uid says nothing.
                None if is_ours => {}
                None => {
                    let claim = ClaimKey { namespace: metadata.namespace, name: spec.source_pvc };
                    created.others.insert(claim, backup.last);
                }
            }
        }
        created
    }

    fn surveyed(
        &self,
        claim: Claim,
        shared: &Shared,
        host: Option<Timestamp>,
        now: Timestamp,
    ) -> anyhow::Result<Surveyed> {
        let Claim { mut metadata, spec, status } = claim;
        metadata.remove("managedFields");
        let is_deleted = metadata.contains_key("deletionTimestamp");
        let document = json!({"request": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
            "spec": spec, "status": {"phase": status.phase}}});
        let read: Metadata = serde_json::from_value(Value::Object(metadata)).context("a claim has odd metadata")?;
        let Metadata { namespace, name, uid, creation_timestamp: created, labels, mut annotations } = read;
        // A claim that is being deleted is not read any further.
        let coverage = match Review::under(shared, document.to_string().as_bytes()) {
            Ok(review) => review.coverage(),
            Err(error) => bail!("{namespace}/{name}: {error}"),
        };
        let record = annotations.get(RELEASED).and_then(|record| read_record(record).ok());
        let record = record.filter(|record| record.uid == uid);
        // What is named otherwise is not what the host looks at.
        let is_named = |restore: &String| coverage.eligible().is_none_or(|it| it.destination == *restore);
        let ours =
            self.backups.get(&uid).filter(|(source, _)| coverage.eligible().is_none_or(|it| it.source == *source));
        let key = ClaimKey { namespace, name };
        let other = self.others.get(&key);
        let facts = Facts {
            created,
            is_of_volsync: labels.get(CREATED_BY).is_some_and(|creator| creator == "volsync"),
            is_deleted,
            is_bound: status.phase == "Bound",
            attention: annotations.remove(ATTENTION),
            is_released: record.is_some(),
            is_known_to_be_backed_up: record.is_some_and(|record| record.fingerprint.is_some()),
            has_restore: self.restores.get(&uid).is_some_and(is_named),
            backup: ours.map(|(_, backup)| *backup),
            has_other_backup: other.is_some(),
        };
        let health = Health::of(&coverage, &facts, host, now);
        let last_backup = facts.backup.and_then(|backup| backup.last).or(other.copied().flatten());
        Ok(Surveyed { health, namespace: key.namespace, name: key.name, last_backup })
    }
}

/// All objects of a kind.
async fn list<T: DeserializeOwned>(
    api: &ApiServer,
    (version, kind): (&'static str, &'static str),
    namespace: Option<&str>,
    selector: Option<&str>,
) -> anyhow::Result<Vec<T>> {
    let of = ObjectRef::new(version, kind, namespace, "");
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page: Page<T> = match api.page(&of, selector, &next).await {
            Ok(page) => page,
            Err(Refusal::Absent) if next.is_empty() => bail!("this cluster has no {kind}: VolSync is not installed"),
            Err(refusal) => return Err(anyhow!("the list of every {kind} could not be read: {}", refusal.as_str())),
        };
        all.extend(page.items);
        next = page.metadata.next;
        if next.is_empty() {
            return Ok(all);
        }
    }
}

/// The time by the clock of this machine.
pub(crate) fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(since_1970.as_secs())
}
