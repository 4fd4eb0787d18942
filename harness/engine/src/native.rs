//! The policy as native code.

use serde_json::Value;
use volsync_policy::guest::OPERATIONS;
use volsync_policy::{Review, Shared, plan};

use crate::{CallError, Engine, PlanFn};

/// The policy as native code, in this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Native;

impl Engine for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError> {
        let (_, run) = (OPERATIONS.iter().find(|(name, _)| *name == operation))
            // The same wording as the dispatcher of the waPC guest.
            .ok_or_else(|| CallError::Refused(format!("No handler registered for function {operation}")))?;
        run(payload).map_err(|error| CallError::Refused(error.to_string()))
    }

    /// Reads the shared part only once.
    fn under(&self, shared: &Value) -> Result<PlanFn<'_>, String> {
        let shared = Shared::from_json(shared.to_string().as_bytes()).map_err(|error| error.to_string())?;
        Ok(Box::new(move |review| match Review::under(&shared, review) {
            Ok(review) => Ok(plan(&review).to_json()),
            Err(error) => Err(CallError::Refused(error.to_json())),
        }))
    }
}
