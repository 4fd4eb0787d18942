//! The certificate with which the host answers at admission. A certificate authority is in a Secret that all hosts
//! share; each host has a certificate from it, in memory. Both are replaced early, without a restart.
//!
//! ```text
//!   Secret ── authority ──┬── caBundle of the webhooks
//!                         └── certificate ── admission
//! ```
//!
//! A new authority is trusted before a certificate from it is used, and the one before it is trusted for another day.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, ResourceExt};
use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use volsync_policy::ObjectRef;
use volsync_policy::names::{FIELD_MANAGER, MANAGED_BY, MANAGER};
use x509_cert::der::Decode;

use crate::api::{ApiServer, PatchType, Refusal};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an authority is valid.
const AUTHORITY: Duration = DAY.saturating_mul(10 * 365);

/// How long a certificate is valid.
const CERTIFICATE: Duration = DAY.saturating_mul(365);

/// How long before they are made authorities and certificates are valid, because clocks differ.
const BACKDATED: Duration = Duration::from_secs(60 * 60);

/// How long an authority is trusted after another one has replaced it.
const OVERLAP: Duration = DAY;

/// How long API servers may take to learn a `caBundle` that this host has seen.
const SETTLING: Duration = Duration::from_secs(5);

/// How long between two looks at the certificates, if nothing changes.
const INTERVAL: Duration = Duration::from_secs(5);

/// The field manager of `caBundle`. Every other field of a webhook belongs to whoever installed it.
const BUNDLE_MANAGER: &str = "volsync-policy-ca-bundle";

/// The key of the Secret that holds the certificate of the authority.
const CERTIFICATE_KEY: &str = "tls.crt";

/// The key of the Secret that holds the private key of the authority.
const PRIVATE_KEY: &str = "tls.key";

/// The key of the Secret that holds the certificates of all authorities that are trusted.
const TRUSTED_KEY: &str = "ca.crt";

/// Where an authority is stored, who must trust it, and the name that its certificates are for.
pub(crate) struct Place {
    /// The Secret with the authority.
    pub(crate) secret: ObjectRef,
    /// The MutatingWebhookConfiguration whose webhooks must trust it.
    pub(crate) webhook: ObjectRef,
    /// The name by which the API server calls the host.
    pub(crate) host: String,
}

/// A certificate authority. It holds a private key, so it does not implement `Debug`.
struct Authority {
    certificate: CertificateDer<'static>,
    key: KeyPair,
    /// The other authorities that are trusted.
    others: Vec<CertificateDer<'static>>,
    validity: Validity,
}

/// The certificate that is in use.
struct Used {
    /// The certificate of its authority.
    authority: CertificateDer<'static>,
    validity: Validity,
}

/// The time during which a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Validity {
    from: SystemTime,
    until: SystemTime,
}

/// What to do about the authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Keep,
    /// Make another one, and trust both.
    Replace,
    /// Trust the one before it no longer.
    TrustItAlone,
}

