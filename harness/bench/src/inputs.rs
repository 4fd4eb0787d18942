//! The inputs of the benchmarks: claims of any number and size, and reviews of them.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

/// The base credentials of all commands and reviews.
pub(crate) const CREDENTIALS: &str = "examples/credentials.yaml";

/// A claim and the review that plans it.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    /// JSON, the payload of `plan`.
    pub(crate) review: Vec<u8>,
}

/// The claims for the measurements of single calls.
pub(crate) fn inputs() -> anyhow::Result<[Input; 2]> {
    let claim = example()?;
    Ok([
        Input { name: "the seed's claim", review: review(&claim)? },
        Input { name: "a claim of 100 KiB", review: review(&grown(claim.clone()))? },
    ])
}

/// A review of `claim` at its creation, with the default settings.
fn review(claim: &Value) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&json!({ "request": claim, "credentials": credentials()? }))?)
}

/// The content of [`CREDENTIALS`].
pub(crate) fn credentials() -> anyhow::Result<Value> {
    yaml(CREDENTIALS)
}

/// An endless sequence of claims as an API server stores them, each with its data source.
pub(crate) fn claims() -> anyhow::Result<impl Iterator<Item = Value>> {
    let example = example()?;
    Ok((0..).map(move |nth| {
        let mut claim = example.clone();
        claim["metadata"]["name"] = json!(format!("data-{nth}"));
        claim["metadata"]["namespace"] = json!(format!("team-{}", nth % 50));
        claim["metadata"]["creationTimestamp"] = json!("2026-01-16T23:09:56Z");
        claim
    }))
}

/// The first of [`claims`].
pub(crate) fn one_claim() -> anyhow::Result<Value> {
    claims()?.next().context("a claim")
}

/// Writes a file of claims that every program can read: one JSON document per line, separated as YAML.
pub(crate) fn write_claims(file: &Path, count: usize) -> anyhow::Result<()> {
    let mut out = BufWriter::new(fs::File::create(file)?);
    for claim in claims()?.take(count) {
        writeln!(out, "---\n{claim}")?;
    }
    Ok(out.flush()?)
}

/// The example claim.
fn example() -> anyhow::Result<Value> {
    yaml("examples/claim.yaml")
}

/// Reads one YAML document.
fn yaml(file: &str) -> anyhow::Result<Value> {
    let text = fs::read_to_string(file).context(file.to_owned())?;
    serde_saphyr::from_str(&text).context(file.to_owned())
}

/// The claim with what makes claims large: annotations of other tools, and managed fields.
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
