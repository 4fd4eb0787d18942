//! The policy as the host calls it: an engine, with the settings and the base credentials that are in force.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use volsync_policy::{HostPart, PlanDocument, Read, Review, Role, Shared};
use volsync_policy_engine::{CallError, Engine};

/// The policy with one set of settings and credentials. It contains credentials, so it does not implement `Debug`.
pub(crate) struct Policy {
    engine: Arc<dyn Engine>,
    settings: Value,
    credentials: Value,
    host_secret: Option<Value>,
    shared: Shared,
}

/// What is known of the policy.
#[derive(Clone)]
pub(crate) enum Standing {
    /// Settings and credentials have not been read yet.
    Unread,
    /// They are refused, for these problems, and none were in force before.
    Refused(Arc<str>),
    /// They are in force. Those that are refused later change nothing.
    InForce(Arc<Policy>),
}

/// The policy's answer to a request of an API server.
#[derive(Deserialize)]
pub(crate) struct Admitted {
    pub(crate) accepted: bool,
    /// Why it is rejected.
    pub(crate) message: Option<String>,
    /// The HTTP status of a rejection.
    pub(crate) code: Option<u16>,
    /// The claim as it should be, if it should differ.
    pub(crate) mutated_object: Option<Value>,
    pub(crate) audit_annotations: Option<Value>,
    pub(crate) warnings: Option<Vec<String>>,
}

/// What was read for one claim: the raw answers, by role. It contains credentials and text of logs, so it does not
/// implement `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Seen(pub(crate) Map<String, Value>);

/// A plan, with its writes. It contains credentials, so it does not implement `Debug`.
pub(crate) struct Planned {
    pub(crate) plan: PlanDocument<'static, Value>,
    pub(crate) host: HostPart<'static>,
}

impl Policy {
    /// The policy with these settings and base credentials, and with the Secret that contains the host's own access
    /// key, where that exists. The credentials are null if there are none.
    ///
    /// # Errors
    ///
    /// All problems of the settings and credentials, one per line, without their values.
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        settings: Value,
        credentials: Value,
        host_secret: Option<Value>,
    ) -> Result<Self, String> {
        let shared = serde_json::json!({"settings": settings, "credentials": credentials});
        engine.under(&shared).map(drop)?;
        let shared = Shared::from_json(shared.to_string().as_bytes()).map_err(|error| error.to_string())?;
        Ok(Policy { engine, settings, credentials, host_secret, shared })
    }

    /// The label that selects claims.
    pub(crate) fn label(&self) -> &str {
        self.shared.label()
    }

    /// The longest time between two scheduled backups of a claim, in seconds; `None` if the claim is not protected.
    pub(crate) fn interval(&self, claim: &Value) -> Option<u64> {
        let review = serde_json::json!({"request": claim}).to_string();
        let review = Review::under(&self.shared, review.as_bytes()).ok()?;
        review.coverage().eligible().map(|coverage| coverage.interval)
    }

    /// The Secret with the base credentials; null if there is none.
    pub(crate) fn credentials(&self) -> &Value {
        &self.credentials
    }

    /// The Secret with the host's own access key, if settings name one and it exists.
    pub(crate) fn host_secret(&self) -> Option<&Value> {
        self.host_secret.as_ref()
    }

    /// What to read next for a claim.
    pub(crate) fn reads(&self, claim: &Value, seen: &Seen) -> Result<Vec<Read>, CallError> {
        parsed(&self.inspect("reads", claim, seen)?)
    }

    /// The plan for a claim.
    pub(crate) fn plan(&self, claim: &Value, seen: &Seen) -> Result<Planned, CallError> {
        let plan = self.inspect("plan", claim, seen)?;
        Ok(Planned { plan: parsed(&plan)?, host: parsed(&plan)? })
    }

    /// Whether the API server should admit a request. Nothing is read for the answer.
    pub(crate) fn admit(&self, request: &Value) -> Result<Admitted, CallError> {
        #[derive(Serialize)]
        struct Asked<'a> {
            request: &'a Value,
            settings: &'a Value,
        }
        parsed(&self.call("validate", &Asked { request, settings: &self.settings })?)
    }

    /// What the policy plans from: the claim, settings, base credentials, and what was seen.
    pub(crate) fn inspection(&self, claim: &Value, Seen(seen): Seen) -> Value {
        let Policy { settings, credentials, .. } = self;
        serde_json::json!({"request": claim, "settings": settings, "credentials": credentials, "seen": seen})
    }

    fn inspect(&self, operation: &str, claim: &Value, Seen(seen): &Seen) -> Result<Vec<u8>, CallError> {
        #[derive(Serialize)]
        struct Inspection<'a> {
            request: &'a Value,
            credentials: &'a Value,
            settings: &'a Value,
            seen: &'a Map<String, Value>,
        }
        let Policy { settings, credentials, .. } = self;
        self.call(operation, &Inspection { request: claim, credentials, settings, seen })
    }

    fn call(&self, operation: &str, input: &impl Serialize) -> Result<Vec<u8>, CallError> {
        self.engine.call(operation, &serde_json::to_vec(input).unwrap_or_default())
    }
}

fn parsed<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, CallError> {
    // The error of serde_json may quote a value.
    serde_json::from_slice(answer).map_err(|_| CallError::Failed("its answer has an unexpected form".to_owned()))
}

impl Standing {
    /// The policy that is in force.
    pub(crate) fn in_force(&self) -> Option<&Arc<Policy>> {
        match self {
            Standing::InForce(policy) => Some(policy),
            Standing::Unread | Standing::Refused(_) => None,
        }
    }
}

impl Seen {
    /// The answer for a role.
    pub(crate) fn answer(&self, role: Role) -> Option<&Value> {
        self.0.get(role.as_str())
    }

    /// Adds the answer for a role.
    pub(crate) fn insert(&mut self, role: Role, answer: Value) {
        self.0.insert(role.as_str().to_owned(), answer);
    }
}
