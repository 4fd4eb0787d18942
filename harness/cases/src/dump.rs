//! A dump: what was read from a cluster and its store, in a file that a person can send.
//!
//! It contains any number of documents, in JSON or YAML:
//!
//! | document | what it says |
//! |---|---|
//! | a `List`, as `kubectl get pvc,pv,… -A -o json` prints it | its objects, and that there are no others of a kind |
//! | a list of one kind, as `kubectl get --raw /api/v1/secrets` prints it | the same, even if there are none |
//! | an object | this object only |
//! | what `aws s3api list-objects-v2 --output json` prints | the keys of the store |
//! | a `StoreListing` | the same with its date, and the content of objects |
//! | an inspection, as `volsync-policy look` prints it | everything about one claim, with settings |
//!
//! ```yaml
//! kind: StoreListing
//! date: Tue, 24 Nov 2026 10:00:00 GMT   # or in RFC 3339; by default that of the newest object
//! bucket: backups                       # by default that of the base credentials
//! prefix: here/                         # by default what all keys have in common
//! objects:
//!   - {key: here/shop/data/config, lastModified: 2026-11-24T09:00:00Z}
//! text: {here/.volsync-policy/store.json: '{"version":1,"storeId":"store-1"}'}
//! bytes: {here/shop/data/config: Y29uZmln}
//! ```
//!
//! A listing contains every key that begins with its prefix. `text` and `bytes` (in Base64) are the content of objects.
//! A document with only these is not a listing, and says nothing about other keys.
//!
//! What is not in a dump is unread, never absent. A `List` of objects from one namespace says nothing about other
//! namespaces. The value of a key of a Secret may be null, and `data` may be null or missing: these values are unknown.

mod look;
mod redact;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::bail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use volsync_policy::mover::restic::S3Address;
use volsync_policy::{Inspection, ObjectRef, ReadTarget, Review, Role, StoreRef, Through, plan, reads};

pub use look::take_out;
pub use redact::redact;

use self::store::Store;
use crate::preset::claim_of;

const REPOSITORY: &str = "RESTIC_REPOSITORY";
const PASSWORD: &str = "RESTIC_PASSWORD";

/// What was read from a cluster and its store. It may contain the values of Secrets, so it has no `Debug`.
#[derive(Default)]
pub struct Dump {
    objects: BTreeMap<Address, Value>,
    /// The kinds whose lists are complete, and in which scope.
    complete: BTreeMap<Kind, Scope>,
    store: Store,
    /// The inspections in it, by namespace and name of their claims.
    looks: BTreeMap<(String, String), Map<String, Value>>,
}

/// What a dump says about one claim.
pub struct Observation {
    /// The answers by role, as in `seen` of an inspection.
    pub seen: Value,
    /// What the dump does not say.
    pub missing: Vec<Missing>,
}

/// Something that matters to a claim and that its dump does not say, or says only in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// There is no object of this kind, and no list that says that there is none.
    Object(ObjectRef),
    /// The log of a Job, which no dump contains.
    Log(ObjectRef),
    /// The values of the Secret with this name were removed.
    Values(String),
    /// The same, and they were assumed to be those that would be rendered.
    AssumedValues(String),
    /// There is no listing of the bucket that is named by the Secret with this name, or by the base credentials if
    /// there is no Secret.
    OtherStore,
    /// No listing contains all keys of the ledger, or of the repository.
    Listing,
    /// The listing has no key below the repository's address, and no later listing confirms it.
    SecondListing,
    /// The listing has no date.
    Date,
    /// The content of the object with this key, relative to the base repository.
    Bytes(String),
}

/// The API group of a kind, and its name.
type Kind = (String, String);

/// Kind, namespace and name.
type Address = (Kind, String, String);

/// The scope in which a kind's list is complete.
enum Scope {
    Everywhere,
    Namespaces(BTreeSet<String>),
}

impl Missing {
    /// What follows in one word: it is `unread`, or something is `assumed` instead.
    pub fn topic(&self) -> &'static str {
        match self {
            Missing::AssumedValues(_) | Missing::Date => "assumed",
            Missing::Object(_)
            | Missing::Log(_)
            | Missing::Values(_)
            | Missing::OtherStore
            | Missing::Listing
            | Missing::SecondListing
            | Missing::Bytes(_) => "unread",
        }
    }
}

