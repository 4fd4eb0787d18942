//! Admission over HTTPS: API servers ask whether a claim may be created or changed, and the policy answers. Nothing is
//! read for an answer, and every host answers, whether it holds the Lease or not.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::config::{SETTINGS, Sources};
use crate::listen::accept;
use crate::metrics::Metrics;
use crate::policy::{Admitted, Standing};

/// The path at which an AdmissionReview is answered.
const PATH: &str = "/admit";

/// The longest AdmissionReview, in bytes. It holds a claim twice, and an API server stores at most 1.5 MiB of each.
const LONGEST: usize = 4 << 20;

/// How long a handshake may take, and how long the body of a request. No webhook may wait longer.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a connection may be idle. API servers close theirs earlier, so no request meets a closed connection.
const IDLE: Duration = Duration::from_secs(120);

/// Where requests are answered.
pub(crate) struct Desk {
    pub(crate) policies: watch::Receiver<Standing>,
    /// Where a person finds the settings.
    pub(crate) sources: Sources,
    pub(crate) metrics: Metrics,
}

/// Answers for as long as the host runs, with the certificate that is in use when a connection begins.
pub(crate) async fn serve(listener: TcpListener, certificate: watch::Receiver<Option<TlsAcceptor>>, desk: Arc<Desk>) {
    loop {
        let socket = accept(&listener).await;
        // Without a certificate the connection is closed.
        if let Some(certificate) = certificate.borrow().clone() {
            tokio::spawn(connection(socket, certificate, desk.clone()));
        }
    }
}

async fn connection(socket: TcpStream, certificate: TlsAcceptor, desk: Arc<Desk>) {
    let Ok(Ok(socket)) = tokio::time::timeout(DEADLINE, certificate.accept(socket)).await else { return };
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.respond(request).await) }
    });
    let mut server = http1::Builder::new();
    let server = server.timer(TokioTimer::new()).header_read_timeout(IDLE);
    drop(server.serve_connection(TokioIo::new(socket), service).await);
}

impl Desk {
    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if (request.method(), request.uri().path()) != (&Method::POST, PATH) {
            return failure(StatusCode::NOT_FOUND, "POST /admit");
        }
        let body = Limited::new(request.into_body(), LONGEST).collect();
        let review = match tokio::time::timeout(DEADLINE, body).await {
            Ok(Ok(body)) => serde_json::from_slice::<Value>(&body.to_bytes()).ok(),
            Ok(Err(_)) | Err(_) => None,
        };
        let Some(answer) = review.as_ref().and_then(|review| self.answer(review)) else {
            self.metrics.admission("malformed");
            return failure(StatusCode::BAD_REQUEST, "an AdmissionReview of admission.k8s.io/v1 was expected");
        };
        let mut response = Response::new(Full::from(answer.to_string()));
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }

    /// The answer to an AdmissionReview; `None` if it is none.
    fn answer(&self, review: &Value) -> Option<Value> {
        const VERSION: &str = "admission.k8s.io/v1";
        let is_review = |key: &str, value: &str| review.get(key).is_some_and(|it| it == value);
        let request = review.get("request").filter(|_| is_review("apiVersion", VERSION))?;
        let uid = request.get("uid").filter(|_| is_review("kind", "AdmissionReview"))?.as_str()?;
        let response = match self.ask(request) {
            Ok(admitted) => {
                self.metrics.admission(if admitted.accepted { "allowed" } else { "refused" });
                AdmissionResponse::new(uid, request, admitted)
            }
            Err(reason) => {
                self.metrics.admission("unanswered");
                AdmissionResponse::without_answer(uid, request, &reason)
            }
        };
        Some(json!({"apiVersion": VERSION, "kind": "AdmissionReview", "response": response}))
    }

    /// The policy's answer.
    ///
    /// # Errors
    ///
    /// Why there is none, and where to look.
    fn ask(&self, request: &Value) -> Result<Admitted, String> {
        let Sources { namespace, settings, .. } = &self.sources;
        let policy = match &*self.policies.borrow() {
            Standing::InForce(policy) => policy.clone(),
            Standing::Unread => return Err("its settings have not been read yet; try again".to_owned()),
            Standing::Refused(problems) => {
                let place = format!("the ConfigMap `{settings}` in the namespace `{namespace}`, key `{SETTINGS}`");
                return Err(format!("its settings or credentials are refused: {problems} (see {place})"));
            }
        };
        policy.admit(request).map_err(|error| {
            tracing::error!(%error, "a request at admission was not answered");
            format!("{error} (see the log of the host)")
        })
    }
}

/// The response in an AdmissionReview of Kubernetes.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionResponse<'a> {
    uid: &'a str,
    allowed: bool,
    status: Option<Status>,
    patch_type: Option<&'static str>,
    /// A JSON Patch in base64.
    patch: Option<String>,
    warnings: Option<Vec<String>>,
    audit_annotations: Option<Value>,
}

/// Why a request is rejected.
#[derive(Serialize)]
struct Status {
    /// The HTTP status.
    code: Option<u16>,
    message: Option<String>,
}

impl<'a> AdmissionResponse<'a> {
    /// The response that carries the policy's answer.
    fn new(uid: &'a str, request: &Value, admitted: Admitted) -> Self {
        let Admitted { accepted, message, code, mutated_object, audit_annotations, warnings } = admitted;
        let change = mutated_object.zip(request.get("object")).map(|(to, from)| json_patch::diff(from, &to));
        let patch = change.filter(|change| !change.is_empty());
        AdmissionResponse {
            uid,
            allowed: accepted,
            status: (!accepted).then_some(Status { code, message }),
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch: patch.map(|patch| STANDARD.encode(json!(patch).to_string())),
            warnings,
            audit_annotations,
        }
    }

