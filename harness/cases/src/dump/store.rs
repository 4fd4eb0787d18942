//! What a dump says about the store: listings, and the content of objects.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use volsync_policy::evidence::Timestamp;
use volsync_policy::mover::restic::S3Address;
use volsync_policy::{Read, ReadTarget, Role, StoreRef};

use super::Missing;

/// What a dump says about the store.
#[derive(Default)]
pub(super) struct Store {
    listings: Vec<Listing>,
    /// The content of objects, in Base64, by bucket and key.
    contents: BTreeMap<(Option<String>, String), String>,
}

/// A listing of every key that begins with a prefix.
struct Listing {
    bucket: Option<String>,
    prefix: String,
    date: Option<Timestamp>,
    as_of: Timestamp,
    objects: BTreeMap<String, Timestamp>,
    /// Prefixes below which there are keys that are not in the listing.
    folders: BTreeSet<String>,
}

/// A `StoreListing` document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenListing {
    #[serde(rename = "kind")]
    _kind: String,
    date: Option<String>,
    bucket: Option<String>,
    prefix: Option<String>,
    objects: Option<Vec<WrittenObject>>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    text: BTreeMap<String, String>,
    #[serde(default)]
    bytes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenObject {
    key: String,
    last_modified: String,
}

/// The output of `aws s3api list-objects-v2`. It joins pages, and then contains neither the bucket nor the prefix.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OutputOfAws {
    name: Option<String>,
    prefix: Option<String>,
    contents: Option<Vec<ObjectOfAws>>,
    common_prefixes: Option<Vec<CommonPrefix>>,
    is_truncated: Option<bool>,
    next_token: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ObjectOfAws {
    key: String,
    last_modified: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

impl Store {
    /// Whether a document looks like what `aws s3api list-objects-v2` prints.
    pub(super) fn is_of_aws(document: &Value) -> bool {
        ["Contents", "CommonPrefixes", "KeyCount", "RequestCharged"].iter().any(|key| document.get(key).is_some())
    }

    pub(super) fn add_output_of_aws(&mut self, document: Value) -> anyhow::Result<()> {
        let output: OutputOfAws = serde_json::from_value(document)
            // The library's own message could quote the document.
            .map_err(|_| anyhow!("is not what `aws s3api list-objects-v2 --output json` prints"))?;
        if output.is_truncated == Some(true) || output.next_token.is_some() {
            bail!("is a listing of which pages are missing");
        }
        let objects = output.contents.unwrap_or_default().into_iter().map(|it| (it.key, it.last_modified));
        let folders = output.common_prefixes.unwrap_or_default().into_iter().map(|it| it.prefix).collect();
        let (objects, prefix) = (times(objects)?, output.prefix);
        self.listings.extend(Listing::of(output.name, prefix, None, objects, folders));
        Ok(())
    }

    pub(super) fn add_listing(&mut self, document: Value) -> anyhow::Result<()> {
        let written: WrittenListing = serde_json::from_value(document).map_err(|_| {
            anyhow!(
                "is no StoreListing: that has `date`, `bucket`, `prefix`, `objects` (each with `key` and \
                 `lastModified`), `prefixes`, `text` and `bytes`"
            )
        })?;
        let date = written.date.as_deref().map(|date| moment(date).context("date")).transpose()?;
        for (key, text) in written.text {
            self.contents.insert((written.bucket.clone(), key), STANDARD.encode(text));
        }
        for (key, bytes) in written.bytes {
            let bytes = bytes.replace(['\n', '\r'], "");
            if STANDARD.decode(&bytes).is_err() {
                bail!("bytes: `{}` is not followed by Base64", key.escape_default());
            }
            self.contents.insert((written.bucket.clone(), key), bytes);
        }
        let Some(objects) = written.objects else { return Ok(()) };
        let objects = times(objects.into_iter().map(|it| (it.key, it.last_modified)))?;
        let folders = written.prefixes.into_iter().collect();
        self.listings.extend(Listing::of(written.bucket, written.prefix, date, objects, folders));
        Ok(())
    }

    /// The answer to a read of the store in the bucket of the base repository.
    pub(super) fn answer(
        &self,
        read: &Read,
        StoreRef { key, .. }: &StoreRef,
        base: &S3Address,
        missing: &mut Vec<Missing>,
    ) -> Result<Value, Missing> {
        let is_here = |bucket: &Option<String>| bucket.as_ref().is_none_or(|bucket| *bucket == base.bucket);
        let mut covering: Vec<&Listing> =
            self.listings.iter().filter(|listing| is_here(&listing.bucket) && listing.covers(key)).collect();
        covering.sort_by_key(|listing| listing.as_of);
        let newest = covering.last().copied();
        if let ReadTarget::Bytes(_) = read.target {
            let content = self.contents.iter().find(|((bucket, of), _)| is_here(bucket) && of == key);
            let is_absent = |listing: &&Listing| !listing.objects.contains_key(key) && !listing.is_empty();
            return match (content, newest.filter(is_absent)) {
                (Some((_, bytes)), _) => Ok(json!({ "bytes": bytes })),
                (None, Some(listing)) => Ok(json!({"absent": true, "date": listing.as_of})),
                // A listing would show whether the object exists.
                (None, None) if newest.is_none() => Err(Missing::Listing),
                (None, None) => Err(Missing::Bytes(below(&base.prefix, key))),
            };
        }
        let newest = newest.ok_or(Missing::Listing)?;
        let is_blank = |listing: &Listing| listing.date.is_some() && listing.shows_nothing_below(key);
        // The first of the newest listings in a row that have no key there.
        let first_blank = covering.iter().rev().take_while(|listing| is_blank(listing)).last();
        let listing = match (read.role, first_blank) {
            (Role::Repository, Some(first)) => first,
            (Role::RepositoryAgain, first) => {
                let apart = first.map_or(0, |first| newest.as_of.since(first.as_of));
                if apart < read.after_seconds.map_or(1, u64::from) {
                    return Err(Missing::SecondListing);
                }
                newest
            }
            _ => newest,
        };
        if listing.date.is_none() && !missing.contains(&Missing::Date) {
            missing.push(Missing::Date);
        }
        Ok(listing.answer(key))
    }
}

impl Listing {
    /// A listing. None if neither its prefix nor its time is known.
    ///
    /// All keys begin with the prefix that was asked for, so that prefix is at most what they have in common. The
    /// listing has every key that begins with what they have in common.
    fn of(
        bucket: Option<String>,
        prefix: Option<String>,
        date: Option<Timestamp>,
        objects: BTreeMap<String, Timestamp>,
        folders: BTreeSet<String>,
    ) -> Option<Self> {
        let as_of = date.or_else(|| objects.values().max().copied())?;
        let prefix = prefix.or_else(|| in_common(objects.keys().chain(&folders)))?;
        Some(Listing { bucket, prefix, date, as_of, objects, folders })
    }

    /// Whether the listing has every key that begins with `key`.
    fn covers(&self, key: &str) -> bool {
        key.starts_with(&self.prefix) && !self.folders.iter().any(|folder| key.starts_with(folder))
    }

    /// Whether the listing is completely empty, which may also mean that the store denied access.
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.folders.is_empty()
    }

    fn shows_nothing_below(&self, prefix: &str) -> bool {
        !self.objects.keys().chain(&self.folders).any(|key| key.starts_with(prefix))
    }

    /// The keys directly below a prefix, as in a listing with a delimiter.
    fn answer(&self, prefix: &str) -> Value {
        let (mut objects, mut folders) = (Vec::new(), BTreeSet::new());
        for key in self.objects.keys().chain(&self.folders) {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            match (rest.split_once('/'), self.objects.get(key)) {
                (Some((folder, _)), _) => drop(folders.insert(format!("{prefix}{folder}/"))),
                (None, Some(written)) => objects.push(json!({"key": key, "lastModified": written})),
                (None, None) => {}
            }
        }
        json!({"listing": objects, "prefixes": folders, "date": self.as_of})
    }
}

