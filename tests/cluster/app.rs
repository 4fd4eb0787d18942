//! An application's claim, and a host by hand: what it sees becomes evidence, and what the module plans is carried out.

use std::cell::RefCell;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use volsync_policy::{Outcome, saved};
use volsync_policy_cluster::{ACCESS_KEY, BUCKET, Namespace, SECRET_KEY, STORE, says, text};
use volsync_policy_tests::engines;

use crate::World;
use crate::repositories::Repository;
use crate::volsync::{PASSWORD, image, is_idle, logs, populated_from};

/// The annotation of ours with this name, as a JSON pointer.
fn ours(key: &str) -> String {
    format!("/metadata/annotations/volsync-policy.io~1{key}")
}

/// A claim labelled `backup: hourly`, in a namespace of its own.
pub(crate) struct App<'a> {
    world: &'a World,
    /// Its namespace.
    pub(crate) namespace: Namespace<'a>,
    settings: Value,
    class: Option<&'static str>,
    /// The ledger's entry for the claim, which outlives clusters.
    ledger: RefCell<Option<Value>>,
}

/// The name of every application's claim.
pub(crate) const CLAIM: &str = "data";

impl<'a> App<'a> {
    /// An application in the namespace `name`; nothing of it but that is there yet.
    pub(crate) fn new(world: &'a World, name: &str, settings: Value) -> anyhow::Result<Self> {
        Ok(App { world, namespace: world.namespace(name)?, settings, class: None, ledger: RefCell::default() })
    }

    /// The same, with a claim of a storage class that is not the default.
    pub(crate) fn of_class(self, class: &'static str) -> Self {
        App { class: Some(class), ..self }
    }

    /// The same, with what the ledger remembers of the claim.
    pub(crate) fn remembering(self, ledger: Option<Value>) -> Self {
        App { ledger: RefCell::new(ledger), ..self }
    }

    /// What the ledger remembers of the claim.
    pub(crate) fn ledger(&self) -> Option<Value> {
        self.ledger.borrow().clone()
    }

