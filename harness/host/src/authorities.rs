//! The certificate authorities that a Secret names, and the verification of a store's certificate against them.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// Trusts a certificate that one of these authorities has issued, or that is one of theirs.
///
/// A store at home often uses a certificate of its own that is marked as an authority's, because `openssl req -x509`
/// makes such certificates. restic accepts that, and webpki does not.
#[derive(Debug)]
pub(crate) struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    webpki: Arc<WebPkiServerVerifier>,
}

impl Authorities {
    /// The authorities in a PEM text.
    ///
    /// # Errors
    ///
    /// There is no certificate in the text, or one cannot be parsed.
    pub(crate) fn parse(pem: &[u8]) -> anyhow::Result<Self> {
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone())?;
        }
        Ok(Authorities { certificates, webpki: WebPkiServerVerifier::builder(Arc::new(roots)).build()? })
    }

    /// The configuration of clients that trust these authorities, and no other.
    pub(crate) fn client_config(self) -> ClientConfig {
        let config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(self));
        config.with_no_client_auth()
    }
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.certificates.contains(certificate) {
            return self.webpki.verify_server_cert(certificate, intermediates, name, ocsp_response, now);
        }
        let parsed = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let validity = &parsed.tbs_certificate.validity;
        let now = Duration::from_secs(now.as_secs());
        if now < validity.not_before.to_unix_duration() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > validity.not_after.to_unix_duration() {
            return Err(CertificateError::Expired.into());
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    /// The seconds of a day. Certificates of these tests are valid from the day 100 to the day 200.
    const DAY: u64 = 24 * 60 * 60;

    fn parameters(name: &str) -> CertificateParams {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let day = |day: u64| std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(day * DAY);
        (parameters.not_before, parameters.not_after) = (day(100).into(), day(200).into());
        parameters
    }

    fn verify(authorities: &str, certificate: &CertificateDer<'_>, name: &str, day: u64) -> Result<(), Error> {
        let authorities = Authorities::parse(authorities.as_bytes()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(day * DAY));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        authorities.verify_server_cert(certificate, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_certificate_that_an_authority_has_issued_is_trusted() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let authority = parameters("authority").self_signed(&key).unwrap().pem();
        let stranger = parameters("authority").self_signed(&other).unwrap().pem();
        let mut leaf = parameters("store.home");
        leaf.is_ca = IsCa::ExplicitNoCa;
        let leaf = leaf.signed_by(&other, &Issuer::new(parameters("authority"), &key)).unwrap();
        assert_eq!(verify(&authority, leaf.der(), "store.home", 150), Ok(()));
        assert_eq!(verify(&format!("{stranger}{authority}"), leaf.der(), "store.home", 150), Ok(()));
        for (authorities, name, day) in
            [(&stranger, "store.home", 150), (&authority, "other.home", 150), (&authority, "store.home", 201)]
        {
            assert!(verify(authorities, leaf.der(), name, day).is_err(), "{name} {day}");
        }
    }

    #[test]
    fn a_certificate_that_is_an_authority_itself_is_trusted_for_its_name_while_it_is_valid() {
        let certificate = parameters("store.home").self_signed(&KeyPair::generate().unwrap()).unwrap();
        let verify = |name, day| verify(&certificate.pem(), certificate.der(), name, day);
        assert_eq!(verify("store.home", 150), Ok(()));
        assert!(matches!(
            verify("other.home", 150),
            Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }))
        ));
        assert_eq!(verify("store.home", 99), Err(CertificateError::NotValidYet.into()));
        assert_eq!(verify("store.home", 201), Err(CertificateError::Expired.into()));
    }

    #[test]
    fn a_text_without_certificates_names_no_authority() {
        assert!(Authorities::parse(b"").is_err());
        assert!(Authorities::parse(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").is_err());
    }
}