/// What the API server showed last, and what was made of it. It holds a private key, so it does not implement `Debug`.
struct Keeper {
    api: ApiServer,
    place: Place,
    /// The authority that was seen last. If its Secret is gone, it is trusted until nobody uses it.
    authority: Option<Authority>,
    used: Option<Used>,
    /// The authority that was seen to be trusted last, and when it was seen first.
    trusted: Option<(CertificateDer<'static>, Instant)>,
    certificate: watch::Sender<Option<TlsAcceptor>>,
}

/// Keeps the authority, the trust in it and the certificate up to date, for as long as the host runs.
pub(crate) async fn run(api: ApiServer, place: Place, certificate: watch::Sender<Option<TlsAcceptor>>) {
    let secrets = Api::<Secret>::namespaced(api.client(), place.secret.namespace.as_deref().unwrap_or_default());
    let webhooks = Api::<MutatingWebhookConfiguration>::all(api.client());
    let mut secrets = pin!(watch_object(secrets, &place.secret.name).default_backoff());
    let mut webhooks = pin!(watch_object(webhooks, &place.webhook.name).default_backoff());
    let mut keeper = Keeper { api, place, authority: None, used: None, trusted: None, certificate };
    // `None` until the API server has answered.
    let (mut secret, mut webhook) = (None, None);
    loop {
        tokio::select! {
            Some(seen) = secrets.next() => match seen {
                Ok(seen) => secret = Some(seen),
                Err(_) => tracing::warn!("the Secret with the certificate authority is not watched"),
            },
            Some(seen) = webhooks.next() => match seen {
                Ok(seen) => webhook = Some(seen),
                Err(_) => tracing::warn!("the webhook configuration is not watched"),
            },
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let (Some(secret), Some(webhook)) = (&secret, &webhook) else { continue };
        if let Err(error) = keeper.keep(secret.as_ref(), webhook.as_ref(), SystemTime::now()).await {
            tracing::warn!(error = format!("{error:#}"), "the certificate for admission is not up to date");
        }
    }
}

impl Keeper {
    /// Does the next thing that is missing, judged by the Secret and the webhook configuration as they were seen last.
    async fn keep(
        &mut self,
        secret: Option<&Secret>,
        webhook: Option<&MutatingWebhookConfiguration>,
        now: SystemTime,
    ) -> anyhow::Result<()> {
        let Some(authority) = self.stored(secret, now).await? else { return Ok(()) };
        let authority = self.authority.insert(authority);
        let is_trusted = match webhook {
            Some(webhook) => trust(&self.api, &self.place.webhook, webhook, authority).await?,
            // Nobody calls yet, so nobody has to trust it.
            None => true,
        };
        if !is_trusted {
            return Ok(());
        }
        let since = match &self.trusted {
            Some((trusted, since)) if *trusted == authority.certificate => *since,
            _ => self.trusted.insert((authority.certificate.clone(), Instant::now())).1,
        };
        let is_settled = self.used.is_none() || since.elapsed() >= SETTLING;
        if is_settled && is_due(self.used.as_ref(), authority, now) {
            let (acceptor, validity) = authority.issue(&self.place.host, now)?;
            self.certificate.send_replace(Some(acceptor));
            self.used = Some(Used { authority: authority.certificate.clone(), validity });
            tracing::info!("a new certificate is in use at admission");
        }
        Ok(())
    }

    /// The authority in the Secret. `None` if another one had to be written, which the watch will show.
    async fn stored(&self, secret: Option<&Secret>, now: SystemTime) -> anyhow::Result<Option<Authority>> {
        let Some(secret) = secret else {
            let next = Authority::new(self.authority.as_ref(), now)?;
            return self.write(None, &next).await.map(|()| None);
        };
        let is_ours = secret.labels().get(MANAGED_BY).is_some_and(|manager| manager == MANAGER);
        ensure!(is_ours, "the Secret `{}` exists, and is not managed by this program", self.place.secret.name);
        let next = match Authority::read(secret) {
            Ok(mut authority) => match judge(authority.validity, authority.others.len(), now) {
                Action::Keep => return Ok(Some(authority)),
                Action::Replace => Authority::new(Some(&authority), now)?,
                Action::TrustItAlone => {
                    authority.others.clear();
                    authority
                }
            },
            Err(_) => Authority::new(self.authority.as_ref(), now)?,
        };
        self.write(Some(secret), &next).await.map(|()| None)
    }

    /// Writes an authority, unless another host was first.
    async fn write(&self, earlier: Option<&Secret>, authority: &Authority) -> anyhow::Result<()> {
        let object = &self.place.secret;
        let body = json!({
            "apiVersion": object.api_version, "kind": object.kind, "type": "kubernetes.io/tls",
            "metadata": {
                "namespace": object.namespace, "name": object.name, "labels": {MANAGED_BY: MANAGER},
                "resourceVersion": earlier.and_then(|secret| secret.metadata.resource_version.as_ref()),
            },
            "stringData": {
                CERTIFICATE_KEY: pem(&authority.certificate),
                PRIVATE_KEY: authority.key.serialize_pem(),
                TRUSTED_KEY: authority.bundle(),
            },
        });
        let written = match earlier {
            None => self.api.create(object, &body, FIELD_MANAGER).await,
            Some(_) => self.api.patch((object, ""), PatchType::Merge, &body, FIELD_MANAGER).await,
        };
        match written {
            Ok(_) => tracing::info!("a certificate authority was written"),
            Err(Refusal::Conflict) => {}
            Err(refusal) => bail!("the Secret `{}` could not be written: {}", object.name, refusal.as_str()),
        }
        Ok(())
    }
}

/// Whether all webhooks of a configuration trust an authority. If one does not, it is told to.
async fn trust(
    api: &ApiServer,
    object: &ObjectRef,
    configuration: &MutatingWebhookConfiguration,
    authority: &Authority,
) -> anyhow::Result<bool> {
    let bundle = authority.bundle();
    let webhooks = configuration.webhooks.as_deref().unwrap_or_default();
    let trusts = |webhook: &MutatingWebhook| {
        webhook.client_config.ca_bundle.as_ref().is_some_and(|ByteString(trusted)| trusted == bundle.as_bytes())
    };
    if webhooks.iter().all(trusts) {
        return Ok(true);
    }
    let bundle = STANDARD.encode(bundle);
    // By apply, the list is merged by name: nothing but this field is written.
    let body = json!({
        "apiVersion": object.api_version, "kind": object.kind,
        "metadata": {"name": object.name, "uid": configuration.metadata.uid},
        "webhooks": webhooks
            .iter()
            .map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}}))
            .collect::<Vec<_>>(),
    });
    match api.patch((object, ""), PatchType::Apply, &body, BUNDLE_MANAGER).await {
        Ok(_) | Err(Refusal::Conflict) => Ok(false),
        Err(refusal) => bail!("`caBundle` of `{}` could not be patched: {}", object.name, refusal.as_str()),
    }
}

