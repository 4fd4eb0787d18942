//! The same mapping in policy languages, as native code: from a claim to the manifests of the seed profile, bytes in
//! and bytes out. What claims have in common is loaded before: programs, settings and credentials.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy_engine::{Engine, Native};

use crate::inputs::{credentials, one_claim};
use crate::race::{Contender, race};
use crate::report::Report;

/// The goal: how many times as long as the policy a language should take.
const GOAL: &str = "≥ 10";

/// Measures the interpreters of the languages.
pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.section("The same manifests from the same claim, natively; the others check and explain nothing");
    let (review, credentials) = (serde_json::to_vec(&json!({ "request": one_claim()? }))?, credentials()?);
    let shared = json!({ "settings": { "profile": "seed" }, "credentials": credentials });
    let plan = Native.under(&shared).map_err(anyhow::Error::msg)?;
    let mut rego = Rego::load(&credentials)?;
    let cel = Cel::load(&credentials)?;
    let expected = manifests(&plan(&review)?)?;
    for (name, answer) in [("Rego", rego.manifests(&review)?), ("CEL", cel.manifests(&review)?)] {
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer == expected, "{name} gives other manifests: {answer:#}\nand not {expected:#}");
    }
    let times = race(vec![
        Contender::new("`plan`", || plan(&review)),
        Contender::new("Rego, in regorus", || rego.manifests(&review)),
        Contender::new("CEL, in cel", || cel.manifests(&review)),
    ])?;
    let [ours, theirs @ ..] = times.as_slice() else { unreachable!("three contenders") };
    report.time(ours);
    theirs.iter().for_each(|times| report.time_over(times, ours, GOAL));
    Ok(())
}

/// The manifests in a plan of the policy.
fn manifests(plan: &[u8]) -> anyhow::Result<Value> {
    let plan: Value = serde_json::from_slice(plan)?;
    let object = |which: &str| plan.pointer(&format!("/manifests/{which}/object")).cloned();
    ["secret", "destination", "source"].map(object).into_iter().collect::<Option<_>>().context("three manifests")
}

struct Rego(regorus::Engine);

impl Rego {
    fn load(credentials: &Value) -> anyhow::Result<Self> {
        const POLICY: &str = "harness/bench/rivals/mapping.rego";
        let mut engine = regorus::Engine::new();
        engine.add_policy(POLICY.to_owned(), fs::read_to_string(POLICY).context(POLICY)?)?;
        engine.add_data_json(&json!({ "credentials": credentials }).to_string())?;
        Ok(Rego(engine))
    }

    fn manifests(&mut self, review: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.0.set_input(regorus::Value::from_json_str(str::from_utf8(review)?)?);
        let manifests = self.0.eval_rule("data.volsync.manifests".to_owned())?;
        Ok(manifests.to_json_str()?.into_bytes())
    }
}

struct Cel {
    program: cel::Program,
    context: cel::Context<'static, 'static>,
}

impl Cel {
    fn load(credentials: &Value) -> anyhow::Result<Self> {
        const PROGRAM: &str = "harness/bench/rivals/mapping.cel";
        let mut language = cel::Env::stdlib();
        language.add_extension(cel::extensions::encoders).map_err(|error| anyhow::anyhow!("{error}"))?;
        let program = language.compile(&fs::read_to_string(PROGRAM).context(PROGRAM)?)?;
        let mut context = cel::Context::with_env(Arc::new(language));
        let base = credentials.get("stringData");
        context.add_variable("base", base).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Cel { program, context })
    }

    fn manifests(&self, review: &[u8]) -> anyhow::Result<Vec<u8>> {
        let review: Value = serde_json::from_slice(review)?;
        let mut context = self.context.new_inner_scope();
        context.add_variable("claim", review.get("request")).map_err(|error| anyhow::anyhow!("{error}"))?;
        let manifests = self.program.execute(&context).map_err(|error| anyhow::anyhow!("{error}"))?;
        let manifests = manifests.json().map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(serde_json::to_vec(&manifests)?)
    }
}
