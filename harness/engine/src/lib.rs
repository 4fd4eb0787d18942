//! Engines that run the policy: as native code or, with the feature `wasm`, as the built module in wasmtime. Both have
//! the same operations and return the same bytes.
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

/// Plans one review: a JSON object without `settings` and `credentials`, which are shared. Returns the plan as JSON.
pub type PlanFn<'e> = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, CallError> + Send + Sync + 'e>;

/// Something that runs the policy's operations.
pub trait Engine: Send + Sync {
    /// The engine's name, as in `--engine`.
    fn name(&self) -> &'static str;

    /// Runs one operation of [`volsync_policy::guest`] on `payload`.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] if the operation refuses the payload, [`CallError::Failed`] if the engine could not
    /// finish the call. Either concerns this call alone.
    fn call(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError>;

    /// Prepares to plan many reviews. `shared` is an object of the `settings` and `credentials` that they have in
    /// common.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with `shared`, one problem per line; or the reason why there is no answer.
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
        // Problems that do not depend on the claim.
        match plan(br#"{"request":{"kind":"PersistentVolumeClaim","metadata":{}}}"#) {
            Ok(_) => Ok(Box::new(plan)),
            Err(error) => Err(in_words(&error)),
        }
    }

    /// Checks settings; null means the defaults.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the settings, one problem per line; or the reason why there is no answer.
    fn check_settings(&self, settings: &Value) -> Result<(), String> {
        let answer =
            self.call("validate_settings", settings.to_string().as_bytes()).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        answer.get("message").and_then(Value::as_str).map_or(Ok(()), |message| Err(message.to_owned()))
    }
}

/// Loads the built module at `path` as an engine, with the default limits.
///
/// # Errors
///
/// [`LoadError::LeftOut`] in a build without the feature `wasm`; [`LoadError::Module`] if the file is not a module of
/// the policy.
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

/// The error for a review that contains something shared, with the same wording as [`volsync_policy::Review::under`].
fn repeats(key: &str) -> String {
    let hint = Some("known here: request, evidence".to_owned());
    ReviewError { problems: vec![Problem { path: key.to_owned(), message: "unknown key".to_owned(), hint }] }.to_json()
}

/// Why there is no answer: the operation's problems, one per line.
fn in_words(error: &CallError) -> String {
    match error {
        CallError::Refused(problems) => serde_json::from_str::<ReviewError>(problems)
            .map_or_else(|_| problems.clone(), |problems| problems.to_string()),
        CallError::Failed(_) => error.to_string(),
    }
}

/// Why a call returned no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// The operation's own error, unchanged: JSON, see [`volsync_policy::ReviewError::to_json`].
    Refused(String),
    /// The engine's error: the guest trapped, or exceeded one of its [`Limits`].
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

/// Why a module could not be loaded as an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// The path of the module. This build cannot run modules, because it was built without the feature `wasm`.
    LeftOut(PathBuf),
    /// What is wrong with the module: a sentence that names the file.
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