    /// Creates the claim, as Git has it: admission adds what it adds.
    pub(crate) fn create(&self) -> anyhow::Result<Value> {
        self.namespace.create(&json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "labels": {"backup": "hourly"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}},
                     "storageClassName": self.class},
        }))
    }

    /// Where its repository is in the bucket.
    pub(crate) fn repository(&self) -> String {
        format!("{}/{CLAIM}", self.namespace.name())
    }

    /// The claim.
    pub(crate) fn claim(&self) -> anyhow::Result<Value> {
        self.namespace.get("PersistentVolumeClaim", CLAIM)
    }

    /// The ReplicationDestination.
    pub(crate) fn destination(&self) -> anyhow::Result<Value> {
        self.namespace.get("ReplicationDestination", &format!("{CLAIM}-restore"))
    }

    /// The ReplicationSource.
    pub(crate) fn source(&self) -> anyhow::Result<Value> {
        self.namespace.get("ReplicationSource", &format!("{CLAIM}-backup"))
    }

    /// Plans and carries out, again and again, until the verdict is `code`; gives the codes on the way.
    pub(crate) fn until(&self, code: &str) -> anyhow::Result<Vec<String>> {
        let mut codes: Vec<String> = Vec::new();
        self.world.cluster.until(code, || {
            let plan = self.plan(Some(self.observe()?))?;
            let now = text(&plan, "/verdict/code");
            if codes.last().is_none_or(|last| last != now) {
                codes.push(now.to_owned());
            }
            self.carry_out(&plan)?;
            Ok((now == code).then_some(()))
        })?;
        Ok(codes)
    }

    /// Waits for the first backup, takes another one now, and lets the host see it.
    pub(crate) fn back_up(&self) -> anyhow::Result<()> {
        let name = format!("{CLAIM}-backup");
        let wait = |what, is_so: &dyn Fn(&Value) -> bool| self.namespace.wait("ReplicationSource", &name, what, is_so);
        // A run that is under way when its trigger changes would be taken for one of the new trigger.
        wait("a first backup", &|source| !text(source, "/status/lastSyncTime").is_empty() && is_idle(source))?;
        let now = json!({"spec": {"trigger": {"schedule": null, "manual": "now"}}});
        self.namespace.patch("ReplicationSource", &name, now)?;
        wait("a backup", &|source| says(source, "/status/lastManualSync=now") && is_idle(source))?;
        let scheduled = json!({"spec": {"trigger": {"schedule": "0 * * * *", "manual": null}}});
        self.namespace.patch("ReplicationSource", &name, scheduled)?;
        self.until("Released").map(drop)
    }

    /// What the module makes of the claim as it is.
    pub(crate) fn plan(&self, evidence: Option<Value>) -> anyhow::Result<Value> {
        let [_, wasm] = engines();
        let review = json!({
            "request": self.claim()?,
            "credentials": {"kind": "Secret", "stringData": {
                "RESTIC_REPOSITORY": format!("s3:http://{STORE}/{BUCKET}"), "RESTIC_PASSWORD": PASSWORD,
                "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            }},
            "settings": self.settings,
            "evidence": evidence,
        });
        Ok(serde_json::from_slice(&wasm.call("plan", review.to_string().as_bytes())?)?)
    }

    /// Applies all manifests of a plan, as whoever pipes them into `kubectl apply` does.
    pub(crate) fn apply(&self, plan: &Value) -> anyhow::Result<()> {
        for manifest in ["secret", "destination", "source"] {
            self.namespace.apply(&plan["manifests"][manifest]["object"])?;
        }
        Ok(())
    }

    fn observe(&self) -> anyhow::Result<Value> {
        let (namespace, claim) = (&self.namespace, self.claim()?);
        let uid = text(&claim, "/metadata/uid");
        // Before the ReplicationDestination: an image that is made in between would be one that it does not have.
        let prime = namespace.get("PersistentVolumeClaim", &format!("vs-prime-{uid}"))?;
        let (destination, source) = (self.destination()?, self.source()?);
        let volume = match text(&claim, "/spec/volumeName") {
            "" => Value::Null,
            volume => namespace.get("PersistentVolume", volume)?,
        };
        let system = namespace.get("Namespace", "kube-system")?;
        let has_secret = !namespace.get("Secret", &format!("{CLAIM}-volsync-secret"))?.is_null();
        let outcome = Outcome::of_restore(logs(&destination));
        let (restored, saved) = (
            if let Outcome::Restored(id) = &outcome { id.as_str().to_owned() } else { String::new() },
            saved(logs(&source)).map(|id| id.as_str().to_owned()).unwrap_or_default(),
        );
        let record = |object: &Value| serde_json::from_str::<Value>(text(object, &ours("released"))).ok();
        Ok(json!({
            "cluster": text(&system, "/metadata/uid"),
            "claim": {
                "uid": uid,
                "phase": text(&claim, "/status/phase"),
                "source": if says(&claim, "/spec/dataSourceRef/kind=ReplicationDestination") { "ours" } else { "none" },
                "volume": match &volume {
                    Value::Null => json!("none"),
                    volume => json!({"of": {"driver": text(volume, "/spec/csi/driver"),
                                            "handle": text(volume, "/spec/csi/volumeHandle")}}),
                },
                "populatedFrom": Some(populated_from(&volume)).filter(|snapshot| !snapshot.is_empty()),
                "released": record(&claim),
            },
            "secret": match has_secret {
                true => json!({"ours": {"repository": "same", "password": "same"}}),
                false => json!("absent"),
            },
            "restore": restore(&destination, uid, &outcome),
            "populator": match text(&prime, "/spec/dataSourceRef/name") {
                "" => json!("idle"),
                image => json!({"filling": image}),
            },
            "backup": if source.is_null() { json!("absent") } else { json!({"ours": {
                "uid": text(&source, &ours("claim-uid")),
                "state": if source.pointer("/spec/paused") == Some(&json!(true)) { "paused" } else { "running" },
                "syncing": !is_idle(&source),
                "released": record(&source),
            }}) },
            "ledger": self.ledger.borrow().as_ref().map_or(json!("none"), |entry| json!({"entry": entry})),
            "repository": Repository::evidence(&self.world.store, &self.repository(), &restored, &saved)?,
        }))
    }

    fn carry_out(&self, plan: &Value) -> anyhow::Result<()> {
        let manifest = |part: &str| plan["manifests"][part]["object"].clone();
        for step in plan["steps"].as_array().context("no steps")? {
            match step.as_str().or_else(|| Some(step.as_object()?.keys().next()?.as_str())).unwrap_or_default() {
                "applySecret" => drop(self.namespace.apply(&manifest("secret"))?),
                "applyDestination" => drop(self.namespace.apply(&manifest("destination"))?),
                "applySource" => drop(self.namespace.apply(&manifest("source"))?),
                "deleteDestination" => self.namespace.delete("ReplicationDestination", &format!("{CLAIM}-restore"))?,
                "deleteSource" => self.namespace.delete("ReplicationSource", &format!("{CLAIM}-backup"))?,
                "consumeImage" => self.consume()?,
                name @ ("recordRelease" | "writeLedger") => {
                    *self.ledger.borrow_mut() = Some(step[name]["entry"].clone());
                    let record = step[name]["record"].to_string();
                    let annotations = json!({"metadata": {"annotations": {"volsync-policy.io/released": record}}});
                    self.namespace.patch("PersistentVolumeClaim", CLAIM, annotations)?;
                }
                // The pins are tried in `repositories.rs`.
                "pinSnapshots" => {}
                step => bail!("no test here came to {step} before"),
            }
        }
        Ok(())
    }

    fn consume(&self) -> anyhow::Result<()> {
        let (name, destination) = (format!("{CLAIM}-restore"), self.destination()?);
        let snapshot = image(&destination);
        ensure!(!snapshot.is_empty(), "there is no image to consume: {destination:#}");
        let consumed = json!({"metadata": {"annotations": {"volsync-policy.io/consumed": snapshot}}});
        self.namespace.patch("ReplicationDestination", &name, consumed)?;
        self.namespace.patch_status("ReplicationDestination", &name, json!({"status": {"latestImage": null}}))?;
        self.namespace.begin_deleting("VolumeSnapshot", snapshot)
    }
}

/// The restore, as decisions.md 1 says when it is done.
fn restore(destination: &Value, uid: &str, outcome: &Outcome) -> Value {
    if destination.is_null() {
        return json!("absent");
    }
    if text(destination, &ours("claim-uid")) != uid {
        return json!("stale");
    }
    let consumed = text(destination, &ours("consumed"));
    let image = if image(destination).is_empty() { consumed } else { image(destination) };
    let trigger = text(destination, "/spec/trigger/manual");
    let is_done = says(destination, &format!("/status/lastManualSync={trigger}")) && is_idle(destination);
    if !is_done || image.is_empty() {
        return json!({"running": {}});
    }
    json!({"done": {
        "image": image, "consumed": image == consumed, "outcome": outcome,
        "expects": text(destination, &ours("expects")),
    }})
}
