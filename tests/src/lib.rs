//! Shared by the tests: the engines, and the paths of files in the repository.

pub mod invariants;
pub mod kubewarden;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};
use volsync_policy_cases::{Operation, Suite};
use volsync_policy_engine::{Engine, Interpreter, Limits, Native, Wasm};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the repository")
}

/// The golden cases.
pub fn cases() -> Suite {
    Suite::read(&[root().join("tests/cases")])
        .unwrap_or_else(|faults| panic!("{}", faults.iter().map(|fault| format!("{fault:#}\n")).collect::<String>()))
}

/// A question of a golden case, or of one step of its story.
pub struct Question {
    /// The path of the case's file below `tests/cases`, without the extension.
    pub label: String,
    /// The name of the case.
    pub name: String,
    /// The operation that is called.
    pub operation: Operation,
    /// Its payload.
    pub payload: Value,
}

/// The questions of all golden cases.
pub fn questions() -> Vec<Question> {
    let suite = cases();
    let asked = suite.cases().iter().flat_map(|case| {
        case.steps.iter().map(|step| Question {
            label: case.label.clone(),
            name: case.name.clone(),
            operation: case.operation,
            payload: step.payload.clone(),
        })
    });
    asked.collect()
}

/// The review of the example claim and its credentials, as JSON. The budgets are for this review.
pub fn example() -> Vec<u8> {
    let yaml = |file: &str| -> Value {
        let text = std::fs::read_to_string(root().join("examples").join(file)).expect("an example");
        serde_saphyr::from_str(&text).expect("YAML")
    };
    let review = json!({ "request": yaml("claim.yaml"), "credentials": yaml("credentials.yaml") });
    review.to_string().into_bytes()
}

/// The module that `cargo xtask wasm` builds.
pub fn module() -> PathBuf {
    root().join("target/wasm/volsync-policy.wasm")
}

/// The same module as a raw policy of Kubewarden.
pub fn raw_policy() -> PathBuf {
    root().join("target/wasm/volsync-policy-raw.wasm")
}

/// Every engine: native code, and the module compiled and interpreted. The module is loaded once per process.
///
/// A mutant is in the sources and not in the module. So native code stands in for the module if
/// `VOLSYNC_POLICY_ENGINES` is `native`, as in `.cargo/mutants.toml`.
pub fn engines() -> [&'static dyn Engine; 3] {
    static COMPILED: LazyLock<Wasm> = LazyLock::new(|| {
        Wasm::from_file(&module(), Limits::default()).expect("`cargo xtask wasm` builds the module first")
    });
    if std::env::var_os("VOLSYNC_POLICY_ENGINES").is_some_and(|engines| engines == "native") {
        return [&Native; 3];
    }
    [&Native, &*COMPILED, interpreter()]
}

/// The engine of the host: the module, interpreted.
pub fn interpreter() -> &'static dyn Engine {
    static INTERPRETED: LazyLock<Interpreter> = LazyLock::new(|| {
        Interpreter::from_file(&module(), Limits::default()).expect("`cargo xtask wasm` builds the module first")
    });
    &*INTERPRETED
}
