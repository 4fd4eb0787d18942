//! Objects of a cluster: create, apply, get, wait, run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::core::Request;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::Cluster;
use crate::image::IMAGE;
use crate::tools::source;

/// The field manager of everything that is applied here.
const MANAGER: &str = "volsync-policy";

/// The kinds that are named without their API version, with it, and whether they are namespaced.
const KINDS: [(&str, &str, bool); 27] = [
    ("ConfigMap", "v1", true),
    ("CSIDriver", "storage.k8s.io/v1", false),
    ("CSINode", "storage.k8s.io/v1", false),
    ("CustomResourceDefinition", "apiextensions.k8s.io/v1", false),
    ("Deployment", "apps/v1", true),
    ("Event", "v1", true),
    ("ExternalSecret", "external-secrets.io/v1", true),
    ("Job", "batch/v1", true),
    ("MutatingAdmissionPolicy", "admissionregistration.k8s.io/v1", false),
    ("MutatingAdmissionPolicyBinding", "admissionregistration.k8s.io/v1", false),
    ("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", false),
    ("Namespace", "v1", false),
    ("Node", "v1", false),
    ("PersistentVolume", "v1", false),
    ("PersistentVolumeClaim", "v1", true),
    ("Pod", "v1", true),
    ("ReplicationDestination", "volsync.backube/v1alpha1", true),
    ("ReplicationSource", "volsync.backube/v1alpha1", true),
    ("Report", "openreports.io/v1alpha1", true),
    ("Secret", "v1", true),
    ("StatefulSet", "apps/v1", true),
    ("StorageClass", "storage.k8s.io/v1", false),
    ("ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1", false),
    ("ValidatingAdmissionPolicyBinding", "admissionregistration.k8s.io/v1", false),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", false),
    ("VolumeSnapshot", "snapshot.storage.k8s.io/v1", true),
    ("VolumeSnapshotClass", "snapshot.storage.k8s.io/v1", false),
];

/// What would come of a request.
pub struct DryRun {
    /// The object, or the `Status` of a refusal.
    pub object: Result<Value, Value>,
    /// The warnings to the client.
    pub warnings: Vec<String>,
}

/// A namespace of a cluster. Objects without a namespace can be reached through it, too.
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    name: String,
    pods: AtomicUsize,
}

