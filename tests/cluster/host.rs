//! A host: it asks the module what to read, passes on the raw answers, and carries out the writes of the plan. It holds
//! no rule; see docs/hosts.md.

use anyhow::{Context, bail};
use serde_json::{Value, json};
use volsync_policy_cluster::{Refusal, path, says, text};
use volsync_policy_tests::engines;

use crate::World;
use crate::s3::{Bucket, seconds_between};

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const VERBS: [&str; 8] = ["create", "apply", "patch", "patchStatus", "delete", "put", "copy", "remove"];
/// The API server rejects a manifest with an unknown field, which would be a bug of the policy.
const STRICT: &str = "fieldValidation=Strict";

/// A host for the claims of one cluster.
pub(crate) struct Host<'a> {
    /// Its cluster and its store.
    pub(crate) world: &'a World,
    /// The Secret with the base credentials.
    pub(crate) credentials: Value,
    /// The settings of the policy.
    pub(crate) settings: Value,
}

impl Host<'_> {
    /// Runs one round of the loop. Returns the plan, and whether all of its writes were carried out: the first that
    /// meets a conflict ends the round.
    pub(crate) fn round(&self, claim: &Value) -> anyhow::Result<(Value, bool)> {
        let seen = self.look(claim, json!({}))?;
        let plan = self.ask("plan", claim, &seen)?;
        let mut is_done = true;
        for write in plan["writes"].as_array().context("no writes")? {
            is_done = is_done && self.write(write, &plan, &seen).with_context(|| write.to_string())?;
        }
        Ok((plan, is_done))
    }

    /// Calls an operation of the module for a claim. Without answers, `seen` is null.
    pub(crate) fn ask(&self, operation: &str, claim: &Value, seen: &Value) -> anyhow::Result<Value> {
        let [_, wasm] = engines();
        let mut review = json!({"request": claim, "credentials": self.credentials, "settings": self.settings});
        if !seen.is_null() {
            review["seen"] = seen.clone();
        }
        Ok(serde_json::from_slice(&wasm.call(operation, review.to_string().as_bytes())?)?)
    }

    /// Reads everything that the module asks for, beyond the answers in `seen`.
    pub(crate) fn look(&self, claim: &Value, mut seen: Value) -> anyhow::Result<Value> {
        let mut looks: Vec<(Value, Value)> = Vec::new();
        loop {
            let Value::Array(reads) = self.ask("reads", claim, &seen)? else { bail!("no reads") };
            for read in &reads {
                let (form, place) = one_of(read, &["object", "log", "listing", "bytes"])?;
                let earlier = looks.iter().rfind(|(looked_at, _)| looked_at == place).map(|(_, answer)| answer);
                let after = read["afterSeconds"].as_u64().unwrap_or_default();
                let answer = self.world.cluster.until("the next look", || {
                    let answer = self.answer(form, place, &seen)?;
                    let since = earlier.and_then(|earlier| seconds_between(earlier, &answer));
                    Ok(since.is_none_or(|since| since >= after).then_some(answer))
                })?;
                seen[text(read, "/role")] = answer.clone();
                looks.push((place.clone(), answer));
            }
            if reads.is_empty() {
                return Ok(seen);
            }
        }
    }

    fn answer(&self, form: &str, place: &Value, seen: &Value) -> anyhow::Result<Value> {
        match form {
            "object" => self.read(&path(place), |body| Ok(json!({"object": serde_json::from_str::<Value>(&body)?}))),
            "log" => self.log(place),
            "listing" => Ok(self.bucket(place, seen)?.list(text(place, "/key"))),
            _ => Ok(self.bucket(place, seen)?.get(text(place, "/key"))),
        }
    }

    fn read(&self, path: &str, form: impl FnOnce(String) -> anyhow::Result<Value>) -> anyhow::Result<Value> {
        match self.world.cluster.request("GET", path, JSON, &Value::Null) {
            Ok(Ok(body)) => form(body),
            Ok(Err(Refusal { status: 404, .. })) => Ok(json!({"absent": true})),
            Ok(Err(Refusal { status: 401 | 403, .. })) => Ok(json!({"failed": "denied"})),
            Ok(Err(_)) | Err(_) => Ok(json!({"failed": "unreachable"})),
        }
    }

    fn log(&self, job: &Value) -> anyhow::Result<Value> {
        let all = format!("/api/v1/namespaces/{}/pods", text(job, "/namespace"));
        self.read(&format!("{all}?labelSelector=job-name={}", text(job, "/name")), |body| {
            let pods: Value = serde_json::from_str(&body)?;
            let pods = pods["items"].as_array().into_iter().flatten();
            let failed = pods.filter(|pod| says(pod, "/status/phase=Failed"));
            let newest = failed.max_by_key(|pod| text(pod, "/metadata/creationTimestamp"));
            let Some(newest) = newest else { return Ok(json!({"absent": true})) };
            let end =
                |log: String| String::from_utf8_lossy(&log.as_bytes()[log.len().saturating_sub(1024)..]).into_owned();
            self.read(&format!("{all}/{}/log", text(newest, "/metadata/name")), |log| Ok(json!({"log": end(log)})))
        })
    }

    /// The bucket that is reached through the credentials which `place` names.
    fn bucket(&self, place: &Value, seen: &Value) -> anyhow::Result<Bucket> {
        let is_live = says(place, "/through=secret");
        Bucket::of(&self.world.store, if is_live { &seen["secret"]["object"] } else { &self.credentials })
    }

    /// Carries out a write. Returns false on a conflict.
    fn write(&self, write: &Value, plan: &Value, seen: &Value) -> anyhow::Result<bool> {
        let (verb, what) = one_of(write, &VERBS)?;
        let (key, by) = (text(what, "/key"), format!("fieldManager={}", text(what, "/fieldManager")));
        let mut manifest = plan["manifests"][text(what, "/manifest")]["object"].clone();
        let [object, made] = [path(&what["object"]), path(&manifest)];
        let (collection, _) = made.rsplit_once('/').unwrap_or_default();
        let (method, path, kind, body) = match verb {
            "create" => ("POST", format!("{collection}?{by}&{STRICT}"), JSON, manifest),
            "apply" => {
                manifest["metadata"]["uid"] = what["uid"].clone();
                manifest["metadata"]["resourceVersion"] = what["resourceVersion"].clone();
                ("PATCH", format!("{made}?{by}&{STRICT}&force=true"), APPLY, manifest)
            }
            "patch" => ("PATCH", format!("{object}?{by}"), MERGE, what["body"].clone()),
            "patchStatus" => ("PATCH", format!("{object}/status?{by}"), MERGE, what["body"].clone()),
            "delete" => ("DELETE", object, JSON, json!({"preconditions": {"uid": what["uid"]}})),
            "put" => return self.bucket(what, seen)?.put(key, text(what, "/text"), what["ifMatch"].as_str()),
            "copy" => {
                let bucket = self.bucket(&what["to"], seen)?;
                return bucket.copy(text(what, "/from/key"), text(what, "/to/key")).map(|_| true);
            }
            _ => return self.bucket(what, seen)?.remove(key).map(|_| true),
        };
        match self.world.cluster.request(method, &path, kind, &body)? {
            Ok(_) => Ok(true),
            Err(Refusal { status: 404, .. }) => Ok(verb == "delete"),
            Err(Refusal { status: 409, .. }) => Ok(false),
            Err(refusal) => bail!("{refusal:?}"),
        }
    }
}

/// The first of these keys that exists in a document, with its value.
fn one_of<'a>(document: &'a Value, keys: &[&'static str]) -> anyhow::Result<(&'static str, &'a Value)> {
    let found = keys.iter().find_map(|key| Some((*key, document.get(key)?)));
    found.with_context(|| format!("none of {keys:?} in {document}"))
}
