//! Engines that run the policy: as native code or as the built module, which wasmtime compiles (feature `wasm`) or
//! wasmi interprets (feature `wasmi`). All have the same operations and return the same bytes.
//!
//! ```
//! use volsync_policy_engine::{Engine, Native};
//!
//! let answer = Native.call("protocol_version", b"").unwrap();
//! assert_eq!(answer, br#""v1""#);
//! ```

#[cfg(all(feature = "wasmi", not(target_family = "wasm")))]
mod interpreter;
#[cfg(any(feature = "wasm", feature = "wasmi"))]
mod limits;
mod native;
#[cfg(all(feature = "wasm", not(target_family = "wasm")))]
mod wasm;

use std::fmt;
use std::path::Path;

use serde_json::Value;
use volsync_policy::{Problem, ReviewError};

#[cfg(all(feature = "wasmi", not(target_family = "wasm")))]
pub use interpreter::Interpreter;
#[cfg(any(feature = "wasm", feature = "wasmi"))]
pub use limits::Limits;
pub use native::Native;
#[cfg(all(feature = "wasm", not(target_family = "wasm")))]
pub use wasm::{Used, Wasm};

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

/// Loads a module with the default limits.
type Loader = fn(&[u8]) -> Result<Box<dyn Engine>, String>;

/// What runs the built module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// wasmtime compiles it: a call takes twice as long as native code, and the compiler 35 MiB of memory.
    Wasmtime,
    /// wasmi interprets it: a call takes twenty times as long as native code, and the module 5 MiB of memory.
    Wasmi,
}

impl Runtime {
    /// The name of the engine, and of the feature of this crate with which it is built.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Wasmtime => "wasm",
            Runtime::Wasmi => "wasmi",
        }
    }

    /// What loads a module; `None` if this build was made without the runtime.
    fn loader(self) -> Option<Loader> {
        match self {
            #[cfg(all(feature = "wasm", not(target_family = "wasm")))]
            Runtime::Wasmtime => Some(|module| Ok(Box::new(Wasm::from_bytes(module, Limits::default())?))),
            #[cfg(all(feature = "wasmi", not(target_family = "wasm")))]
            Runtime::Wasmi => Some(|module| Ok(Box::new(Interpreter::from_bytes(module, Limits::default())?))),
            #[cfg(not(all(feature = "wasm", feature = "wasmi", not(target_family = "wasm"))))]
            _ => None,
        }
    }
}

/// The file in which `cargo xtask wasm` builds the module, from the root of the repository.
pub const BUILT: &str = "target/wasm/volsync-policy.wasm";

/// The module in this program, if it is built with the feature `embed`.
#[cfg(feature = "embed")]
pub const EMBEDDED: Option<&[u8]> = Some(include_bytes!("../../../target/wasm/volsync-policy.wasm"));
/// The module in this program, if it is built with the feature `embed`.
#[cfg(not(feature = "embed"))]
pub const EMBEDDED: Option<&[u8]> = None;

/// Loads a module as an engine, with the default limits: the one in the file `module`, or by default the [`EMBEDDED`]
/// one, or where there is none, the one in the file [`BUILT`].
///
/// # Errors
///
/// [`LoadError::LeftOut`] in a build without the runtime; [`LoadError::Module`] if there is no module of the policy.
pub fn load(runtime: Runtime, module: Option<&Path>) -> Result<Box<dyn Engine>, LoadError> {
    let load = runtime.loader().ok_or(LoadError::LeftOut(runtime))?;
    let loaded = match (module, EMBEDDED) {
        (None, Some(embedded)) => load(embedded).map_err(|error| format!("the module in this program: {error}")),
        (module, _) => from_file(module.unwrap_or(BUILT.as_ref()), load),
    };
    loaded.map_err(LoadError::Module)
}

/// Loads a module from a file, whose name is in every error.
fn from_file<T>(file: &Path, load: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T, String> {
    let loaded = std::fs::read(file).map_err(|error| error.to_string()).and_then(|module| load(&module));
    loaded.map_err(|error| format!("{}: {error}", file.display()))
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
    /// This build was made without the feature that contains this runtime.
    LeftOut(Runtime),
    /// What is wrong with the module: a sentence that names the file.
    Module(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::LeftOut(runtime) => {
                write!(f, "this build was made without the feature `{}`", runtime.name())
            }
            LoadError::Module(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for LoadError {}
