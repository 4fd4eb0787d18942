//! The Secret, or the ExternalSecret that creates it. Unlike other manifests it holds credentials, keys can be missing
//! for it, and it keeps values of the Secret in the cluster.

use k8s_openapi::ByteString;
use serde::Serialize;

use super::{Manifest, Metadata, RevealedManifest, Spec, external_secret};
use crate::ask::Ask;
use crate::credentials::{ClaimCredentials, Credentials, Need, SecretBytes, needs_without_credentials};
use crate::evidence::{Digest, Evidence, SecretContent, SecretEvidence, ValueMatch};
use crate::mover::restic::MoverKey;
use crate::part::Part;
use crate::protection::Protection;

/// The manifest that carries the credentials.
pub(crate) enum SecretManifest {
    Secret {
        metadata: Metadata,
        data: ClaimCredentials,
        /// The keys whose values are those of the Secret in the cluster.
        kept: Vec<MoverKey>,
    },
    ExternalSecret(Box<Manifest>),
    /// The manifest cannot be rendered, because keys have no usable value.
    Needs {
        name: String,
        needs: Vec<Need>,
        /// Whether credentials were given at all.
        are_given: bool,
    },
}

/// A Secret that is being serialized.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevealedSecret<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: &'a Metadata,
    r#type: &'static str,
    data: SecretData<'a>,
}

/// `Secret.data`, the only place that credentials are written to. Only here do they become text.
struct SecretData<'a>(&'a ClaimCredentials);

impl Serialize for SecretData<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key.as_str(), ByteString(value.reveal().to_vec()))))
    }
}

impl SecretManifest {
    /// The manifest that carries the claim's credentials.
    pub(crate) fn of(protection: &Protection<'_>, credentials: Option<&Credentials>) -> Self {
        if let Some(external) = &protection.settings.credentials.external_secret {
            return SecretManifest::ExternalSecret(Box::new(external_secret::render(protection, external)));
        }
        let identity = protection.settings.credentials.s3_identity;
        let data = match credentials {
            Some(base) => base.for_claim(&protection.repository_path, identity),
            None => Err(needs_without_credentials(identity)),
        };
        match data {
            Ok(data) => {
                SecretManifest::Secret { metadata: Metadata::of(Part::Secret, protection), data, kept: Vec::new() }
            }
            Err(needs) => {
                let name = protection.names.secret.clone();
                SecretManifest::Needs { name, needs, are_given: credentials.is_some() }
            }
        }
    }

    /// The manifest with the password of the Secret in the cluster, where that differs: the password of a repository
    /// cannot be changed through a Secret, so with another one the next mover would fail. Without the live value, the
    /// key is left out.
    pub(crate) fn keeping_password(mut self, evidence: Option<&Evidence>, live: Option<SecretBytes>) -> Self {
        let has_other_password = matches!(
            evidence.and_then(|evidence| evidence.secret.as_ref()),
            Some(SecretEvidence::Ours(SecretContent { password: ValueMatch::Other, .. }))
        );
        if let SecretManifest::Secret { data, kept, .. } = &mut self
            && has_other_password
        {
            match (data.iter_mut().find(|(key, _)| *key == MoverKey::PASSWORD), live) {
                (Some((_, value)), Some(live)) => *value = live,
                (Some(_), None) | (None, _) => data.retain(|(key, _)| *key != MoverKey::PASSWORD),
            }
            kept.push(MoverKey::PASSWORD);
        }
        self
    }

    /// What the decision must know of a claim with this protection and this Secret.
    pub(crate) fn ask(secret: Option<&Self>, protection: &Protection<'_>, evidence: Option<&Evidence>) -> Ask {
        // The address is expensive to compute, and is only compared with evidence.
        let repository = evidence.and(secret).and_then(SecretManifest::address);
        Ask::of(protection, secret.is_some_and(SecretManifest::is_rendered), repository, evidence)
    }

    /// The object, credentials and all, to be written out; `None` where keys are missing.
    pub(super) fn reveal(&self) -> Option<RevealedManifest<'_>> {
        match self {
            SecretManifest::Secret { metadata, data, kept: _ } => Some(RevealedManifest::Secret(RevealedSecret {
                api_version: Part::Secret.api_version(),
                kind: Part::Secret.kind(),
                metadata,
                r#type: "Opaque",
                data: SecretData(data),
            })),
            SecretManifest::ExternalSecret(manifest) => Some(RevealedManifest::Plain(manifest)),
            SecretManifest::Needs { .. } => None,
        }
    }

    /// Whether the manifest can be rendered.
    pub(crate) fn is_rendered(&self) -> bool {
        match self {
            SecretManifest::Secret { .. } | SecretManifest::ExternalSecret(_) => true,
            SecretManifest::Needs { .. } => false,
        }
    }

    /// Whether the Secret contains this key.
    pub(crate) fn has(&self, key: &MoverKey) -> bool {
        match self {
            SecretManifest::Secret { data, .. } => data.iter().any(|(known, _)| known == key),
            SecretManifest::ExternalSecret(manifest) => match &manifest.spec {
                Spec::ExternalSecret(spec) => spec.has(key),
                Spec::Destination(_) | Spec::Source(_) => false,
            },
            SecretManifest::Needs { .. } => false,
        }
    }

    /// The name of the Secret.
    pub(crate) fn name(&self) -> &str {
        match self {
            SecretManifest::Secret { metadata, .. } => &metadata.name,
            SecretManifest::ExternalSecret(manifest) => &manifest.metadata.name,
            SecretManifest::Needs { name, .. } => name,
        }
    }

    /// The keys without a usable value, because of which the manifest cannot be rendered.
    pub(crate) fn needs(&self) -> &[Need] {
        match self {
            SecretManifest::Needs { needs, .. } => needs,
            SecretManifest::Secret { .. } | SecretManifest::ExternalSecret(_) => &[],
        }
    }

    /// The keys whose values are those of the Secret in the cluster.
    pub(crate) fn kept(&self) -> &[MoverKey] {
        match self {
            SecretManifest::Secret { kept, .. } => kept,
            SecretManifest::ExternalSecret(_) | SecretManifest::Needs { .. } => &[],
        }
    }

    /// The SHA-256 of the address of the repository; `None` where External Secrets fills it in.
    fn address(&self) -> Option<Digest> {
        let SecretManifest::Secret { data, .. } = self else { return None };
        let (_, repository) = data.iter().find(|(key, _)| *key == MoverKey::REPOSITORY)?;
        Some(Digest::of(repository.reveal()))
    }
}
