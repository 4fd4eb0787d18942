//! Metrics and probes over HTTP: `/metrics`, `/livez`, `/readyz`.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::listen::accept;
use crate::metrics::Metrics;
use crate::policy::Standing;

/// What the host needs in order to be ready.
#[derive(Clone)]
pub(crate) struct Readiness {
    /// Settings are in force, and all objects have been listed.
    pub(crate) is_listed: watch::Receiver<bool>,
    pub(crate) policies: watch::Receiver<Standing>,
    /// The certificate for admission, if the host answers at admission.
    pub(crate) certificate: Option<watch::Receiver<Option<TlsAcceptor>>>,
}

impl Readiness {
    /// What is missing, in words.
    fn missing(&self) -> Option<&'static str> {
        if let Some(certificate) = &self.certificate {
            if certificate.borrow().is_none() {
                return Some("there is no certificate for admission");
            }
            // That claims are refused, and why, has to be answered too.
            if matches!(*self.policies.borrow(), Standing::Refused(_)) {
                return None;
            }
        }
        (!*self.is_listed.borrow()).then_some("not all objects have been listed")
    }
}

/// Serves requests for as long as the host runs.
pub(crate) async fn serve(listener: TcpListener, metrics: Metrics, readiness: Readiness) {
    loop {
        let socket = accept(&listener).await;
        let (metrics, readiness) = (metrics.clone(), readiness.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &metrics, &readiness);
                async { Ok::<_, Infallible>(answer) }
            });
            drop(http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service).await);
        });
    }
}

fn answer(request: &Request<Incoming>, metrics: &Metrics, readiness: &Readiness) -> Response<Full<Bytes>> {
    let (status, text) = match request.uri().path() {
        "/metrics" => (StatusCode::OK, metrics.text()),
        "/livez" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match readiness.missing() {
            None => (StatusCode::OK, "ok\n".to_owned()),
            Some(missing) => (StatusCode::SERVICE_UNAVAILABLE, format!("{missing}\n")),
        },
        _ => (StatusCode::NOT_FOUND, "/metrics, /livez or /readyz\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
