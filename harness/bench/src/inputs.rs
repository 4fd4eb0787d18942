//! What is measured with: claims of any number and size, and reviews of them.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

/// Base credentials, as every command and review here has them.
pub(crate) const CREDENTIALS: &str = "examples/credentials.yaml";

/// A claim and the review that plans it.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    /// JSON, as `plan` takes it.
    pub(crate) review: Vec<u8>,
}

/// The claims that single calls are measured with.
pub(crate) fn inputs() -> anyhow::Result<[Input; 2]> {
    let claim = example()?;
    let review = |claim: &Value| review(claim, &Value::Null);
    Ok([
        Input { name: "the seed's claim", review: review(&claim)? },
        Input { name: "a claim of 100 KiB", review: review(&grown(claim.clone()))? },
    ])
}

/// A review of `claim` at its creation; null settings are the default ones.
pub(crate) fn review(claim: &Value, settings: &Value) -> anyhow::Result<Vec<u8>> {
    let credentials = yaml(CREDENTIALS)?;
    Ok(serde_json::to_vec(&json!({ "request": claim, "credentials": credentials, "settings": settings }))?)
}

/// The claim of the notes that this project started from.
pub(crate) fn example() -> anyhow::Result<Value> {
    yaml("examples/claim.yaml")
}

/// The claim as an API server has it, with the creation that names its restore: the `nth` of many in a cluster.
pub(crate) fn nth_claim(nth: usize) -> anyhow::Result<Value> {
    let mut claim = example()?;
    let metadata = claim.get_mut("metadata").context("a claim has metadata")?;
    metadata["name"] = json!(format!("data-{nth}"));
    metadata["namespace"] = json!(format!("team-{}", nth % 50));
    metadata["creationTimestamp"] = json!("2026-01-16T23:09:56Z");
    Ok(claim)
}

/// Writes a file of so many claims, which every program takes: YAML documents of JSON, a line each.
pub(crate) fn write_claims(file: &Path, count: usize) -> anyhow::Result<()> {
    let mut out = BufWriter::new(fs::File::create(file)?);
    for nth in 0..count {
        writeln!(out, "---\n{}", nth_claim(nth)?)?;
    }
    Ok(out.flush()?)
}

/// Reads one YAML document.
pub(crate) fn yaml(file: &str) -> anyhow::Result<Value> {
    let text = fs::read_to_string(file).context(file.to_owned())?;
    serde_saphyr::from_str(&text).context(file.to_owned())
}

/// The claim with what fills claims up: annotations of other tools, and the fields that managers own.
fn grown(mut claim: Value) -> Value {
    const HALF: usize = 50 * 1024;
    let annotation = |nth: usize| (format!("tool-{nth}.example.org/state"), json!("x\"y ".repeat(200)));
    let length = annotation(0).1.to_string().len();
    claim["metadata"]["annotations"] = Value::Object((0..HALF / length).map(annotation).collect());
    let manager = |nth: usize| {
        json!({
            "manager": format!("manager-{nth}"), "operation": "Update", "apiVersion": "v1",
            "time": "2026-01-16T23:09:56Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:tool.example.org/state": {}}}},
        })
    };
    let length = manager(0).to_string().len();
    claim["metadata"]["managedFields"] = (0..HALF / length).map(manager).collect();
    claim
}
