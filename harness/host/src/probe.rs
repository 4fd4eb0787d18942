//! The probe of a store: whether it honours the conditions of writes, also if many write at the same time.
//!
//! The ledger decides by a conditional write which of two writers has a repository. A store that ignores conditions, or
//! that looks first and writes later, would tell both that they have it. There, each lists what was written after its
//! own write; so it must be in the listing.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Barrier;
use volsync_policy::Condition;
use volsync_policy::evidence::Failure;

use crate::store::{Bucket, Written};

/// How many write at the same time.
const AT_ONCE: usize = 16;

/// The folder of the objects that are listed.
const LISTED: &str = "listed/";

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probe {
    /// The conditions of writes that the store did not honour, a sentence each.
    pub faults: Vec<String>,
    /// What listings did not show, a sentence each; only looked for if there are other faults. Without any, the store
    /// can have a ledger with numbered entries.
    pub unlisted: Vec<String>,
    /// The keys of objects that the probe wrote and could not remove.
    pub left: Vec<String>,
}

/// A probe in progress. Its objects have keys of their own, and are removed at the end.
struct Prober {
    bucket: Arc<Bucket>,
    prefix: String,
    faults: Vec<String>,
    unlisted: Vec<String>,
}

/// Probes a store with objects below `prefix`.
///
/// # Errors
///
/// The store cannot be read or written at all.
pub(crate) async fn run(bucket: Arc<Bucket>, prefix: String) -> Result<Probe, Failure> {
    let mut prober = Prober { bucket, prefix, faults: Vec::new(), unlisted: Vec::new() };
    let probed = match prober.probe().await {
        Ok(()) if !prober.faults.is_empty() => prober.race_and_list().await,
        probed => probed,
    };
    let left = prober.remove().await;
    probed.map(|()| Probe { faults: prober.faults, unlisted: prober.unlisted, left })
}

impl Prober {
    async fn probe(&mut self) -> Result<(), Failure> {
        let object = self.key("object");
        let create = || Condition::IfNoneMatch("*".into());
        let refused = match self.bucket.put(&object, "1", Some(&create())).await {
            Ok(Written::Done) => None,
            Ok(Written::Conflict) => Some("a write with `If-None-Match: *` is refused where there is no object"),
            Err(Failure::Unsupported) => Some("the store does not implement a write with `If-None-Match: *`"),
            Err(failure) => return Err(failure),
        };
        if let Some(fault) = refused {
            self.faults.push(fault.to_owned());
            return Ok(());
        }
        self.must_refuse("`If-None-Match: *` where there is an object", &object, create()).await;
        let Some(first) = self.etag(&object, "1").await? else { return Ok(()) };
        if self.bucket.put(&object, "2", Some(&Condition::IfMatch(first.clone()))).await != Ok(Written::Done) {
            self.faults.push("a write with `If-Match` is refused although the object has this ETag".to_owned());
            return Ok(());
        }
        let stale = "`If-Match` where the object has another ETag by now";
        self.must_refuse(stale, &object, Condition::IfMatch(first.clone())).await;
        self.must_refuse("`If-Match` where there is no object", &self.key("missing"), Condition::IfMatch(first)).await;
        let Some(second) = self.etag(&object, "2").await? else { return Ok(()) };
        self.race("`If-None-Match: *`", &self.key("raced"), create()).await?;
        self.race("`If-Match`", &object, Condition::IfMatch(second)).await
    }

    /// Makes a write whose condition does not hold.
    async fn must_refuse(&mut self, condition: &str, key: &str, unmet: Condition) {
        let fault = match self.bucket.put(key, "0", Some(&unmet)).await {
            Ok(Written::Conflict) => return,
            Ok(Written::Done) => format!("a write with {condition} is carried out"),
            Err(failure) => format!("a write with {condition} has no usable answer: {}", failure.as_str()),
        };
        self.faults.push(fault);
    }