/// A key relative to the prefix of the base repository.
fn below(prefix: &str, key: &str) -> String {
    key.strip_prefix(prefix).unwrap_or(key).trim_start_matches('/').to_owned()
}

/// The longest prefix that all keys have. None if there is no key.
fn in_common<'a>(mut keys: impl Iterator<Item = &'a String>) -> Option<String> {
    let first = keys.next()?.clone();
    Some(keys.fold(first, |common, key| {
        common.chars().zip(key.chars()).take_while(|(one, other)| one == other).map(|(one, _)| one).collect()
    }))
}

fn times(objects: impl Iterator<Item = (String, String)>) -> anyhow::Result<BTreeMap<String, Timestamp>> {
    objects
        .map(|(key, written)| {
            let written = moment(&written).with_context(|| format!("`{}`", key.escape_default()))?;
            Ok((key, written))
        })
        .collect()
}

/// Reads a time: of an HTTP header, in RFC 3339, or in the format of the AWS command line.
fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let utc = text.strip_suffix("+00:00").map(|moment| format!("{moment}Z"));
    Timestamp::parse_http(text)
        .or_else(|| Timestamp::parse(utc.as_deref().unwrap_or(text)))
        .context("write a time in UTC, such as `2026-11-24T10:00:00Z`")
}
