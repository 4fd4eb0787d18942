//! The HTTP client of `object_store`. It has one deadline and one size limit for a whole exchange, and keeps what that
//! library does not return: the `Date` header, and the class of a failure.

use std::cell::RefCell;
use std::error::Error;
use std::time::Duration;

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
use volsync_policy::evidence::Failure;

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

/// Makes the HTTP clients of all stores, which share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Connector(Client<HttpsConnector<Tcp>, HttpRequestBody>);

impl Connector {
    /// # Errors
    ///
    /// The certificate authorities of the machine cannot be read.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let https = HttpsConnectorBuilder::new().try_with_platform_verifier()?.https_or_http().enable_http1().build();
        Ok(Connector(Client::builder(TokioExecutor::new()).build(https)))
    }

    async fn exchange(&self, request: HttpRequest) -> Result<http::Response<Bytes>, HttpError> {
        let unknown = |error: Box<dyn Error + Send + Sync>| HttpError::new_boxed(HttpErrorKind::Unknown, error);
        let answer = self.0.request(request).await.map_err(|error| unknown(error.into()))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST).collect().await.map_err(unknown)?.to_bytes();
        Ok(http::Response::from_parts(parts, body))
    }
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
