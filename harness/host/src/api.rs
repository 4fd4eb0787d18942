//! Requests to the API server. Each has a deadline, and none is retried here. Of a failure, only the class is kept: the
//! text of an answer may repeat what was sent, which can be a Secret, so it is neither kept nor logged.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use volsync_policy::ObjectRef;
use volsync_policy::evidence::Failure;

use crate::metrics::{Metrics, Side};

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How many objects a page of a list has.
const PAGE: usize = 500;

/// The API server of the cluster.
#[derive(Clone)]
pub(crate) struct ApiServer {
    client: Client,
    metrics: Metrics,
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The object does not exist, or its kind is not known.
    Absent,
    /// The object is not as the request requires: another uid or resourceVersion, or it exists already.
    Conflict,
    /// The API server asks to wait this long.
    Busy(Duration),
    /// The request is invalid: status 400 or 422.
    Invalid,
    /// Anything else.
    Failed(Failure),
}

/// The kinds of patch that the host sends, by their content type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PatchType {
    Apply,
    Merge,
}

impl ApiServer {
    /// The API server of the cluster that runs this program, or else of the current context.
    ///
    /// # Errors
    ///
    /// No cluster is configured.
    pub(crate) async fn connect(metrics: Metrics) -> anyhow::Result<Self> {
        ApiServer::of(None, None, metrics).await.map(|(api, _)| api)
    }

    /// The API server of a context in a kubeconfig file, and the namespace that the context names for commands that
    /// name none. Without a file it is in those that `KUBECONFIG` names, or else in the user's own; without a context
    /// it is the current one. Without both it is found as by [`ApiServer::connect`].
    ///
    /// # Errors
    ///
    /// No such cluster is configured.
    pub(crate) async fn of(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
        metrics: Metrics,
    ) -> anyhow::Result<(Self, String)> {
        let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let mut config = match (kubeconfig, context) {
            (Some(file), _) => Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?,
            (None, Some(_)) => Config::from_kubeconfig(&options).await?,
            (None, None) => Config::infer().await?,
        };
        // The client would retry a POST up to 15 times. Instead, it is read whether it had an effect.
        config.default_retry = false;
        let namespace = config.default_namespace.clone();
        Ok((ApiServer { client: Client::try_from(config)?, metrics }, namespace))
    }

    /// The client, for watches.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The name of this host as a user of the API server.
    pub(crate) async fn user(&self) -> Result<String, Refusal> {
        let review = ObjectRef::new("authentication.k8s.io/v1", "SelfSubjectReview", None, "");
        let body = serde_json::json!({"apiVersion": review.api_version, "kind": review.kind});
        let answer = self.json(http::Request::post(collection(&review)), bytes(&body)).await?;
        let user = answer.pointer("/status/userInfo/username").and_then(Value::as_str);
        user.map(str::to_owned).ok_or(Refusal::Failed(Failure::Malformed))
    }

    /// Reads an object.
    pub(crate) async fn get(&self, object: &ObjectRef) -> Result<Value, Refusal> {
        self.json(http::Request::get(path(object)), Vec::new()).await
    }

    /// Reads what is at a path.
    pub(crate) async fn at(&self, path: &str) -> Result<Value, Refusal> {
        self.json(http::Request::get(path), Vec::new()).await
    }

