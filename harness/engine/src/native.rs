//! The policy as native code.

use volsync_policy::guest::OPERATIONS;

use crate::{CallError, Engine};

/// The policy as native code, in this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Native;

impl Engine for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError> {
        let (_, run) = (OPERATIONS.iter().find(|(name, _)| *name == operation))
            // In the words of the waPC guest's own dispatcher.
            .ok_or_else(|| CallError::Refused(format!("No handler registered for function {operation}")))?;
        run(payload).map_err(|error| CallError::Refused(error.to_string()))
    }
}
