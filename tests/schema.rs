//! The generated files: `docs/schema` follows from the types and describes what the policy does; `docs/reason-codes.md`
//! follows from the codes.

use boon::{Compiler, Schemas};
use schemars::Schema;
use serde_json::{Value, json};
use volsync_policy::PlanDocument;
use volsync_policy::reference::reason_codes;
use volsync_policy::schema::all as of_the_policy;
use volsync_policy_cases::{Operation, report_schema};
use volsync_policy_engine::{Engine, Native};
use volsync_policy_tests::{Question, cases, questions, root};

/// Every schema by its name.
fn schemas() -> impl Iterator<Item = (&'static str, Schema)> {
    of_the_policy().into_iter().chain([("report", report_schema())])
}

/// A function that says what is wrong with a document.
fn validator(name: &str) -> impl Fn(&Value) -> Result<(), String> {
    let (_, schema) = schemas().find(|(known, _)| *known == name).unwrap();
    let (mut read, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("schema.json", schema.to_value()).unwrap();
    let index = compiler.compile("schema.json", &mut read).unwrap();
    move |document| read.validate(document, index).map_err(|error| error.to_string())
}

#[test]
fn the_schemas_in_docs_are_those_of_the_types() {
    for (name, schema) in schemas() {
        let path = root().join(format!("docs/schema/{name}.json"));
        let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(&written, schema.as_value(), "`cargo xtask docs` writes {} again", path.display());
    }
}

#[test]
fn the_chart_checks_settings_with_their_schema() {
    let written = std::fs::read(root().join("harness/host/chart/values.schema.json")).unwrap();
    let mut written: Value = serde_json::from_slice(&written).unwrap();
    let id = written["$defs"]["settings"].as_object_mut().unwrap().remove("$id").unwrap();
    assert_eq!(written["properties"]["settings"], json!({"$ref": id}));
    let (_, settings) = schemas().find(|(name, _)| *name == "settings").unwrap();
    assert_eq!(&written["$defs"]["settings"], settings.as_value(), "`cargo xtask docs` writes the settings again");
}

#[test]
fn the_chart_knows_the_defaults_of_settings() {
    let written = std::fs::read(root().join("harness/host/chart/files/defaults.json")).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    let (_, settings) = schemas().find(|(name, _)| *name == "settings").unwrap();
    let of_keys = settings.as_value()["properties"].as_object().unwrap().iter();
    let defaults: Value = of_keys.map(|(key, schema)| (key.clone(), schema["default"].clone())).collect();
    assert_eq!(written, defaults, "`cargo xtask docs` writes them again");
}

#[test]
fn the_reason_codes_in_docs_are_those_of_the_policy() {
    let path = root().join("docs/reason-codes.md");
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, reason_codes(), "`cargo xtask docs` writes {} again", path.display());
}

#[test]
fn every_plan_matches_its_schema_and_can_be_read_back() {
    let validate = validator("plan");
    let mut plans = 0;
    for Question { name, payload, .. } in questions().iter().filter(|it| it.operation == Operation::Plan) {
        if let Ok(plan) = Native.call("plan", payload.to_string().as_bytes()) {
            let read: PlanDocument<'_, Value> = serde_json::from_slice(&plan).unwrap();
            let plan = serde_json::from_slice(&plan).unwrap();
            assert_eq!(validate(&plan), Ok(()), "{name}");
            assert_eq!(json!(read), plan, "{name}");
            plans += 1;
        }
    }
    assert!(plans > 50, "{plans}");
}

#[test]
fn a_report_of_policy_tests_matches_its_schema() {
    let validate = validator("report");
    let suite = cases();
    let mut report: Value = serde_json::from_str(&suite.run(&[&Native]).to_json()).unwrap();
    assert_eq!(validate(&report), Ok(()));
    report["cases"][0]["passed"] = "yes".into();
    assert!(validate(&report).is_err());
}

#[test]
fn valid_settings_match_their_schema() {
    let validate = validator("settings");
    let (mut accepted, mut refused) = (0, 0);
    for Question { name, operation, payload, .. } in questions() {
        let settings = match operation {
            Operation::ValidateSettings => &payload,
            Operation::Plan | Operation::Validate => payload.get("settings").unwrap_or(&Value::Null),
        };
        let answer = Native.call("validate_settings", &serde_json::to_vec(settings).unwrap()).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        if settings.is_object() && answer["valid"] == true {
            assert_eq!(validate(settings), Ok(()), "{name}");
            accepted += 1;
        }
        // Settings that cannot be parsed must not match the schema, or an editor would accept them.
        let unreadable = ["unknown key", "expected `", "expected a whole number, zero or more", "expected an object"];
        let message = answer["message"].as_str().unwrap_or_default();
        if unreadable.iter().any(|words| message.contains(words)) {
            assert!(validate(settings).is_err(), "{name}");
            refused += 1;
        }
    }
    assert!(accepted > 20 && refused > 2, "{accepted} accepted, {refused} refused");
}