    /// The response where the policy has no answer. A claim that was created now would bind empty. One that exists is
    /// not protected by a refusal: it could no longer be bound, lose its label, or be deleted.
    fn without_answer(uid: &'a str, request: &Value, reason: &str) -> Self {
        if request.get("operation").is_some_and(|operation| operation == "CREATE") {
            let message = format!("volsync-policy cannot decide whether the claim has to be restored first: {reason}");
            let code = StatusCode::SERVICE_UNAVAILABLE.as_u16();
            let status = Status { code: Some(code), message: Some(message) };
            AdmissionResponse { uid, status: Some(status), ..AdmissionResponse::default() }
        } else {
            let warnings = vec![format!("volsync-policy did not check this change: {reason}")];
            AdmissionResponse { uid, allowed: true, warnings: Some(warnings), ..AdmissionResponse::default() }
        }
    }
}

fn failure(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use volsync_policy_engine::{CallError, Engine, Native};

    use super::*;
    use crate::policy::Policy;

    /// A module that fails at everything but what is asked when settings are loaded.
    struct Broken;

    impl Engine for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError> {
            match operation {
                "validate" => Err(CallError::Failed("out of fuel".to_owned())),
                _ => Native.call(operation, payload),
            }
        }
    }

    fn desk(standing: Standing) -> Desk {
        let (_, policies) = watch::channel(standing);
        let [namespace, settings, credentials] = ["volsync-policy", "the-settings", "base"].map(str::to_owned);
        Desk { policies, sources: Sources { namespace, settings, credentials }, metrics: Metrics::new() }
    }

    fn in_force(engine: Arc<dyn Engine>) -> Standing {
        let policy = Policy::new(engine, json!({"schedules": {"minutely": "* * * * *"}}), Value::Null, None);
        Standing::InForce(Arc::new(policy.unwrap()))
    }

    fn review(operation: &str, metadata: Value) -> Value {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1", "operation": operation, "namespace": "shop", "name": metadata["name"],
            "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"},
            "object": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            },
        }})
    }

    fn labelled(label: &str) -> Value {
        json!({"name": "data", "namespace": "shop", "labels": {"backup": label}})
    }

    fn answered(desk: &Desk, review: &Value) -> Value {
        let answer = desk.answer(review).unwrap();
        assert_eq!((&answer["apiVersion"], &answer["kind"]), (&review["apiVersion"], &review["kind"]));
        assert_eq!(answer["response"]["uid"], "1");
        answer["response"].clone()
    }

    #[test]
    fn a_labelled_claim_gets_its_data_source_and_nothing_else_is_changed() {
        let response = answered(&desk(in_force(Arc::new(Native))), &review("CREATE", labelled("minutely")));
        assert_eq!((&response["allowed"], &response["patchType"]), (&json!(true), &json!("JSONPatch")), "{response}");
        let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
        let reference =
            json!({"apiGroup": "volsync.backube", "kind": "ReplicationDestination", "name": "data-restore"});
        assert_eq!(
            serde_json::from_slice::<Value>(&patch).unwrap(),
            json!([{"op": "add", "path": "/spec/dataSourceRef", "value": reference}])
        );
    }

    #[test]
    fn a_label_that_names_no_schedule_is_refused_with_the_reason() {
        let response = answered(&desk(in_force(Arc::new(Native))), &review("CREATE", labelled("hurly")));
        assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(422)), "{response}");
        assert!(response["status"]["message"].as_str().unwrap().starts_with("LabelInvalid: "), "{response}");
        assert_eq!(response["auditAnnotations"], json!({"code": "LabelInvalid"}));
    }

    #[test]
    fn a_claim_whose_name_is_generated_is_admitted_with_a_warning() {
        let metadata = json!({"generateName": "data-", "namespace": "shop", "labels": {"backup": "minutely"}});
        let response = answered(&desk(in_force(Arc::new(Native))), &review("CREATE", metadata));
        assert_eq!((&response["allowed"], &response["patch"]), (&json!(true), &Value::Null));
        assert!(response["warnings"][0].as_str().unwrap().starts_with("NameUnknown: "), "{response}");
    }

    #[test]
    fn without_an_answer_of_the_policy_no_claim_is_created_and_every_other_change_is_admitted() {
        for (standing, reason) in [
            (Standing::Unread, "have not been read"),
            (
                Standing::Refused("`schedules` is wrong".into()),
                "`schedules` is wrong (see the ConfigMap `the-settings`",
            ),
            (in_force(Arc::new(Broken)), "out of fuel"),
        ] {
            let desk = desk(standing);
            let created = answered(&desk, &review("CREATE", labelled("minutely")));
            assert_eq!((&created["allowed"], &created["status"]["code"]), (&json!(false), &json!(503)));
            assert!(created["status"]["message"].as_str().unwrap().contains(reason), "{created}");
            let updated = answered(&desk, &review("UPDATE", labelled("minutely")));
            assert_eq!((&updated["allowed"], &updated["patch"]), (&json!(true), &Value::Null));
            assert!(updated["warnings"][0].as_str().unwrap().contains(reason), "{updated}");
        }
    }

    #[test]
    fn what_is_no_admission_review_has_no_answer() {
        let desk = desk(in_force(Arc::new(Native)));
        let valid = review("CREATE", labelled("minutely"));
        for (at, value) in [
            ("/apiVersion", json!("admission.k8s.io/v1beta1")),
            ("/kind", json!("Review")),
            ("/request", Value::Null),
            ("/request/uid", json!(1)),
        ] {
            let mut review = valid.clone();
            *review.pointer_mut(at).unwrap() = value;
            assert!(desk.answer(&review).is_none(), "{at}");
        }
    }
}
