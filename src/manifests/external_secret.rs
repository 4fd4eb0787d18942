//! The ExternalSecret, from which External Secrets creates the claim's Secret.

use serde::Serialize;

use super::{Manifest, Metadata, Spec};
use crate::mover::restic::MoverKey;
use crate::names::EXTERNAL_SECRETS_VERSION;
use crate::part::Part;
use crate::protection::Protection;
use crate::settings::{ExternalSecretSettings, RemoteReference, StoreReference};
use crate::vec_map::VecMap;

/// `spec` of an ExternalSecret, external-secrets.io/v1.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExternalSecretSpec {
    refresh_interval: String,
    secret_store_ref: StoreReference,
    target: Target,
    data: Vec<Data>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    name: String,
    creation_policy: &'static str,
    template: Template,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Template {
    engine_version: &'static str,
    merge_policy: &'static str,
    metadata: TemplateMetadata,
    data: TemplateData,
}

#[derive(Serialize)]
struct TemplateMetadata {
    labels: VecMap<String, String>,
    annotations: VecMap<String, String>,
}

#[derive(Serialize)]
struct TemplateData {
    #[serde(rename = "RESTIC_REPOSITORY")]
    repository: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    secret_key: MoverKey,
    remote_ref: RemoteReference,
}

impl ExternalSecretSpec {
    /// Whether the Secret contains this key.
    pub(super) fn has(&self, key: &MoverKey) -> bool {
        self.data.iter().any(|data| data.secret_key == *key)
    }
}

/// The ExternalSecret, in the place of the Secret.
pub(super) fn render(protection: &Protection<'_>, external: &ExternalSecretSettings) -> Manifest {
    let metadata = Metadata::of(Part::Secret, protection);
    // External Secrets fills this in where the base repository is known. It trims as we do for a Secret of our own.
    // It joins both, too: the path in a container follows a colon.
    let base = concat!(
        r#"{{ $base := regexReplaceAll "/+$" (.RESTIC_REPOSITORY | trim) "" }}{{ $base }}"#,
        r#"{{ if regexMatch "^(azure|b2|gs|swift):[^:]*$" $base }}:"#,
        r#"{{ else if not (hasSuffix ":" $base) }}/{{ end }}"#,
    );
    let repository = format!("{base}{}", protection.repository_path);
    // It takes annotations for templates too, over the credentials: braces that came from a claim must stay braces.
    let escaped = |text: &str| text.replace("{{", r#"{{ "{{" }}"#);
    let mut annotations = VecMap::new();
    annotations.extend(metadata.annotations.iter().map(|(key, value)| (key.clone(), escaped(value))));
    let spec = ExternalSecretSpec {
        refresh_interval: external.refresh_interval.clone(),
        secret_store_ref: external.store.clone(),
        target: Target {
            name: protection.names.secret.clone(),
            creation_policy: "Owner",
            template: Template {
                engine_version: "v2",
                // The keys that are not templated are copied.
                merge_policy: "Merge",
                metadata: TemplateMetadata { labels: metadata.labels.clone(), annotations },
                data: TemplateData { repository },
            },
        },
        data: (external.data.iter())
            .map(|(key, remote)| Data { secret_key: key.clone(), remote_ref: remote.clone() })
            .collect(),
    };
    Manifest {
        api_version: EXTERNAL_SECRETS_VERSION,
        kind: "ExternalSecret",
        ..Manifest::new(Part::Secret, metadata, Spec::ExternalSecret(Box::new(spec)))
    }
}
