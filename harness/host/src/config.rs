//! Settings and base credentials: a ConfigMap and a Secret, both watched, and the Secret with the host's own access key
//! if settings name one. Invalid ones are refused, and the previous ones stay in force.

use std::pin::pin;
use std::sync::Arc;

use anyhow::Context;
use futures::StreamExt;
use futures::future::OptionFuture;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object};
use serde_json::Value;
use tokio::sync::watch;
use volsync_policy::Shared;
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

/// The Secret with the host's own access key.
struct HostSecret {
    name: String,
    watch: BoxStream<'static, watcher::Result<Option<Secret>>>,
    /// `None` until the API server has answered.
    seen: Option<Option<Secret>>,
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
    let mut base = pin!(watch_object(secrets.clone(), credentials).default_backoff());
    // `None` until the API server has answered.
    let (mut config_map, mut secret) = (None, None);
    let mut host_secret: Option<HostSecret> = None;
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
            Some(seen) = base.next() => match seen {
                Ok(seen) => secret = Some(seen),
                Err(_) => {
                    tracing::warn!(name = %credentials, "the watch of the base Secret failed");
                    continue;
                }
            },
            Some(Some(seen)) = OptionFuture::from(host_secret.as_mut().map(|it| it.watch.next())) => {
                let Some(host_secret) = &mut host_secret else { continue };
                let Ok(seen) = seen else {
                    tracing::warn!(name = %host_secret.name, "the watch of the Secret with the host's key failed");
                    continue;
                };
                host_secret.seen = Some(seen);
            }
            else => return,
        }
        let (Some(config_map), Some(secret)) = (&config_map, &secret) else { continue };
        if user.is_none() {
            user = api.user().await.ok();
        }
        let mut settings = read(config_map.as_ref());
        if let (Ok(Value::Object(settings)), Some(user)) = (&mut settings, &user) {
            settings.entry(HOST_USER).or_insert_with(|| user.as_str().into());
        }
        // Settings that are not valid name no other Secret; they are refused below.
        if let Some(Ok(name)) = settings.as_ref().ok().map(host_secret_of)
            && name.as_deref() != host_secret.as_ref().map(|it| it.name.as_str())
        {
            host_secret = name.map(|name| {
                let watch = watch_object(secrets.clone(), &name).default_backoff().boxed();
                HostSecret { name, watch, seen: None }
            });
        }
        let key = match &host_secret {
            None => None,
            Some(HostSecret { seen: Some(seen), .. }) => seen.as_ref(),
            Some(HostSecret { seen: None, .. }) => continue,
        };
        let loaded = settings.and_then(|settings| {
            let credentials = secret.as_ref().map_or(Value::Null, json);
            Policy::new(engine.clone(), settings, credentials, key.map(json)).map_err(anyhow::Error::msg)
        });
        metrics.loaded(loaded.as_ref().err().map(|_| "refused"));
        match loaded {
            Ok(policy) => {
                let (has_credentials, has_host_key) = (secret.is_some(), key.is_some());
                tracing::info!(has_credentials, has_host_key, "settings and credentials are in force");
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

fn json(secret: &Secret) -> Value {
    serde_json::to_value(secret).unwrap_or_default()
}

/// The name of the Secret with the host's own access key, if settings name one.
pub(crate) fn host_secret_of(settings: &Value) -> anyhow::Result<Option<String>> {
    let shared = Shared::from_json(serde_json::json!({"settings": settings}).to_string().as_bytes())?;
    Ok(shared.host_secret().map(str::to_owned))
}

/// The settings in a ConfigMap.
pub(crate) fn read(config_map: Option<&ConfigMap>) -> anyhow::Result<Value> {
    let config_map = config_map.context("the ConfigMap with the settings does not exist")?;
    let text = config_map.data.as_ref().and_then(|data| data.get(SETTINGS));
    let text = text.with_context(|| format!("the ConfigMap with the settings has no key `{SETTINGS}`"))?;
    serde_saphyr::from_str(text).with_context(|| format!("`{SETTINGS}` is not valid YAML"))
}
