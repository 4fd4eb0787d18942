//! The same mapping in policy languages, natively: a review in, the seed profile's manifests out, bytes to bytes.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use volsync_policy_engine::{Engine, Native};

use crate::inputs::{one_claim, review};
use crate::race::{Contender, race};
use crate::report::Report;

/// The policy is to be so many times as fast.
const GOAL: &str = "≥ 10";

/// Measures the languages' interpreters, each with its program compiled beforehand, as ours has its settings read.
pub(crate) fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.section("The same manifests from the same review, natively; the others check and explain nothing");
    let (review, settings) = (review(&one_claim()?)?, json!({ "profile": "seed" }));
    let plan = Native.under(&settings).map_err(anyhow::Error::msg)?;
    let mut rego = Rego::load()?;
    let cel = Cel::load()?;
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

/// The manifests in a plan of ours.
fn manifests(plan: &[u8]) -> anyhow::Result<Value> {
    let plan: Value = serde_json::from_slice(plan)?;
    let object = |which: &str| plan.pointer(&format!("/manifests/{which}/object")).cloned();
    ["secret", "destination", "source"].map(object).into_iter().collect::<Option<_>>().context("three manifests")
}

struct Rego(regorus::Engine);

impl Rego {
    fn load() -> anyhow::Result<Self> {
        const POLICY: &str = "harness/bench/rivals/mapping.rego";
        let mut engine = regorus::Engine::new();
        engine.add_policy(POLICY.to_owned(), fs::read_to_string(POLICY).context(POLICY)?)?;
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
    functions: cel::Context<'static, 'static>,
}

impl Cel {
    fn load() -> anyhow::Result<Self> {
        const PROGRAM: &str = "harness/bench/rivals/mapping.cel";
        let mut language = cel::Env::stdlib();
        language.add_extension(cel::extensions::encoders).map_err(|error| anyhow::anyhow!("{error}"))?;
        let program = language.compile(&fs::read_to_string(PROGRAM).context(PROGRAM)?)?;
        Ok(Cel { program, functions: cel::Context::with_env(Arc::new(language)) })
    }

    fn manifests(&self, review: &[u8]) -> anyhow::Result<Vec<u8>> {
        let review: Value = serde_json::from_slice(review)?;
        let mut context = self.functions.new_inner_scope();
        for (name, pointer) in [("claim", "/request"), ("base", "/credentials/stringData")] {
            context.add_variable(name, review.pointer(pointer)).map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        let manifests = self.program.execute(&context).map_err(|error| anyhow::anyhow!("{error}"))?;
        let manifests = manifests.json().map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(serde_json::to_vec(&manifests)?)
    }
}