impl Dump {
    /// Adds a document.
    ///
    /// # Errors
    ///
    /// The document is not part of a dump. The error does not quote it.
    pub fn add(&mut self, document: Value) -> anyhow::Result<()> {
        match text(&document, "/kind") {
            "StoreListing" => return self.store.add_listing(document),
            "" if Store::is_of_aws(&document) => return self.store.add_output_of_aws(document),
            "" if document.get("seen").is_some() => return self.add_look(document),
            "" => bail!("is neither an object of Kubernetes, a List of them nor a listing of a store"),
            _ => {}
        }
        let mut document = document;
        match (text(&document, "/kind").strip_suffix("List").map(str::to_owned), document.get_mut("items")) {
            (Some(kind), Some(items)) => {
                let items = match items.take() {
                    Value::Array(items) => items,
                    Value::Null => Vec::new(),
                    _ => bail!("has `items` that are no list"),
                };
                self.add_list(&kind, &document, items)
            }
            (Some(_), None) | (None, _) => self.add_object(document).map(drop),
        }
    }

    /// The claims in the dump, by namespace and name.
    pub fn claims(&self) -> impl Iterator<Item = &Value> {
        let is_claim = |((group, kind), ..): &Address| group.is_empty() && kind == "PersistentVolumeClaim";
        let objects = self.objects.iter().filter(move |(address, _)| is_claim(address));
        let objects = objects.map(|((_, namespace, name), claim)| ((namespace, name), claim));
        let looks =
            self.looks.iter().filter_map(|((namespace, name), look)| Some(((namespace, name), look.get("request")?)));
        // An inspection is newer than a list of all claims, or tells more.
        objects.chain(looks).collect::<BTreeMap<_, _>>().into_values()
    }

    /// Whether the dump has an inspection of the claim that `request` is about, with settings of its own.
    pub fn has_look(&self, request: &Value) -> bool {
        self.look(request).is_some()
    }

    /// What the dump says about the claim of `review`, an object of `request`, `credentials` and `settings`. It says
    /// nothing about a review that cannot be read.
    ///
    /// With `assumes_values`, the removed values of the claim's Secret are assumed to be those that would be rendered.
    /// That is a person's assertion, and is not checked.
    pub fn observe(&self, review: &Map<String, Value>, assumes_values: bool) -> Observation {
        let mut review = review.clone();
        let mut missing = Vec::new();
        let rendered = assumes_values.then(|| rendered(&review)).flatten();
        let base = review.get("credentials").and_then(repository_of);
        let mut seen = Map::new();
        loop {
            review.insert("seen".to_owned(), Value::Object(seen.clone()));
            let asked = serde_json::to_vec(&review).ok().and_then(|review| Inspection::from_json(&review).ok());
            let asked = asked.map(|inspection| reads(&inspection)).unwrap_or_default();
            if asked.is_empty() {
                return Observation { seen: Value::Object(seen), missing };
            }
            for read in asked {
                let answer = match &read.target {
                    ReadTarget::Object(object) if read.role == Role::Secret => {
                        self.secret(object, rendered.as_ref(), &mut missing)
                    }
                    // A dump is one look.
                    ReadTarget::Object(_) if read.role == Role::SourceAgain => Ok(json!({"failed": "notTried"})),
                    ReadTarget::Object(object) => self.object(object),
                    // A dump says nothing about other claims.
                    ReadTarget::Turn(_) => Ok(json!({"ahead": 0})),
                    ReadTarget::Log(job) => Err(Missing::Log(job.clone())),
                    ReadTarget::Listing(place) | ReadTarget::Bytes(place) => bucket(place, base.as_ref(), &seen)
                        .ok_or(Missing::OtherStore)
                        .and_then(|base| self.store.answer(&read, place, base, &mut missing)),
                };
                let answer = answer.unwrap_or_else(|why| {
                    if !missing.contains(&why) {
                        missing.push(why);
                    }
                    json!({"failed": "notTried"})
                });
                seen.insert(read.role.as_str().to_owned(), answer);
            }
        }
    }

    /// The inspection of the claim that `request` is about, and what the dump does not say about it. `shared` contains
    /// settings and credentials; see [`Dump::observe`] for `assumes_values`. An inspection in the dump has settings of
    /// its own, and is returned as it is.
    pub fn inspection(
        &self,
        request: &Value,
        shared: &Map<String, Value>,
        assumes_values: bool,
    ) -> (Map<String, Value>, Vec<Missing>) {
        if let Some(look) = self.look(request) {
            return (look.clone(), Vec::new());
        }
        let mut inspection = shared.clone();
        inspection.insert("request".to_owned(), request.clone());
        let Observation { seen, missing } = self.observe(&inspection, assumes_values);
        inspection.insert("seen".to_owned(), seen);
        (inspection, missing)
    }

