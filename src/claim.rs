//! The parts of a claim that matter: whether it is selected, its data source, and the volume that it asks for.

use serde::Deserialize;
use serde_json::Value;

use crate::document::read_part;
use crate::eligibility::Unselected;
use crate::names::{self, PREFIX, VOLSYNC};
use crate::problem::{Problem, nearest};
use crate::quantity::Quantity;
use crate::settings::Settings;
use crate::vec_map::VecMap;

/// What the policy reads of a PersistentVolumeClaim.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name; absent while the API server has yet to make one from `generateName`.
    pub name: Option<String>,
    /// The claim's uid; absent until the API server has stored it.
    pub uid: Option<String>,
    /// When the claim was created, in RFC 3339; absent until the API server has stored it.
    pub creation_timestamp: Option<String>,
    /// The value of the label that selects it.
    pub label: String,
    /// The claim's annotations that begin with [`PREFIX`], without it.
    pub annotations: VecMap<String, String>,
    /// The API groups of the claim's owners.
    pub owner_groups: Vec<String>,
    /// The key of the first label by which settings refuse the claim.
    pub refused_label: Option<String>,
    /// The claim's access modes. One that this version does not know does not make the claim invalid.
    pub access_modes: Vec<String>,
    /// The storage that the claim requests, if that is a quantity greater than zero.
    pub request: Option<Quantity>,
    /// The claim's storage class, where it names one.
    pub storage_class_name: Option<String>,
    /// Whether the claim asks for a raw block device.
    pub block: bool,
    /// Whether a person chose the claim's volume: it names one that no controller bound to it.
    pub fixed_volume: bool,
    /// The claim's data source.
    pub data_source: DataSourceRef,
    /// Why API servers drop the data source of a claim that is created, where they do.
    pub dropped_source: Option<DroppedSource>,
}

/// Why API servers drop a claim's data source when they create the claim, which then binds to an empty volume
/// (pkg/api/persistentvolumeclaim/util.go of Kubernetes 1.36).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DroppedSource {
    /// `spec.dataSource` holds neither a claim nor a VolumeSnapshot.
    Legacy,
    /// `spec.dataSourceRef` names a ReplicationDestination together with a namespace.
    Namespaced,
}

/// The data source of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DataSourceRef {
    /// The claim has no data source, so that it binds to an empty volume.
    None,
    /// The data source is the ReplicationDestination of this name.
    Ours(String),
    /// The data source is something else: a snapshot, another claim, another populator.
    Foreign,
}

/// The annotation that Kubernetes sets where it chose a claim's volume itself.
pub(crate) const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Spec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata<'a> {
    name: Option<&'a str>,
    namespace: Option<&'a str>,
    uid: Option<&'a str>,
    creation_timestamp: Option<&'a str>,
    #[serde(borrow)]
    labels: Option<VecMap<&'a str, &'a str>>,
    #[serde(borrow)]
    annotations: Option<VecMap<&'a str, &'a str>>,
    #[serde(borrow)]
    owner_references: Option<Vec<OwnerReference<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OwnerReference<'a> {
    api_version: &'a str,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec<'a> {
    access_modes: Option<Vec<String>>,
    storage_class_name: Option<&'a str>,
    volume_mode: Option<&'a str>,
    volume_name: Option<&'a str>,
    #[serde(borrow)]
    data_source: Option<Reference<'a>>,
    #[serde(borrow)]
    data_source_ref: Option<Reference<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reference<'a> {
    api_group: Option<&'a str>,
    kind: &'a str,
    name: &'a str,
    namespace: Option<&'a str>,
}

impl Reference<'_> {
    /// Whether it names a ReplicationDestination.
    fn is_volsync(&self) -> bool {
        self.api_group == Some(VOLSYNC) && self.kind == "ReplicationDestination"
    }

    /// Whether `spec.dataSource` may hold it.
    fn is_legacy(&self) -> bool {
        matches!(
            (written(self.api_group), self.kind),
            (None, "PersistentVolumeClaim") | (Some("snapshot.storage.k8s.io"), "VolumeSnapshot")
        )
    }
}

/// An empty text counts as absent, as in the API server.
fn written(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn metadata<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    object.get("metadata")?.get(key)
}

impl Claim {
    /// Why the policy does not select the claim, where it does not: the claim does not carry the label, is in an
    /// excluded namespace, or was created by VolSync for its own use (a mover's copy or cache, or the claim from which
    /// another one is populated).
    pub(crate) fn unselected(object: &Value, namespace: Option<&str>, settings: &Settings) -> Option<Unselected> {
        let label = |key: &str| metadata(object, "labels").and_then(|labels| labels.get(key));
        let namespace = namespace.or_else(|| metadata(object, "namespace").and_then(Value::as_str));
        let name = metadata(object, "name").and_then(Value::as_str).unwrap_or_default();
        let is_derived = label(names::CREATED_BY).is_some_and(|creator| creator == "volsync")
            || name.starts_with(names::POPULATOR_PREFIX);
        let is_excluded =
            namespace.is_some_and(|namespace| settings.exclude_namespaces.iter().any(|excluded| excluded == namespace));
        match (label(&settings.label), is_derived, is_excluded) {
            (None, _, _) => Some(Unselected::Unlabelled),
            (Some(_), true, _) => Some(Unselected::Derived),
            (Some(_), false, true) => Some(Unselected::Excluded),
            (Some(_), false, false) => None,
        }
    }