    /// Reads a page of the objects of a kind, in one namespace or in all; `after` is what the page before it named.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        of: &ObjectRef,
        selector: Option<&str>,
        after: &str,
    ) -> Result<T, Refusal> {
        let selector = selector.map(|it| format!("&labelSelector={}", it.replace('=', "%3D"))).unwrap_or_default();
        let path = format!("{}?limit={PAGE}&continue={after}{selector}", collection(of));
        let text = self.send(http::Request::get(path), Vec::new()).await?;
        serde_json::from_str(&text).map_err(|_| Refusal::Failed(Failure::Malformed))
    }

    /// Reads the newest failed pod of a Job, and the end of its log.
    pub(crate) async fn log(&self, job: &ObjectRef, bytes: usize) -> Result<String, Refusal> {
        let pods = collection(&ObjectRef { api_version: "v1".into(), kind: "Pod".into(), ..job.clone() });
        let list = self.json(http::Request::get(format!("{pods}?labelSelector=job-name%3D{}", job.name)), Vec::new());
        let list = list.await?;
        let text = |pod: &Value, at: &str| pod.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let pods_of_job = list.get("items").and_then(Value::as_array).into_iter().flatten();
        let failed = pods_of_job.filter(|pod| text(pod, "/status/phase") == "Failed");
        let newest = failed.max_by_key(|pod| text(pod, "/metadata/creationTimestamp")).ok_or(Refusal::Absent)?;
        // The API server can cut a log at its beginning by lines only.
        let request = http::Request::get(format!("{pods}/{}/log?tailLines=100", text(newest, "/metadata/name")));
        let log = self.send(request, Vec::new()).await?;
        let start = log.len().saturating_sub(bytes);
        Ok(String::from_utf8_lossy(log.as_bytes().get(start..).unwrap_or_default()).into_owned())
    }

    /// Creates an object with POST and strict field validation.
    pub(crate) async fn create(&self, object: &ObjectRef, body: &Value, manager: &str) -> Result<Value, Refusal> {
        let path = format!("{}?fieldManager={manager}&fieldValidation=Strict", collection(object));
        self.json(http::Request::post(path), bytes(body)).await
    }

    /// Patches an object, or a subresource of it such as `/status`.
    pub(crate) async fn patch(
        &self,
        (object, subresource): (&ObjectRef, &str),
        patch: PatchType,
        body: &Value,
        manager: &str,
    ) -> Result<Value, Refusal> {
        let (content_type, options) = match patch {
            PatchType::Apply => ("application/apply-patch+yaml", "&fieldValidation=Strict&force=true"),
            PatchType::Merge => ("application/merge-patch+json", ""),
        };
        let path = format!("{}{subresource}?fieldManager={manager}{options}", path(object));
        self.json(http::Request::patch(path).header("content-type", content_type), bytes(body)).await
    }

    /// Replaces an object; its metadata contains the resourceVersion that the object must still have.
    pub(crate) async fn replace(&self, object: &ObjectRef, body: &Value) -> Result<Value, Refusal> {
        self.json(http::Request::put(path(object)), bytes(body)).await
    }

    /// Deletes the object with this uid.
    pub(crate) async fn delete(&self, object: &ObjectRef, uid: &str) -> Result<Value, Refusal> {
        let body = serde_json::json!({"preconditions": {"uid": uid}});
        self.json(http::Request::delete(path(object)), bytes(&body)).await
    }

    async fn json(&self, request: http::request::Builder, body: Vec<u8>) -> Result<Value, Refusal> {
        // `Client::request` would log an answer that it cannot parse, which may be a Secret.
        let text = self.send(request, body).await?;
        serde_json::from_str(&text).map_err(|_| Refusal::Failed(Failure::Malformed))
    }

    async fn send(&self, request: http::request::Builder, body: Vec<u8>) -> Result<String, Refusal> {
        let request = match request.method_ref() {
            Some(&http::Method::POST | &http::Method::PUT | &http::Method::DELETE) => {
                request.header("content-type", "application/json")
            }
            _ => request,
        };
        let request = request.body(body).map_err(|_| Refusal::Failed(Failure::Malformed))?;
        let answer = match tokio::time::timeout(DEADLINE, self.client.request_text(request)).await {
            Ok(answer) => answer.map_err(|error| class(&error)),
            Err(_) => Err(Refusal::Failed(Failure::Timeout)),
        };
        self.metrics.request(Side::ApiServer, answer.as_ref().err().map(|refusal| refusal.as_str()));
        answer
    }
}

impl Refusal {
    /// The class of the failure, as it is counted and logged.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Refusal::Absent => "absent",
            Refusal::Conflict => "conflict",
            Refusal::Busy(_) => "busy",
            Refusal::Invalid => "invalid",
            Refusal::Failed(failure) => failure.as_str(),
        }
    }

    /// The failure as an answer in `seen` reports it; `None` if the object is absent.
    pub(crate) fn failure(self) -> Option<Failure> {
        match self {
            Refusal::Absent => None,
            Refusal::Failed(failure) => Some(failure),
            Refusal::Busy(_) | Refusal::Conflict => Some(Failure::Unreachable),
            Refusal::Invalid => Some(Failure::Malformed),
        }
    }
}

fn class(error: &kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) => match status.code {
            404 | 410 => Refusal::Absent,
            409 | 412 => Refusal::Conflict,
            429 => {
                let seconds = status.details.as_ref().map_or(1, |details| details.retry_after_seconds.max(1));
                Refusal::Busy(Duration::from_secs(u64::from(seconds)))
            }
            400 | 422 => Refusal::Invalid,
            401 | 403 => Refusal::Failed(Failure::Denied),
            _ => Refusal::Failed(Failure::Unreachable),
        },
        kube::Error::FromUtf8(_) | kube::Error::SerdeError(_) => Refusal::Failed(Failure::Malformed),
        _ => Refusal::Failed(Failure::Unreachable),
    }
}

fn bytes(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// The API resource of a kind, with the plural that its URLs contain.
pub(crate) fn resource(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

fn collection(ObjectRef { api_version, kind, namespace, .. }: &ObjectRef) -> String {
    let root = if api_version.contains('/') { "apis" } else { "api" };
    let scope = namespace.as_ref().map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
    format!("/{root}/{api_version}{scope}/{}", resource(api_version, kind).plural)
}

fn path(object: &ObjectRef) -> String {
    format!("{}/{}", collection(object), object.name)
}