    fn add_list(&mut self, kind: &str, list: &Value, items: Vec<Value>) -> anyhow::Result<()> {
        let api_version = list.get("apiVersion").cloned().unwrap_or_default();
        let is_whole = text(list, "/metadata/continue").is_empty();
        let (mut kinds, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
        if !kind.is_empty() {
            kinds.insert((group(text(list, "/apiVersion")).to_owned(), kind.to_owned()));
        }
        for mut item in items {
            if let Some(fields) = item.as_object_mut().filter(|_| !kind.is_empty()) {
                // The API server leaves `apiVersion` and `kind` out of the items.
                fields.entry("kind").or_insert_with(|| json!(kind));
                fields.entry("apiVersion").or_insert_with(|| api_version.clone());
            }
            let (kind, namespace) = self.add_object(item)?;
            kinds.insert(kind);
            namespaces.insert(namespace);
        }
        namespaces.remove("");
        for kind in kinds.into_iter().filter(|_| is_whole) {
            // `kubectl get` does not record whether it was asked for one namespace or for all. Cluster-scoped kinds are
            // looked up without a namespace.
            let is_of_all = !kind_is_generic(list) || namespaces.len() > 1;
            let known = self.complete.entry(kind).or_insert_with(|| Scope::Namespaces(BTreeSet::new()));
            match known {
                Scope::Everywhere => {}
                known if is_of_all => *known = Scope::Everywhere,
                Scope::Namespaces(known) => {
                    known.extend(namespaces.iter().cloned().chain([String::new()]));
                }
            }
        }
        Ok(())
    }

    fn add_look(&mut self, document: Value) -> anyhow::Result<()> {
        let claim = document.get("request").map(claim_of).unwrap_or(&Value::Null);
        let key = (text(claim, "/metadata/namespace").to_owned(), text(claim, "/metadata/name").to_owned());
        match document {
            Value::Object(look) if !key.1.is_empty() => drop(self.looks.insert(key, look)),
            _ => bail!("is no inspection: that has `request`, `settings`, `credentials` and `seen`"),
        }
        Ok(())
    }

    fn look(&self, request: &Value) -> Option<&Map<String, Value>> {
        let claim = claim_of(request);
        self.looks.get(&(text(claim, "/metadata/namespace").to_owned(), text(claim, "/metadata/name").to_owned()))
    }

    fn add_object(&mut self, object: Value) -> anyhow::Result<(Kind, String)> {
        let part = |pointer: &str| text(&object, pointer).to_owned();
        let (kind, namespace, name) = (part("/kind"), part("/metadata/namespace"), part("/metadata/name"));
        if kind.is_empty() || name.is_empty() {
            bail!("holds an object without `kind` or `metadata.name`");
        }
        let kind = (group(text(&object, "/apiVersion")).to_owned(), kind);
        self.objects.insert((kind.clone(), namespace.clone(), name), object);
        Ok((kind, namespace))
    }

    fn object(&self, asked: &ObjectRef) -> Result<Value, Missing> {
        let kind = (group(&asked.api_version).to_owned(), asked.kind.clone().into_owned());
        let namespace = asked.namespace.clone().unwrap_or_default();
        let is_complete = match self.complete.get(&kind) {
            Some(Scope::Everywhere) => true,
            Some(Scope::Namespaces(namespaces)) => namespaces.contains(&namespace),
            None => false,
        };
        match self.objects.get(&(kind, namespace, asked.name.clone())) {
            Some(object) => Ok(json!({ "object": object })),
            None if is_complete => Ok(json!({"absent": true})),
            None => Err(Missing::Object(asked.clone())),
        }
    }

    /// The Secret, with null for each value that is unknown.
    fn secret(
        &self,
        asked: &ObjectRef,
        rendered: Option<&Map<String, Value>>,
        missing: &mut Vec<Missing>,
    ) -> Result<Value, Missing> {
        let mut answer = self.object(asked)?;
        let Some(secret) = answer.get_mut("object").and_then(Value::as_object_mut) else { return Ok(answer) };
        let data = secret.entry("data").or_insert(Value::Null);
        let is_known = |data: &Value| {
            data.is_object() && [REPOSITORY, PASSWORD].iter().all(|key| data.get(key) != Some(&Value::Null))
        };
        if is_known(data) {
            return Ok(answer);
        }
        match (&mut *data, rendered) {
            (Value::Object(data), Some(rendered)) => {
                for (key, value) in data.iter_mut().filter(|(_, value)| value.is_null()) {
                    *value = rendered.get(key).cloned().unwrap_or_default();
                }
            }
            (data, Some(rendered)) => *data = Value::Object(rendered.clone()),
            (_, None) => {}
        }
        let name = asked.name.clone();
        missing.push(if is_known(data) { Missing::AssumedValues(name) } else { Missing::Values(name) });
        Ok(answer)
    }
}

/// Whether a list has no kind of its own, as those of `kubectl get`.
fn kind_is_generic(list: &Value) -> bool {
    text(list, "/kind") == "List"
}

/// `data` of the Secret that would be rendered.
fn rendered(review: &Map<String, Value>) -> Option<Map<String, Value>> {
    let review = Review::from_json(&serde_json::to_vec(review).ok()?).ok()?;
    let plan: Value = serde_json::from_slice(&plan(&review).to_json()).ok()?;
    plan.pointer("/manifests/secret/object/data")?.as_object().cloned()
}

/// The base repository, if `place` is in its bucket, which is the one that listings are about.
fn bucket<'a>(place: &StoreRef, base: Option<&'a S3Address>, seen: &Map<String, Value>) -> Option<&'a S3Address> {
    let base = base?;
    let is_same = match place.through {
        Through::Base | Through::Host => true,
        Through::Secret => {
            let secret = seen.get(Role::Secret.as_str()).and_then(|answer| answer.get("object"));
            let named = secret.and_then(repository_of);
            named.is_some_and(|named| named.endpoint == base.endpoint && named.bucket == base.bucket)
        }
    };
    is_same.then_some(base)
}