    /// The ETag of an object that must contain this text.
    async fn etag(&mut self, key: &str, text: &str) -> Result<Option<String>, Failure> {
        let Some((bytes, etag)) = self.bucket.read(key).await? else {
            self.faults.push("an object is not there right after it was written".to_owned());
            return Ok(None);
        };
        if bytes != text.as_bytes() {
            self.faults.push("an object has changed although the write was refused".to_owned());
        }
        if etag.is_none() {
            self.faults.push("an object has no ETag".to_owned());
        }
        Ok(etag)
    }

    /// Makes many writes at the same time, of which exactly one may be carried out.
    async fn race(&mut self, condition: &str, key: &str, met: Condition) -> Result<(), Failure> {
        let barrier = Arc::new(Barrier::new(AT_ONCE));
        let write = |writer: usize| {
            let (bucket, barrier) = (self.bucket.clone(), barrier.clone());
            let (key, met) = (key.to_owned(), met.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                bucket.put(&key, &format!("writer {writer}"), Some(&met)).await
            })
        };
        let written = join_all((0..AT_ONCE).map(write)).await;
        let written: Vec<_> = written.into_iter().map(|written| written.unwrap_or(Err(Failure::NotTried))).collect();
        let done: Vec<usize> =
            written.iter().enumerate().filter(|(_, it)| **it == Ok(Written::Done)).map(|(writer, _)| writer).collect();
        let of = format!("of {AT_ONCE} writes with {condition} at the same time");
        if let Some(failure) = written.iter().find_map(|written| written.err()) {
            self.faults.push(format!("{of}, one or more have no usable answer: {}", failure.as_str()));
            return Ok(());
        }
        let [winner] = done.as_slice() else {
            self.faults.push(format!("{of}, {} are carried out", done.len()));
            return Ok(());
        };
        self.etag(key, &format!("writer {winner}")).await.map(drop)
    }

    /// Makes many writes of objects of their own at the same time, each with a listing after it. Of any two writers, at
    /// least one must see the other's object, and each must see its own.
    async fn race_and_list(&mut self) -> Result<(), Failure> {
        let barrier = Arc::new(Barrier::new(AT_ONCE));
        let folder = self.key(LISTED);
        let write = |writer: usize| {
            let (bucket, barrier, folder) = (self.bucket.clone(), barrier.clone(), folder.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                bucket.put(&format!("{folder}{writer}"), "1", None).await?;
                let keys = bucket.keys(&folder).await?;
                Ok(keys.iter().filter_map(|key| key.strip_prefix(&folder)?.parse().ok()).collect::<BTreeSet<usize>>())
            })
        };
        let listed = join_all((0..AT_ONCE).map(write)).await;
        let listed = listed.into_iter().map(|listed| listed.unwrap_or(Err(Failure::NotTried)));
        let listed: Vec<BTreeSet<usize>> = listed.collect::<Result<_, Failure>>()?;
        let sees = |one: usize, other: usize| listed.get(one).is_some_and(|listed| listed.contains(&other));
        let is_unseen = |one: &usize| (*one..AT_ONCE).any(|other| !sees(*one, other) && !sees(other, *one));
        let unseen = (0..AT_ONCE).filter(is_unseen).count();
        if unseen > 0 {
            self.unlisted.push(format!(
                "of {AT_ONCE} writers that listed their objects after they had written them, {unseen} did not see \
                 their own, or did not see another that did not see them either"
            ));
        }
        Ok(())
    }

    /// Removes all objects, and returns the keys of those that may still exist.
    async fn remove(&self) -> Vec<String> {
        let mut left = Vec::new();
        let of_race = (0..AT_ONCE).map(|writer| format!("{LISTED}{writer}")).filter(|_| !self.faults.is_empty());
        for name in ["object", "missing", "raced"].map(str::to_owned).into_iter().chain(of_race) {
            let key = self.key(&name);
            if self.bucket.remove(&key).await.is_err() {
                left.push(key);
            }
        }
        left
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
