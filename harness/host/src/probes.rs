//! Metrics and probes over HTTP: `/metrics`, `/livez`, `/readyz`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves requests for as long as the host runs. The host is ready once settings are in force and all objects have been
/// listed.
pub(crate) async fn serve(listener: TcpListener, metrics: Metrics, is_ready: watch::Receiver<bool>) {
    loop {
        // This can be temporary, for example if there is no free file descriptor.
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (metrics, is_ready) = (metrics.clone(), is_ready.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &metrics, *is_ready.borrow());
                async { Ok::<_, Infallible>(answer) }
            });
            drop(http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service).await);
        });
    }
}

/// Listens on an address.
///
/// # Errors
///
/// The address is in use, or does not belong to this machine.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

fn answer(request: &Request<Incoming>, metrics: &Metrics, is_ready: bool) -> Response<Full<Bytes>> {
    let (status, text) = match request.uri().path() {
        "/metrics" => (StatusCode::OK, metrics.text()),
        "/livez" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if is_ready => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "not all objects have been listed\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "/metrics, /livez or /readyz\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}
