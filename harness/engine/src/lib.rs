//! Engines that run the policy: the same operations, the same bytes, as native code or, with the feature `wasm`, as the
//! built module in wasmtime.
//!
//! ```
//! use volsync_policy_engine::{Engine, Native};
//!
//! let answer = Native.call("protocol_version", b"").unwrap();
//! assert_eq!(answer, br#""v1""#);
//! ```

mod native;
#[cfg(all(feature = "wasm", not(target_family = "wasm")))]
mod wasm;

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use volsync_policy::{Problem, ReviewError};

pub use native::Native;
#[cfg(all(feature = "wasm", not(target_family = "wasm")))]
pub use wasm::{Limits, Used, Wasm};

/// Takes a review, an object of JSON without what it shares with others, and gives its plan.
pub type PlanFn<'e> = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, CallError> + Send + Sync + 'e>;

/// Something that runs the policy's operations.
pub trait Engine: Send + Sync {
    /// Its name, as `--engine` takes it.
    fn name(&self) -> &'static str;

    /// Runs one operation of [`volsync_policy::guest`] on `payload`.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] where the operation itself refuses the payload, [`CallError::Failed`] where the engine
    /// could not bring it to an end. Either concerns this call alone.
    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError>;

    /// Plans many reviews; `shared` holds what they have in common, an object of `settings` and `credentials`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with what they share, a line each; or why there is no answer.
    fn under(&self, shared: &Value) -> Result<PlanFn<'_>, String> {
        let shared = shared.clone();
        let plan = move |review: &[u8]| {
            let (Ok(Value::Object(mut review)), Some(shared)) = (serde_json::from_slice(review), shared.as_object())
            else {
                return self.call("plan", review);
            };
            if let Some(key) = ["credentials", "settings"].into_iter().find(|key| review.contains_key(*key)) {
                return Err(CallError::Refused(repeats(key)));
            }
            review.extend(shared.clone());
            self.call("plan", &serde_json::to_vec(&review).unwrap_or_default())
        };
        // What is wrong whatever the claim.
        match plan(br#"{"request":{"kind":"PersistentVolumeClaim","metadata":{}}}"#) {
            Ok(_) => Ok(Box::new(plan)),
            Err(error) => Err(in_words(&error)),
        }
    }

    /// Asks whether settings are valid; null stands for none.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, a line each; or why there is no answer.
    fn check_settings(&self, settings: &Value) -> Result<(), String> {
        let answer =
            self.call("validate_settings", settings.to_string().as_bytes()).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        answer.get("message").and_then(Value::as_str).map_or(Ok(()), |message| Err(message.to_owned()))
    }
}

/// The built module at `path` as an engine, held by the default limits.
///
/// # Errors
///
/// [`LoadError::LeftOut`] in every build without the feature `wasm`, [`LoadError::Module`] where the file is no module
/// of the policy.
pub fn load(path: &Path) -> Result<Box<dyn Engine>, LoadError> {
    #[cfg(all(feature = "wasm", not(target_family = "wasm")))]
    {
        let module = Wasm::from_file(path, Limits::default()).map_err(LoadError::Module)?;
        Ok(Box::new(module))
    }
    #[cfg(not(all(feature = "wasm", not(target_family = "wasm"))))]
    {
        Err(LoadError::LeftOut(path.to_owned()))
    }
}

/// The refusal of a review that holds what it shares, in the words of [`volsync_policy::Review::under`].
fn repeats(key: &str) -> String {
    let hint = Some("known here: request, evidence".to_owned());
    ReviewError { problems: vec![Problem { path: key.to_owned(), message: "unknown key".to_owned(), hint }] }.to_json()
}

/// Why there is no answer: the operation's problems a line each.
fn in_words(error: &CallError) -> String {
    match error {
        CallError::Refused(problems) => serde_json::from_str::<ReviewError>(problems)
            .map_or_else(|_| problems.clone(), |problems| problems.to_string()),
        CallError::Failed(_) => error.to_string(),
    }
}

/// Why a call gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The operation's own error, as it gave it: JSON, see [`volsync_policy::ReviewError::to_json`].
    Refused(String),
    /// The engine's: the guest trapped, or exceeded one of its [`Limits`].
    Failed(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Refused(error) => f.write_str(error),
            CallError::Failed(error) => write!(f, "the policy module failed: {error}"),
        }
    }
}

impl std::error::Error for CallError {}

/// Why a module gave no engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// The module that was named: this build has no engine for any, because it was made without the feature `wasm`.
    LeftOut(PathBuf),
    /// What is wrong with the module, in a sentence that names the file.
    Module(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::LeftOut(module) => {
                write!(f, "{}: this build was made without the feature `wasm`, and runs no module", module.display())
            }
            LoadError::Module(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for LoadError {}
