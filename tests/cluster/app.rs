//! An application's claim, which the host reconciles.

use std::fs;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy::ledger::entry_key;
use volsync_policy_cluster::{Namespace, says, text};

use crate::World;
use crate::repositories::{restic, snapshots};
use crate::volsync::is_idle;

/// A claim with the label `backup`, in a namespace of its own.
pub(crate) struct App<'a> {
    world: &'a World,
    /// Its namespace.
    pub(crate) namespace: Namespace<'a>,
    schedule: &'static str,
    class: Option<&'static str>,
}

/// The name of every application's claim.
pub(crate) const CLAIM: &str = "data";

impl<'a> App<'a> {
    /// An application in the namespace `name`, whose claim is not created yet.
    pub(crate) fn new(world: &'a World, name: &str) -> anyhow::Result<Self> {
        Ok(App { world, namespace: world.namespace(name)?, schedule: "minutely", class: None })
    }

    /// The same, with another storage class.
    pub(crate) fn of_class(self, class: &'static str) -> Self {
        App { class: Some(class), ..self }
    }

    /// The same, with a backup every hour.
    pub(crate) fn hourly(self) -> Self {
        App { schedule: "hourly", ..self }
    }

    /// Creates the claim, as it is in Git. Admission adds the data source.
    pub(crate) fn create(&self) -> anyhow::Result<Value> {
        self.namespace.create(&json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM, "labels": {"backup": self.schedule}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}},
                     "storageClassName": self.class},
        }))
    }

    /// Creates the claim, and waits until a backup has the file `file`, which holds the line `good`.
    pub(crate) fn protect(&self) -> anyhow::Result<()> {
        self.create()?;
        self.until("StartedFresh")?;
        self.namespace.run(CLAIM, "echo good > file")?;
        self.is_backed_up("file")
    }

    /// The path of its repository in the bucket.
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

    /// Waits until the host reports the code `code` for the claim. Returns all reported codes, in order.
    pub(crate) fn until(&self, code: &str) -> anyhow::Result<Vec<String>> {
        let claim = self.claim()?;
        let uid = text(&claim, "/metadata/uid");
        let mut told = Vec::new();
        let waited = self.world.cluster.until(code, || {
            told = self.told(uid)?;
            Ok(told.iter().any(|it| it == code).then_some(()))
        });
        ensure!(waited.is_ok(), "{code} is not among {told:?}\n{}", self.log());
        Ok(told)
    }

    /// What the host has logged.
    fn log(&self) -> String {
        self.world.host.as_ref().and_then(|host| host.log().ok()).unwrap_or_default()
    }

    /// The codes that the host has told of the claim with this uid, in order.
    pub(crate) fn told(&self, uid: &str) -> anyhow::Result<Vec<String>> {
        Ok(self.events(uid)?.iter().map(|event| text(event, "/reason").to_owned()).collect())
    }

    /// The words in which the host has told of the claim that it decided `code`.
    pub(crate) fn note(&self, code: &str) -> anyhow::Result<String> {
        let events = self.events(text(&self.claim()?, "/metadata/uid"))?;
        let event = events.iter().rfind(|event| text(event, "/reason") == code).context("no Event")?;
        Ok(text(event, "/message").to_owned())
    }

    /// The host's Events about the claim with this uid, in order.
    fn events(&self, uid: &str) -> anyhow::Result<Vec<Value>> {
        let mut events = self.namespace.list("Event")?;
        events.retain(|event| {
            text(event, "/involvedObject/uid") == uid && text(event, "/reportingComponent") == "volsync-policy.io/host"
        });
        events.sort_by_key(|event| text(event, "/eventTime").to_owned());
        Ok(events)
    }

    /// Waits until a backup has the file `name` of the volume, and no other backup has begun.
    pub(crate) fn is_backed_up(&self, name: &str) -> anyhow::Result<()> {
        let ends = format!("/{name}");
        let listed = self.world.cluster.until("a backup of the file", || {
            // With a lock, `forget` of a backup that runs at the same time would fail.
            let list = ["--no-lock", "ls", "latest"];
            let listed = restic(self.world, &self.repository(), &list).unwrap_or_default();
            Ok(listed.lines().any(|file| file.ends_with(&ends)).then_some(()))
        });
        listed.with_context(|| self.log())?;
        self.namespace.wait("ReplicationSource", &format!("{CLAIM}-backup"), "the end of a backup", is_idle).map(drop)
    }

    /// Lets no more backups begin for now, and waits until the last one has ended and the ledger remembers it.
    pub(crate) fn rest(&self) -> anyhow::Result<()> {
        let hourly = json!({"metadata": {"labels": {"backup": "hourly"}}});
        self.namespace.patch("PersistentVolumeClaim", CLAIM, hourly)?;
        self.namespace.wait(
            "ReplicationSource",
            &format!("{CLAIM}-backup"),
            "the end of its last backup",
            |source| says(source, "/spec/trigger/schedule=0 * * * *") && is_idle(source),
        )?;
        self.is_remembered()
    }

    /// Waits until the ledger remembers the newest snapshot.
    pub(crate) fn is_remembered(&self) -> anyhow::Result<()> {
        let entry = self.world.store.bucket().join(entry_key(&self.repository()));
        self.world.cluster.until("the ledger to remember the newest snapshot", || {
            let newest = snapshots(&self.world.store, &self.repository())?.pop().context("no snapshot")?.key;
            Ok(fs::read_to_string(&entry)?.contains(&newest).then_some(()))
        })
    }

    /// Applies all manifests of a plan, as `volsync-policy generate` prints them for `kubectl apply`.
    pub(crate) fn apply(&self, plan: &Value) -> anyhow::Result<()> {
        for manifest in ["secret", "destination", "source"] {
            self.namespace.apply(&plan["manifests"][manifest]["object"])?;
        }
        Ok(())
    }

    /// The plan for the claim without any evidence.
    pub(crate) fn plan(&self, settings: &Value) -> anyhow::Result<Value> {
        self.world.ask("plan", &json!({"request": self.claim()?, "settings": settings}))
    }
}
