//! Settings and base credentials: a ConfigMap and a Secret, both watched. Invalid ones are refused, and the previous
//! ones stay in force.

use std::pin::pin;
use std::sync::Arc;

use anyhow::Context;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use serde_json::Value;
use tokio::sync::watch;
use volsync_policy_engine::Engine;

use crate::api::ApiServer;
use crate::metrics::Metrics;
use crate::policy::{Policy, Standing};
use crate::told::Teller;

/// The key of the ConfigMap whose value is the settings, as YAML or JSON.
pub(crate) const SETTINGS: &str = "settings.yaml";

/// The setting that the host makes itself: the name by which an API server knows it.
const HOST_USER: &str = "hostUser";

/// Where settings and base credentials are.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The namespace of both.
    pub namespace: String,
    /// The name of the ConfigMap.
    pub settings: String,
    /// The name of the Secret.
    pub credentials: String,
}

/// Loads the policy whenever its settings or its credentials change.
pub(crate) async fn run(
    api: ApiServer,
    engine: Arc<dyn Engine>,
    sources: Sources,
    policies: watch::Sender<Standing>,
    metrics: Metrics,
    teller: Arc<Teller>,
) {
    let Sources { namespace, settings, credentials } = &sources;
    let config_maps = Api::<ConfigMap>::namespaced(api.client(), namespace);
    let secrets = Api::<Secret>::namespaced(api.client(), namespace);
    let mut config_maps = pin!(watch_object(config_maps, settings).default_backoff());
    let mut secrets = pin!(watch_object(secrets, credentials).default_backoff());
    // `None` until the API server has answered.
    let (mut config_map, mut secret) = (None, None);
    let mut user = None;
    loop {
        tokio::select! {
            Some(seen) = config_maps.next() => match seen {
                Ok(seen) => config_map = Some(seen),
                Err(_) => {
                    tracing::warn!(name = %settings, "the watch of the ConfigMap with the settings failed");
                    continue;
                }
            },
            Some(seen) = secrets.next() => match seen {
                Ok(seen) => secret = Some(seen),
                Err(_) => {
                    tracing::warn!(name = %credentials, "the watch of the base Secret failed");
                    continue;
                }
            },
            else => return,
        }
        let (Some(config_map), Some(secret)) = (&config_map, &secret) else { continue };
        if user.is_none() {
            user = api.user().await.ok();
        }
        let loaded = read(config_map.as_ref()).and_then(|mut settings| {
            if let (Value::Object(settings), Some(user)) = (&mut settings, &user) {
                settings.entry(HOST_USER).or_insert_with(|| user.as_str().into());
            }
            let credentials =
                secret.as_ref().map_or(Value::Null, |secret| serde_json::to_value(secret).unwrap_or_default());
            Policy::new(engine.clone(), settings, credentials).map_err(anyhow::Error::msg)
        });
        metrics.loaded(loaded.as_ref().err().map(|_| "refused"));
        match loaded {
            Ok(policy) => {
                tracing::info!(has_credentials = secret.is_some(), "settings and credentials are in force");
                policies.send_replace(Standing::InForce(Arc::new(policy)));
            }
            Err(error) => {
                let problems = format!("{error:#}");
                tracing::error!(%problems, "settings or credentials were refused; the previous ones stay in force");
                policies.send_if_modified(|standing| {
                    let is_first = standing.in_force().is_none();
                    if is_first {
                        *standing = Standing::Refused(problems.as_str().into());
                    }
                    is_first
                });
                teller.refused(&sources, &problems).await;
            }
        }
    }
}

/// The settings in a ConfigMap.
pub(crate) fn read(config_map: Option<&ConfigMap>) -> anyhow::Result<Value> {
    let config_map = config_map.context("the ConfigMap with the settings does not exist")?;
    let text = config_map.data.as_ref().and_then(|data| data.get(SETTINGS));
    let text = text.with_context(|| format!("the ConfigMap with the settings has no key `{SETTINGS}`"))?;
    serde_saphyr::from_str(text).with_context(|| format!("`{SETTINGS}` is not valid YAML"))
}