    /// Whether the claim is being deleted.
    pub(crate) fn is_terminating(object: &Value) -> bool {
        metadata(object, "deletionTimestamp").is_some_and(|timestamp| !timestamp.is_null())
    }

    /// Reads the claim at `path`; `namespace` is the request's, which a new claim need not repeat.
    pub(crate) fn read(
        object: &Value,
        path: &str,
        namespace: Option<&str>,
        settings: &Settings,
    ) -> Result<Claim, Vec<Problem>> {
        let Document { metadata, spec } = read_part(object, path)?;
        let wrong = |key: &str, message: &str| vec![Problem::new(format!("{path}.metadata.{key}"), message)];
        let namespace = match (written(namespace), written(metadata.namespace)) {
            (Some(requested), Some(own)) if requested != own => {
                return Err(wrong("namespace", "differs from the request's namespace"));
            }
            (Some(namespace), _) | (None, Some(namespace)) => namespace.to_owned(),
            (None, None) => return Err(wrong("namespace", "is missing")),
        };
        let uid = written(metadata.uid).map(str::to_owned);
        if uid.as_ref().is_some_and(|uid| !uid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')) {
            return Err(wrong("uid", "is not a valid uid"));
        }
        let has_selector = object.get("spec").and_then(|spec| spec.get("selector")).is_some_and(|it| !it.is_null());
        let request = object.get("spec").and_then(|spec| spec.get("resources")?.get("requests")?.get("storage"));
        let dropped_source = match (&spec.data_source_ref, &spec.data_source) {
            (Some(reference), _) if reference.is_volsync() && written(reference.namespace).is_some() => {
                Some(DroppedSource::Namespaced)
            }
            (None, Some(reference)) if !reference.is_legacy() => Some(DroppedSource::Legacy),
            (Some(_) | None, _) => None,
        };
        let source = match spec.data_source_ref.or(spec.data_source) {
            // It waits for a volume of somebody's choice, such as Velero's, and nothing else can be provisioned for it.
            None if has_selector => DataSourceRef::Foreign,
            None => DataSourceRef::None,
            Some(reference)
                if reference.is_volsync() && reference.namespace.is_none_or(|elsewhere| *elsewhere == namespace) =>
            {
                DataSourceRef::Ours(reference.name.to_owned())
            }
            Some(_) => DataSourceRef::Foreign,
        };
        let labels = metadata.labels.unwrap_or_default();
        let is_refused = |refused: &&str| match refused.split_once('=') {
            Some((key, value)) => labels.get(key) == Some(&value),
            None => labels.contains_key(*refused),
        };
        let refused_label = settings.refuse_labels.iter().map(|label| &**label).find(is_refused);
        let given = metadata.annotations.unwrap_or_default();
        let mut annotations = VecMap::new();
        annotations.extend(given.iter().filter_map(|(key, value)| {
            let key = key.strip_prefix(PREFIX)?;
            Some((key.to_owned(), (*value).to_owned()))
        }));
        let group = |owner: &OwnerReference<'_>| owner.api_version.split_once('/').map(|(group, _)| group.to_owned());
        Ok(Claim {
            namespace,
            name: written(metadata.name).map(str::to_owned),
            uid,
            creation_timestamp: metadata.creation_timestamp.map(str::to_owned),
            label: labels.get(settings.label.as_str()).copied().unwrap_or_default().to_owned(),
            refused_label: refused_label.and_then(|label| label.split('=').next()).map(str::to_owned),
            owner_groups: metadata.owner_references.iter().flatten().filter_map(group).collect(),
            access_modes: spec.access_modes.unwrap_or_default(),
            request: request.and_then(|request| read_part(request, path).ok()),
            storage_class_name: written(spec.storage_class_name).map(str::to_owned),
            block: spec.volume_mode == Some("Block"),
            // On a claim that is created, the annotation is that of an earlier one.
            fixed_volume: written(spec.volume_name).is_some()
                && (written(metadata.uid).is_none() || !given.contains_key(BOUND_BY_CONTROLLER)),
            annotations,
            data_source: source,
            dropped_source,
        })
    }

    /// The value of the annotation `key`, which is one of [`names::ON_CLAIMS`].
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key.strip_prefix(PREFIX)?).map(String::as_str)
    }

    /// Annotations that begin with [`PREFIX`] and that the policy does not know: the key without the prefix, and the
    /// one that was probably meant.
    pub(crate) fn unknown_annotations(&self) -> impl Iterator<Item = (&str, Option<&'static str>)> {
        // Without the common prefix, which would make any two keys similar.
        let known = || names::ON_CLAIMS.into_iter().filter_map(|key| key.strip_prefix(PREFIX));
        let unknown = self.annotations.keys().filter(move |key| !known().any(|it| it == key.as_str()));
        unknown.map(move |key| (key.as_str(), nearest(key, known())))
    }

    /// What distinguishes this claim from earlier ones of the same name, for the trigger of its restore: its creation
    /// timestamp, or else its uid, or else the uid of the request to create it. A claim in Git has none of them.
    pub(crate) fn incarnation<'a>(&'a self, request_uid: Option<&'a str>) -> &'a str {
        self.creation_timestamp.as_deref().or(self.uid.as_deref()).or(request_uid).unwrap_or("once")
    }
}