/// What to do about an authority that is trusted beside so many others.
fn judge(authority: Validity, others: usize, now: SystemTime) -> Action {
    if now + CERTIFICATE > authority.until {
        // A certificate that it issues now would outlive it.
        Action::Replace
    } else if others > 0 && now > authority.from + BACKDATED + OVERLAP {
        Action::TrustItAlone
    } else {
        Action::Keep
    }
}

/// Whether another certificate is needed.
fn is_due(used: Option<&Used>, authority: &Authority, now: SystemTime) -> bool {
    used.is_none_or(|used| used.authority != authority.certificate || used.validity.is_half_over(now))
}

impl Validity {
    fn new(now: SystemTime, length: Duration) -> Self {
        Validity { from: now - BACKDATED, until: now + length }
    }

    /// The validity of a certificate.
    fn of(certificate: &x509_cert::Certificate) -> Self {
        let validity = &certificate.tbs_certificate.validity;
        Validity { from: validity.not_before.to_system_time(), until: validity.not_after.to_system_time() }
    }

    fn is_half_over(self, now: SystemTime) -> bool {
        now > self.from + self.until.duration_since(self.from).unwrap_or_default() / 2
    }
}

impl Authority {
    /// A new authority, beside which the one before it is trusted for a while.
    fn new(before: Option<&Authority>, now: SystemTime) -> anyhow::Result<Self> {
        let validity = Validity::new(now, AUTHORITY);
        let key = KeyPair::generate()?;
        let certificate = authority(validity)?.self_signed(&key)?.der().clone();
        let others = before.into_iter().map(|before| before.certificate.clone()).collect();
        Ok(Authority { certificate, key, others, validity })
    }

    /// The authority in a Secret.
    fn read(secret: &Secret) -> anyhow::Result<Self> {
        let value = |key: &str| {
            let value = secret.data.as_ref().and_then(|data| data.get(key));
            value.map(|ByteString(value)| value.as_slice()).with_context(|| format!("no `{key}`"))
        };
        let key = KeyPair::from_pem(str::from_utf8(value(PRIVATE_KEY)?)?)?;
        let certificate = CertificateDer::from_pem_slice(value(CERTIFICATE_KEY)?)?;
        let parsed = x509_cert::Certificate::from_der(&certificate)?;
        let public_key = parsed.tbs_certificate.subject_public_key_info.subject_public_key.raw_bytes();
        ensure!(public_key == key.public_key_raw(), "`{PRIVATE_KEY}` is of another certificate");
        let mut others = CertificateDer::pem_slice_iter(value(TRUSTED_KEY)?).collect::<Result<Vec<_>, _>>()?;
        others.retain(|other| *other != certificate);
        Ok(Authority { certificate, key, others, validity: Validity::of(&parsed) })
    }