impl<'a> Namespace<'a> {
    pub(crate) fn new(cluster: &'a Cluster, name: &str) -> anyhow::Result<Self> {
        let namespace = Namespace { cluster, name: name.to_owned(), pods: AtomicUsize::new(0) };
        namespace.apply(&json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "annotations": {"volsync.backube/privileged-movers": "true"}},
        }))?;
        Ok(namespace)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Applies an object with server-side apply and strict field validation.
    ///
    /// # Errors
    ///
    /// The API server refuses it, a field is unknown, or another manager owns one.
    pub fn apply(&self, object: &Value) -> anyhow::Result<Value> {
        self.apply_with(object, &PatchParams::apply(MANAGER).validation_strict())
    }

    /// The same as a dry run.
    ///
    /// # Errors
    ///
    /// The same as those of [`Namespace::apply`].
    pub fn rehearse(&self, object: &Value) -> anyhow::Result<Value> {
        self.apply_with(object, &PatchParams::apply(MANAGER).validation_strict().dry_run())
    }

    /// Creates an object as a dry run, or replaces it if it has a uid. The user is an administrator by default.
    ///
    /// # Errors
    ///
    /// The API server does not answer.
    pub fn dry_run(&self, object: &Value, user: Option<&str>) -> anyhow::Result<DryRun> {
        let request = Request::new(self.api(text(object, "/kind"))?.resource_url());
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let (name, body) = (text(object, "/metadata/name"), object.to_string().into_bytes());
        let mut request = match text(object, "/metadata/uid") {
            "" => request.create(&parameters, body)?,
            _ => request.replace(name, &parameters, body)?,
        };
        if let Some(user) = user {
            let headers = request.headers_mut();
            headers.insert("impersonate-user", user.parse()?);
            headers.insert("impersonate-group", "system:masters".parse()?);
        }
        let client = self.cluster.client.clone();
        let answer = self.cluster.call(async move {
            let (parts, body) = client.send(request.map(Body::from)).await?.into_parts();
            anyhow::Ok((parts, body.collect().await?.to_bytes()))
        });
        let (parts, body) = answer?;
        let warnings = parts.headers.get_all("warning").iter().filter_map(|it| it.to_str().ok());
        let warnings =
            warnings.map(|it| it.trim_start_matches("299 - ").trim_matches('"').replace("\\\"", "\"")).collect();
        let answer: Value = serde_json::from_slice(&body)?;
        Ok(DryRun { object: if parts.status.is_success() { Ok(answer) } else { Err(answer) }, warnings })
    }

    fn apply_with(&self, object: &Value, parameters: &PatchParams) -> anyhow::Result<Value> {
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        let (api, patch, parameters) = (self.api(kind)?, Patch::Apply(object.clone()), parameters.clone());
        let (of, named) = (format!("{kind} {name}"), name.to_owned());
        value(self.cluster.call(async move { api.patch(&named, &parameters, &patch).await })).context(of)
    }

    /// Creates an object.
    ///
    /// # Errors
    ///
    /// The API server refuses it.
    pub fn create(&self, object: &Value) -> anyhow::Result<Value> {
        let api = self.api(text(object, "/kind"))?;
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        value(self.cluster.call(async move { api.create(&PostParams::default(), &object).await }))
    }

    /// Changes an object with a merge patch.
    ///
    /// # Errors
    ///
    /// The API server refuses it.
    pub fn patch(&self, kind: &str, name: &str, change: Value) -> anyhow::Result<Value> {
        let (api, name, patch) = (self.api(kind)?, name.to_owned(), Patch::Merge(change));
        value(self.cluster.call(async move { api.patch(&name, &PatchParams::default(), &patch).await }))
    }

    /// Changes the status of an object with a merge patch.
    ///
    /// # Errors
    ///
    /// The API server refuses it.
    pub fn patch_status(&self, kind: &str, name: &str, change: Value) -> anyhow::Result<Value> {
        let (api, name, patch) = (self.api(kind)?, name.to_owned(), Patch::Merge(change));
        value(self.cluster.call(async move { api.patch_status(&name, &PatchParams::default(), &patch).await }))
    }

    /// An object, or null if it does not exist.
    ///
    /// # Errors
    ///
    /// The API server does not answer.
    pub fn get(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        let (api, name) = (self.api(kind)?, name.to_owned());
        Ok(serde_json::to_value(self.cluster.call(async move { api.get_opt(&name).await })?)?)
    }

    /// All objects of a kind.
    ///
    /// # Errors
    ///
    /// The API server does not answer.
    pub fn list(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        let api = self.api(kind)?;
        let found = self.cluster.call(async move { api.list(&ListParams::default()).await })?;
        found.items.into_iter().map(|object| Ok(serde_json::to_value(object)?)).collect()
    }

    /// Deletes an object, if it exists, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// The API server refuses it, or the object stays.
    pub fn delete(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        self.begin_deleting(kind, name)?;
        self.wait(kind, name, "its end", Value::is_null).map(drop)
    }

    /// Deletes an object, if it exists, and does not wait.
    ///
    /// # Errors
    ///
    /// The API server refuses it.
    pub fn begin_deleting(&self, kind: &str, name: &str) -> anyhow::Result<()> {
        let (api, name) = (self.api(kind)?, name.to_owned());
        match self.cluster.call(async move { api.delete(&name, &DeleteParams::background()).await }) {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            deleted => deleted.map(drop).map_err(Into::into),
        }
    }

    /// Waits until `is_so` holds for an object, and returns the object. While it does not exist, `is_so` gets null.
    ///
    /// # Errors
    ///
    /// It takes too long. The error contains the object, the namespace's events, and the output of its pods and of the
    /// node.
    pub fn wait(&self, kind: &str, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        let found = self.cluster.until(&format!("{what} of {kind} {name}"), || {
            last = self.get(kind, name)?;
            Ok(is_so(&last).then(|| last.clone()))
        });
        found.with_context(|| format!("{last:#}\n{}", self.circumstances()))
    }

    /// Runs a script in a pod with a claim at `/data`, and returns its output.
    ///
    /// # Errors
    ///
    /// The script fails.
    pub fn run(&self, claim: &str, script: &str) -> anyhow::Result<String> {
        let name = format!("run-{}", self.pods.fetch_add(1, Ordering::Relaxed));
        self.create(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "run", "image": IMAGE, "workingDir": "/data",
                    "command": ["bash", "-euo", "pipefail", "-c", script],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
            },
        }))?;
        let pod = self.wait("Pod", &name, "the end of the script", |pod| {
            says(pod, "/status/phase=Succeeded") || says(pod, "/status/phase=Failed")
        })?;
        let printed = self.log(&name)?;
        ensure!(says(&pod, "/status/phase=Succeeded"), "the script failed: {printed}");
        self.delete("Pod", &name)?;
        Ok(printed)
    }

    /// The output of a pod.
    ///
    /// # Errors
    ///
    /// The pod does not exist, or its container did not start.
    pub fn log(&self, pod: &str) -> anyhow::Result<String> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), &self.name);
        let pod = pod.to_owned();
        Ok(self.cluster.call(async move { pods.logs(&pod, &LogParams::default()).await })?)
    }

    /// Creates the CRD in a file of a Go module that `tools/crds` pins, and waits until it is established. No program
    /// acts on its objects.
    ///
    /// # Errors
    ///
    /// The module cannot be downloaded, or the API server refuses the CRD.
    pub fn define_of(&self, module: &str, file: &str) -> anyhow::Result<()> {
        self.define_all(&[source("crds", module)?.join(file)])
    }

    /// Creates the CRDs in the files of a directory, and waits until they are established.
    pub(crate) fn define(&self, folder: &Path) -> anyhow::Result<()> {
        let files = fs::read_dir(folder)?.map(|file| Ok(file?.path()));
        self.define_all(&files.collect::<anyhow::Result<Vec<_>>>()?)
    }

    fn define_all(&self, files: &[PathBuf]) -> anyhow::Result<()> {
        let mut names = Vec::new();
        for file in files {
            let definition: Value = serde_saphyr::from_str(&fs::read_to_string(file)?)?;
            if says(&definition, "/kind=CustomResourceDefinition") {
                self.create(&definition)?;
                names.push(text(&definition, "/metadata/name").to_owned());
            }
        }
        for name in names {
            self.wait("CustomResourceDefinition", &name, "being known", |definition| {
                condition(definition, "Established") == Some("True")
            })?;
        }
        Ok(())
    }

    /// Details that help to understand why something did not happen.
    fn circumstances(&self) -> String {
        let mut told = String::new();
        for event in self.list("Event").unwrap_or_default() {
            let [of, reason, message] = ["/involvedObject/name", "/reason", "/message"].map(|at| text(&event, at));
            told += &format!("event: {of}: {reason}: {message}\n");
        }
        for pod in self.list("Pod").unwrap_or_default() {
            let name = text(&pod, "/metadata/name");
            let log = self.log(name).unwrap_or_else(|error| error.to_string());
            told += &format!("pod {name}: {}\n{log}\n", text(&pod, "/status/phase"));
        }
        for kind in ["Job", "PersistentVolumeClaim", "VolumeSnapshot"] {
            for object in self.list(kind).unwrap_or_default() {
                let [name, deleted] = ["/metadata/name", "/metadata/deletionTimestamp"].map(|at| text(&object, at));
                let kept_by = object.pointer("/metadata/finalizers").filter(|_| !deleted.is_empty());
                told += &format!("{kind} {name}: {}\n", object.pointer("/status").unwrap_or_default());
                told += &kept_by.map(|it| format!("deleted at {deleted}, kept by {it}\n")).unwrap_or_default();
            }
        }
        told + &self.cluster.node.logs(&self.name)
    }

    fn api(&self, kind: &str) -> anyhow::Result<Api<DynamicObject>> {
        let known = KINDS.iter().find(|(known, _, _)| *known == kind);
        let (_, version, is_namespaced) = known.with_context(|| format!("{kind:?} is not among `KINDS`"))?;
        let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, kind));
        let client = self.cluster.client.clone();
        Ok(match is_namespaced {
            true => Api::namespaced_with(client, &self.name, &resource),
            false => Api::all_with(client, &resource),
        })
    }
}

/// The object in the API server's answer.
fn value(answer: kube::Result<DynamicObject>) -> anyhow::Result<Value> {
    let mut object = answer?;
    object.managed_fields_mut().clear();
    Ok(serde_json::to_value(object)?)
}

/// The text at a JSON pointer of an object, or an empty one.
pub fn text<'a>(object: &'a Value, at: &str) -> &'a str {
    object.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

/// Whether an object has a certain text at a place, as in `/status/phase=Bound`.
pub fn says(object: &Value, what: &str) -> bool {
    what.split_once('=').is_some_and(|(at, expected)| object.pointer(at).and_then(Value::as_str) == Some(expected))
}

/// The status of one of an object's conditions.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| text(condition, "/type") == kind).map(|condition| text(condition, "/status"))
}
