//! The HTTP client of `object_store`. It has one deadline and one size limit for a whole exchange, and keeps what that
//! library does not return: the `Date` header, and the class of a failure.

use std::cell::RefCell;
use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use volsync_policy::evidence::Failure;

use crate::authorities::Authorities;

/// How long an exchange may take, until the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// The longest answer, in bytes. A page of a listing has 1,000 keys.
const LONGEST: usize = 16 << 20;

tokio::task_local! {
    /// The last exchange of the task.
    static EXCHANGE: RefCell<Exchange>;
}

/// The outcome of an exchange with a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exchange {
    /// The `Date` header of the answer.
    pub(crate) date: Option<String>,
    /// The status of the answer; `None` if there was no answer.
    pub(crate) status: Option<StatusCode>,
    /// Why there was no usable answer.
    pub(crate) failure: Option<Failure>,
}

impl Exchange {
    /// Runs requests, and returns the outcome of the last exchange with their result.
    pub(crate) async fn of<T>(requests: impl Future<Output = T>) -> (T, Exchange) {
        EXCHANGE
            .scope(RefCell::default(), async {
                let answer = requests.await;
                (answer, EXCHANGE.with(RefCell::take))
            })
            .await
    }

    fn note(self) {
        // Outside of `Exchange::of` nobody needs the outcome.
        drop(EXCHANGE.try_with(|exchange| exchange.replace(self)));
    }
}

/// Makes the HTTP clients of stores whose certificates are from the same authorities. They share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Connector(Client<HttpsConnector<Tcp>, HttpRequestBody>);

impl Connector {
    /// For stores whose certificates are from an authority that this machine trusts.
    ///
    /// # Errors
    ///
    /// The certificate authorities that the environment names cannot be read.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities()?)
            .with_no_client_auth();
        Ok(Connector::with(tls))
    }

    /// For stores whose certificates are from one of these authorities. No other authority is trusted, because restic
    /// trusts no other either: what the host reads is what a mover can read.
    pub(crate) fn trusting(authorities: Authorities) -> Self {
        Connector::with(authorities.client_config())
    }

    fn with(tls: ClientConfig) -> Self {
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Connector(Client::builder(TokioExecutor::new()).build(https))
    }

    async fn exchange(&self, request: HttpRequest) -> Result<http::Response<Bytes>, HttpError> {
        let unknown = |error: Box<dyn Error + Send + Sync>| HttpError::new_boxed(HttpErrorKind::Unknown, error);
        let answer = self.0.request(request).await.map_err(|error| unknown(error.into()))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(unknown)?.to_bytes();
        Ok(http::Response::from_parts(parts, body))
    }
}

/// The certificate authorities that may have signed the certificate of a store: those that `SSL_CERT_FILE` or
/// `SSL_CERT_DIR` names, or else those of the system.
fn authorities() -> anyhow::Result<RootCertStore> {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().find(|name| env::var_os(name).is_some());
    trusted(rustls_native_certs::load_native_certs().certs, named)
}

/// The certificates that were found, or Mozilla's, which are in this program, for a system without any, such as the
/// image. `named` is the variable that says where the certificates are, if one does.
fn trusted(found: Vec<CertificateDer<'_>>, named: Option<&str>) -> anyhow::Result<RootCertStore> {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(found);
    match named {
        Some(named) if authorities.is_empty() => bail!("there is no certificate where {named} says"),
        None if authorities.is_empty() => authorities.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        _ => {}
    }
    Ok(authorities)
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = match tokio::time::timeout(DEADLINE, self.exchange(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                Exchange { failure: Some(Failure::Unreachable), ..Exchange::default() }.note();
                return Err(error);
            }
            Err(elapsed) => {
                Exchange { failure: Some(Failure::Timeout), ..Exchange::default() }.note();
                return Err(HttpError::new(HttpErrorKind::Unknown, elapsed));
            }
        };
        let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let status = answer.status();
        Exchange { date, status: Some(status), failure: class(status, answer.body()) }.note();
        Ok(answer.map(HttpResponseBody::from))
    }
}

/// The class of a failure; `None` for success, for an object that does not exist, and for a condition that does not
/// hold.
fn class(status: StatusCode, body: &[u8]) -> Option<Failure> {
    let names = |code: &[u8]| body.windows(code.len()).any(|window| window == code);
    match status.as_u16() {
        404 if names(b"<Code>NoSuchBucket</Code>") => Some(Failure::StoreMissing),
        200..=299 | 304 | 404 | 409 | 412 => None,
        401 | 403 => Some(Failure::Denied),
        408 => Some(Failure::Timeout),
        501 => Some(Failure::Unsupported),
        429 | 500.. => Some(Failure::Unreachable),
        _ => Some(Failure::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_certificates_trusts_those_of_the_program_unless_others_are_named() {
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        for named in [None, Some("SSL_CERT_FILE")] {
            assert_eq!(trusted(vec![own.der().clone()], named).unwrap().len(), 1);
        }
        assert_eq!(trusted(Vec::new(), None).unwrap().len(), webpki_roots::TLS_SERVER_ROOTS.len());
        let error = trusted(vec![b"no certificate".to_vec().into()], Some("SSL_CERT_FILE")).unwrap_err();
        assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
    }

    #[test]
    fn a_bucket_that_does_not_exist_is_not_an_object_that_does_not_exist() {
        let answer = |code: &str| format!("<Error><Code>{code}</Code><Key>a</Key></Error>");
        assert_eq!(class(StatusCode::NOT_FOUND, answer("NoSuchKey").as_bytes()), None);
        assert_eq!(class(StatusCode::NOT_FOUND, answer("NoSuchBucket").as_bytes()), Some(Failure::StoreMissing));
        assert_eq!(class(StatusCode::FORBIDDEN, b""), Some(Failure::Denied));
        assert_eq!(class(StatusCode::SERVICE_UNAVAILABLE, b""), Some(Failure::Unreachable));
        assert_eq!(class(StatusCode::NOT_IMPLEMENTED, b""), Some(Failure::Unsupported));
        assert_eq!(class(StatusCode::MOVED_PERMANENTLY, b""), Some(Failure::Malformed));
    }
}