/// The repository that a Secret names, if it is on S3.
fn repository_of(secret: &Value) -> Option<S3Address> {
    let value = |field: &str| secret.get(field)?.get(REPOSITORY)?.as_str();
    let decoded = |value: &str| String::from_utf8(STANDARD.decode(value.replace(['\n', '\r'], "")).ok()?).ok();
    let repository = value("stringData").map(str::to_owned).or_else(|| value("data").and_then(decoded))?;
    S3Address::parse(repository.trim())
}

/// The text at a JSON pointer; empty if there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The group of an `apiVersion`; empty for the core group.
fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// The path at which the API server returns all objects of a kind, even if there are none.
fn raw_path(ObjectRef { api_version, kind, .. }: &ObjectRef) -> String {
    let root = if api_version.contains('/') { "apis" } else { "api" };
    format!("/{root}/{api_version}/{}s", kind.to_lowercase())
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Object(object) => {
                let redact = if object.kind == "Secret" { " | volsync-policy redact" } else { "" };
                let (kind, path) = (&object.kind, raw_path(object));
                write!(f, "no list of every {kind} is in the dump; add what `kubectl get --raw {path}{redact}` prints")
            }
            Missing::Log(job) => {
                let (namespace, name) = (job.namespace.as_deref().unwrap_or_default(), &job.name);
                write!(f, "a dump holds no logs; look at `kubectl logs -n {namespace} job/{name}`")
            }
            Missing::Values(name) => {
                write!(
                    f,
                    "the values of the Secret {name} are not in the dump, so nobody knows which repository it names"
                )
            }
            Missing::AssumedValues(name) => {
                write!(
                    f,
                    "the values of the Secret {name} are not in the dump; they are taken for those of the base \
                     credentials"
                )
            }
            Missing::OtherStore => f.write_str(
                "the repository is not in the bucket of the base credentials, and a listing is taken for one of that",
            ),
            Missing::Listing => f.write_str(
                "no listing of the store is in the dump; add what `aws s3api list-objects-v2 --bucket BUCKET \
                 --prefix PREFIX/ --output json` prints, with bucket and prefix of the base repository",
            ),
            Missing::SecondListing => f.write_str(
                "the store shows no repository, which has to be seen twice; add a second listing, half a minute later, \
                 each in a StoreListing with its `date`",
            ),
            Missing::Date => {
                f.write_str("the listing has no date, and is taken to be as old as the newest object in it")
            }
            Missing::Bytes(key) => write!(
                f,
                "what PREFIX/{key} holds is not in the dump; add it to the `bytes` of a StoreListing, as `aws s3 cp \
                 s3://BUCKET/PREFIX/{key} - | base64 -w0` prints it"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
