//! An application's claim, which a host reconciles.

use serde_json::{Value, json};
use volsync_policy_cluster::{Namespace, says, text};

use crate::World;
use crate::host::Host;
use crate::volsync::is_idle;

/// A claim labelled `backup: hourly`, in a namespace of its own.
pub(crate) struct App<'a> {
    host: Host<'a>,
    /// Its namespace.
    pub(crate) namespace: Namespace<'a>,
    class: Option<&'static str>,
}

/// The name of every application's claim.
pub(crate) const CLAIM: &str = "data";

impl<'a> App<'a> {
    /// An application in the namespace `name`; nothing of it but that is there yet.
    pub(crate) fn new(world: &'a World, name: &str) -> anyhow::Result<Self> {
        Ok(App { host: world.host(), namespace: world.namespace(name)?, class: None })
    }

    /// The same, with a claim of a storage class that is not the default.
    pub(crate) fn of_class(self, class: &'static str) -> Self {
        App { class: Some(class), ..self }
    }

    /// The same, with other settings.
    pub(crate) fn under(mut self, settings: Value) -> Self {
        self.host.settings = settings;
        self
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

    /// Runs rounds until the verdict was `code` and all writes were carried out. Returns the codes on the way.
    pub(crate) fn until(&self, code: &str) -> anyhow::Result<Vec<String>> {
        let mut codes: Vec<String> = Vec::new();
        self.host.world.cluster.until(code, || {
            let (plan, is_carried_out) = self.host.round(&self.claim()?)?;
            let now = text(&plan, "/verdict/code");
            if codes.last().is_none_or(|last| last != now) {
                codes.push(now.to_owned());
            }
            Ok((is_carried_out && codes.iter().any(|it| it == code)).then_some(()))
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

    /// The plan for the claim without any evidence.
    pub(crate) fn plan(&self) -> anyhow::Result<Value> {
        self.host.ask("plan", &self.claim()?, &Value::Null)
    }

    /// Applies all manifests of a plan, as whoever pipes them into `kubectl apply` does.
    pub(crate) fn apply(&self, plan: &Value) -> anyhow::Result<()> {
        for manifest in ["secret", "destination", "source"] {
            self.namespace.apply(&plan["manifests"][manifest]["object"])?;
        }
        Ok(())
    }
}
