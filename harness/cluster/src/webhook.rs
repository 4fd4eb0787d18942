//! An admission webhook in a cluster's network, answered by a function.

use std::convert::Infallible;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Cluster;
use crate::tools::Succeed;

/// A function that returns the `response` to an AdmissionReview, as in `AdmissionResponse`, without the uid.
pub trait Admit: Fn(&Value) -> Value + Send + Sync + 'static {}
impl<F: Fn(&Value) -> Value + Send + Sync + 'static> Admit for F {}

impl Cluster {
    /// Answers AdmissionReviews with `admit` until the cluster ends. Returns the `clientConfig` of the webhook.
    ///
    /// # Errors
    ///
    /// A certificate cannot be created, or there is no free port.
    pub fn serve_webhook(&self, admit: impl Admit) -> anyhow::Result<Value> {
        let listener = self.call(TcpListener::bind("127.0.0.1:0"))?;
        let port = listener.local_addr()?.port();
        let (key, certificate) = (format!("/run/state/{port}.key"), format!("/run/state/{port}.pem"));
        self.command("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=webhook"])
            .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", &key, "-out", &certificate])
            .stderr(Stdio::null())
            .succeed()?;
        let state = |file: &str| fs::read(self.node.state().join(file));
        let (key, certificate) = (state(&format!("{port}.key"))?, state(&format!("{port}.pem"))?);
        let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(
            vec![CertificateDer::from_pem_slice(&certificate)?],
            PrivateKeyDer::from_pem_slice(&key)?,
        )?;
        self.runtime.spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), Arc::new(admit)));
        let bundle = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate);
        Ok(json!({"url": format!("https://127.0.0.1:{port}/"), "caBundle": bundle}))
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, admit: Arc<impl Admit>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (tls, admit) = (tls.clone(), admit.clone());
        tokio::spawn(async move {
            let socket = tls.accept(socket).await?;
            let service = service_fn(move |request| answer(request, admit.clone()));
            let server = auto::Builder::new(TokioExecutor::new());
            drop(server.serve_connection(TokioIo::new(socket), service).await);
            anyhow::Ok(())
        });
    }
}

async fn answer(request: Request<Incoming>, admit: Arc<impl Admit>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answered = async {
        let review: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
        let mut response = admit(&review);
        let uid = review.pointer("/request/uid").context("no uid")?;
        response.as_object_mut().context("no object")?.insert("uid".to_owned(), uid.clone());
        let answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
        anyhow::Ok(Response::builder().header("content-type", "application/json").body(answer.to_string().into())?)
    };
    // The API server reports to its client that the webhook failed.
    Ok(answered.await.unwrap_or_else(|error| {
        let mut failed = Response::new(error.to_string().into());
        *failed.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        failed
    }))
}
