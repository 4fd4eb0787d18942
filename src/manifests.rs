//! The manifests of a claim: a list, each with its part. This module only renders them; it decides nothing.

mod destination;
mod external_secret;
mod restic;
mod secret;
mod source;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde::Serialize;
use serde_json::Value;

use crate::decision::Verdict;
use crate::evidence::ReleaseRecord;
use crate::names;
use crate::part::Part;
use crate::protection::Protection;
use crate::settings::RestoreMode;
use crate::vec_map::VecMap;

use destination::DestinationSpec;
use external_secret::ExternalSecretSpec;
use secret::RevealedSecret;
pub(crate) use secret::SecretManifest;
use source::SourceSpec;

/// The manifests of one claim.
pub struct Manifests {
    /// The manifest that carries the credentials, or what is missing for it.
    pub(crate) secret: SecretManifest,
    /// The others that are rendered.
    others: Vec<Manifest>,
    /// The path of the claim's repository below the base repository.
    pub(crate) repository_path: String,
    /// Where the claim's data is restored to.
    pub(crate) restore_mode: RestoreMode,
}

/// A manifest without credentials.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    #[serde(skip)]
    part: Part,
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: Spec,
}

/// `spec` of a manifest.
#[derive(Serialize)]
#[serde(untagged)]
enum Spec {
    ExternalSecret(Box<ExternalSecretSpec>),
    Destination(DestinationSpec),
    Source(SourceSpec),
}

/// The metadata that we write. `ObjectMeta` of k8s-openapi brings a date library for two fields that only an API
/// server sets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    name: String,
    namespace: String,
    labels: VecMap<String, String>,
    #[serde(skip_serializing_if = "VecMap::is_empty")]
    annotations: VecMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owner_references: Vec<OwnerReference>,
}

/// A manifest that is being serialized, with its credentials.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum RevealedManifest<'a> {
    Secret(RevealedSecret<'a>),
    /// One that has none.
    Plain(&'a Manifest),
}

impl Manifests {
    /// Renders what `verdict` decided for one claim. `secret` was rendered before, for the decision to know whether it
    /// can be; `record` is that of a release on evidence.
    pub(crate) fn render(
        protection: &Protection<'_>,
        secret: SecretManifest,
        verdict: &Verdict,
        record: Option<&ReleaseRecord>,
    ) -> Self {
        let destination = destination::render(protection, &secret, verdict);
        let source = source::render(protection, &secret, verdict, record);
        Manifests {
            secret,
            others: [destination, Some(source)].into_iter().flatten().collect(),
            repository_path: protection.repository_path.clone(),
            restore_mode: protection.restore_mode,
        }
    }

    /// One of the manifests, with its credentials, for serialization; `None` where it is not rendered.
    pub(crate) fn reveal(&self, part: Part) -> Option<RevealedManifest<'_>> {
        match part {
            Part::Secret => self.secret.reveal(),
            part => self.others.iter().find(|manifest| manifest.part == part).map(RevealedManifest::Plain),
        }
    }

    /// One of the manifests as JSON, with its credentials.
    pub(crate) fn json(&self, part: Part) -> Option<Value> {
        let json = serde_json::to_vec(&self.reveal(part)?).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

impl Manifest {
    fn new(part: Part, metadata: Metadata, spec: Spec) -> Self {
        Manifest { part, api_version: part.api_version(), kind: part.kind(), metadata, spec }
    }
}

impl Metadata {
    /// The mark by which we know our own objects, and by which the API server removes them with their claim.
    fn of(part: Part, protection: &Protection<'_>) -> Self {
        let claim = protection.claim;
        let mut labels = protection.labels.clone();
        labels.insert(names::MANAGED_BY.to_owned(), names::MANAGER.to_owned());
        let mut annotations = protection.annotations.clone();
        annotations.extend(claim.uid.iter().map(|uid| (names::CLAIM_UID.to_owned(), uid.clone())));
        Metadata {
            name: protection.names.of(part).to_owned(),
            namespace: claim.namespace.clone(),
            labels,
            annotations,
            owner_references: claim.uid.iter().map(|uid| owner(protection.name, uid)).collect(),
        }
    }

    /// Adds the annotation `key`, where there is a value.
    fn annotate(&mut self, key: &str, value: Option<String>) {
        self.annotations.extend(value.map(|value| (key.to_owned(), value)));
    }
}

fn owner(name: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: "PersistentVolumeClaim".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    }
}