    /// All authorities that are trusted, as PEM.
    fn bundle(&self) -> String {
        [&self.certificate].into_iter().chain(&self.others).map(pem).collect()
    }

    /// A new certificate for a name, with a new key, and the time of its validity.
    fn issue(&self, host: &str, now: SystemTime) -> anyhow::Result<(TlsAcceptor, Validity)> {
        let validity = Validity::new(now, CERTIFICATE);
        let key = KeyPair::generate()?;
        let mut certificate = parameters("volsync-policy", validity)?;
        certificate.subject_alt_names = vec![SanType::DnsName(host.try_into()?)];
        certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        certificate.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(authority(self.validity)?, &self.key);
        let certificate = certificate.signed_by(&key, &issuer)?.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok((TlsAcceptor::from(Arc::new(tls)), validity))
    }
}

/// What the certificate of an authority says.
fn authority(validity: Validity) -> anyhow::Result<CertificateParams> {
    let mut certificate = parameters("volsync-policy certificate authority", validity)?;
    certificate.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    certificate.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(certificate)
}

fn parameters(name: &str, validity: Validity) -> anyhow::Result<CertificateParams> {
    let mut certificate = CertificateParams::new(Vec::new())?;
    certificate.distinguished_name = DistinguishedName::new();
    certificate.distinguished_name.push(DnType::CommonName, name);
    (certificate.not_before, certificate.not_after) = (validity.from.into(), validity.until.into());
    Ok(certificate)
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let certificate = Pem::new("CERTIFICATE", certificate.as_ref());
    pem::encode_config(&certificate, EncodeConfig::new().set_line_ending(LineEnding::LF))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The age of an authority whose replacement is due.
    const OLD: Duration = DAY.saturating_mul(9 * 365 + 1);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000
    }

    #[test]
    fn an_authority_is_replaced_before_a_certificate_could_outlive_it() {
        let authority = Validity::new(now(), AUTHORITY);
        assert_eq!(judge(authority, 0, now()), Action::Keep);
        assert_eq!(judge(authority, 0, now() + AUTHORITY - CERTIFICATE), Action::Keep);
        assert_eq!(judge(authority, 0, now() + OLD), Action::Replace);
        assert_eq!(judge(authority, 1, now() + AUTHORITY * 2), Action::Replace);
    }

    #[test]
    fn the_authority_before_is_trusted_for_a_day() {
        let authority = Validity::new(now(), AUTHORITY);
        assert_eq!(judge(authority, 1, now() + OVERLAP), Action::Keep);
        assert_eq!(judge(authority, 1, now() + OVERLAP * 2), Action::TrustItAlone);
        assert_eq!(judge(authority, 0, now() + OVERLAP * 2), Action::Keep);
    }

    #[test]
    fn a_certificate_is_replaced_after_half_a_year_or_with_its_authority() {
        let (first, second) = (Authority::new(None, now()).unwrap(), Authority::new(None, now()).unwrap());
        let used = Used { authority: first.certificate.clone(), validity: Validity::new(now(), CERTIFICATE) };
        assert!(is_due(None, &first, now()));
        assert!(!is_due(Some(&used), &first, now() + CERTIFICATE / 2 - DAY));
        assert!(is_due(Some(&used), &first, now() + CERTIFICATE / 2 + DAY));
        assert!(is_due(Some(&used), &second, now()));
    }

    #[test]
    fn an_authority_is_read_from_a_secret_as_it_was_written() {
        let before = Authority::new(None, now()).unwrap();
        let authority = Authority::new(Some(&before), now()).unwrap();
        let secret = |key: &KeyPair| Secret {
            data: Some(
                [
                    (CERTIFICATE_KEY, pem(&authority.certificate)),
                    (PRIVATE_KEY, key.serialize_pem()),
                    (TRUSTED_KEY, authority.bundle()),
                ]
                .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
                .into(),
            ),
            ..Secret::default()
        };
        let read = Authority::read(&secret(&authority.key)).unwrap();
        assert_eq!((read.validity, read.bundle()), (authority.validity, authority.bundle()));
        assert_eq!(read.others, [before.certificate]);
        assert!(Authority::read(&secret(&KeyPair::generate().unwrap())).is_err());
        assert!(Authority::read(&Secret::default()).is_err());
    }
}
