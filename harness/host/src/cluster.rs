//! A cluster as the commands of a person see it: with the settings and the credentials of its host. Nothing is written
//! but what a command is for, and no Lease is taken.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use volsync_policy::ObjectRef;
use volsync_policy_engine::Native;

use crate::api::{ApiServer, Refusal};
use crate::claim::ClaimKey;
use crate::config::{self, Sources};
use crate::metrics::Metrics;
use crate::policy::{Policy, Seen};
use crate::round::Round;
use crate::store::Stores;

/// A cluster. Each method waits for its requests, so none may be called by a task of an asynchronous runtime.
pub struct Cluster {
    runtime: Runtime,
    api: ApiServer,
    namespace: String,
    sources: Sources,
    lease: ObjectRef,
}

/// What was read for one claim. It contains credentials and text of logs, so it does not implement `Debug`.
pub struct Look {
    /// The input of the operation `plan` of the policy: the claim, settings, base credentials, and the raw answers.
    pub inspection: Value,
    /// The Secret with the host's own access key, if settings name one.
    pub host_secret: Option<Value>,
}

/// What was read for one claim, and with what. It contains credentials, so it does not implement `Debug`.
pub(crate) struct Sight {
    pub(crate) policy: Policy,
    pub(crate) round: Round,
    pub(crate) claim: Value,
    pub(crate) seen: Seen,
    /// What would end the round early.
    _stop: watch::Sender<bool>,
}

impl Cluster {
    /// The cluster of this context in a kubeconfig file, by default the user's own and the current one. Its host finds
    /// its settings at `sources`, and its Lease beside them.
    ///
    /// # Errors
    ///
    /// No such cluster is configured.
    pub fn connect(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
        sources: Sources,
        lease: &str,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (api, namespace) = runtime.block_on(ApiServer::of(kubeconfig, context, Metrics::new()))?;
        let lease = ObjectRef::new("coordination.k8s.io/v1", "Lease", Some(&sources.namespace), lease);
        Ok(Cluster { runtime, api, namespace, sources, lease })
    }

    /// The namespace that the context names for commands that name none.
    pub fn default_namespace(&self) -> &str {
        &self.namespace
    }

    /// Reads everything about a claim that its host would read for the next plan. Nobody waits for a turn: a command
    /// does not know which claims the host has let in.
    ///
    /// # Errors
    ///
    /// The claim does not exist, or it, settings or credentials cannot be read or are not valid.
    pub fn look(&self, namespace: &str, name: &str) -> anyhow::Result<Look> {
        let key = ClaimKey { namespace: namespace.to_owned(), name: name.to_owned() };
        let Sight { policy, claim, seen, .. } = self.block_on(self.see(&key))?;
        Ok(Look { inspection: policy.inspection(&claim, seen), host_secret: policy.host_secret().cloned() })
    }

    /// Reads everything about a claim.
    pub(crate) async fn see(&self, claim: &ClaimKey) -> anyhow::Result<Sight> {
        let (settings, credentials, key) = self.settings_and_credentials().await?;
        let policy = Policy::new(Arc::new(Native), settings, credentials, key).map_err(anyhow::Error::msg)?;
        let (stop, stopped) = watch::channel(false);
        let round = Round::new(self.api.clone(), Stores::of_command()?, Metrics::new(), stopped);
        round.queues.set_listed(true);
        let seen = round.see(&policy, claim, &mut None).await.map_err(|failed| anyhow!("{claim}: {failed}"))?;
        let (object, seen) = seen.with_context(|| format!("{claim}: there is no such claim"))?;
        Ok(Sight { policy, round, claim: object, seen, _stop: stop })
    }

    pub(crate) fn block_on<T>(&self, requests: impl Future<Output = T>) -> T {
        self.runtime.block_on(requests)
    }

    pub(crate) fn api(&self) -> &ApiServer {
        &self.api
    }

    /// The Lease of the hosts.
    pub(crate) fn lease(&self) -> ObjectRef {
        self.lease.clone()
    }

    /// Settings, base credentials, and the Secret with the host's own access key, if settings name one.
    pub(crate) async fn settings_and_credentials(&self) -> anyhow::Result<(Value, Value, Option<Value>)> {
        settings_and_credentials(&self.api, None, None, &self.sources).await
    }

    /// The settings of the host.
    pub(crate) async fn settings(&self) -> anyhow::Result<Value> {
        settings(&self.api, &self.sources).await
    }
}

/// Settings and base credentials, what of them is `None` from the cluster. With credentials of the cluster comes the
/// Secret with the host's own access key, if settings name one.
pub(crate) async fn settings_and_credentials(
    api: &ApiServer,
    settings: Option<Value>,
    credentials: Option<Value>,
    sources: &Sources,
) -> anyhow::Result<(Value, Value, Option<Value>)> {
    let settings = match settings {
        Some(settings) => settings,
        None => self::settings(api, sources).await?,
    };
    let get = async |name: &str| beside(api, "Secret", name, sources).await;
    let (credentials, host_secret) = match credentials {
        Some(credentials) => (credentials, None),
        None => {
            let host_secret = match config::host_secret_of(&settings)? {
                Some(name) => Some(get(&name).await?),
                None => None,
            };
            (get(&sources.credentials).await?, host_secret)
        }
    };
    Ok((settings, credentials, host_secret))
}

async fn settings(api: &ApiServer, sources: &Sources) -> anyhow::Result<Value> {
    let config_map: ConfigMap = serde_json::from_value(beside(api, "ConfigMap", &sources.settings, sources).await?)?;
    config::read(Some(&config_map))
}

/// An object in the namespace of the settings.
async fn beside(api: &ApiServer, kind: &'static str, name: &str, sources: &Sources) -> anyhow::Result<Value> {
    let object = ObjectRef::new("v1", kind, Some(&sources.namespace), name);
    let why =
        |refusal: Refusal| anyhow!("the {kind} {}/{name} could not be read: {}", sources.namespace, refusal.as_str());
    api.get(&object).await.map_err(why)
}
