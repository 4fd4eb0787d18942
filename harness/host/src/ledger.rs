//! The ledger of a store, for the commands that a person runs. The policy says which keys there are, and what follows
//! from their content; here are the requests.

use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;
use volsync_policy::evidence::{Entry, Failure};
use volsync_policy::ledger::{ConditionalWrites, Marker, retire, write_marker};
use volsync_policy::maintenance::{
    BaseRepository, Deviation, EntryPlace, MarkerFault, PutBack, RepositoryKeys, Undo, UndoSeen,
};
use volsync_policy::{Condition, Shared};

use crate::api::ApiServer;
use crate::cluster::settings_and_credentials;
use crate::config::Sources;
use crate::metrics::Metrics;
use crate::probe::{self, Probe};
use crate::store::{Bucket, Stores, Written, answer};

/// How many entries are read at the same time.
const AT_ONCE: usize = 16;

/// How often a conditional write is tried, if others write the same object.
const ATTEMPTS: usize = 5;

/// What is wrong with an entry that cannot be parsed.
const UNREADABLE: &str = "the entry cannot be parsed, or was written by a later release";

/// The ledger of a store. It holds credentials, so it does not implement `Debug`.
///
/// Each method waits for its requests, so none may be called by a task of an asynchronous runtime.
pub struct Ledger {
    runtime: Runtime,
    base: BaseRepository,
    bucket: Arc<Bucket>,
}

/// The result of [`Ledger::init`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Init {
    /// The marker was written.
    Written {
        /// The marker.
        marker: Marker,
        /// The conditions of writes that the store does not honour, so that its entries are numbered.
        faults: Vec<String>,
        /// The keys of objects that the probe could not remove.
        left: Vec<String>,
    },
    /// The store has had the marker with this id before.
    Present(Marker),
    /// The store can have no ledger: it neither honours the conditions of writes, nor lists what was just written.
    Refused(Probe),
}

/// A ledger entry, and the path of the repository that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The path of the repository, below the base repository.
    pub path: String,
    /// The entry, or why there is none to show.
    pub entry: Result<Entry, String>,
}

/// What became of an entry that was to be retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// It is retired now.
    Now,
    /// It had been retired before.
    Before,
    /// It is gone, or is not the one that was meant any more.
    Changed,
}

impl Ledger {
    /// The ledger that settings and base credentials name. What is `None` is read from the cluster of the current
    /// context.
    ///
    /// # Errors
    ///
    /// Settings or credentials cannot be read, are not valid, or name no bucket.
    pub fn open(settings: Option<Value>, credentials: Option<Value>, sources: &Sources) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (settings, credentials, host_secret) = match (settings, credentials) {
            (Some(settings), Some(credentials)) => (settings, credentials, None),
            (settings, credentials) => runtime.block_on(of_cluster(settings, credentials, sources))?,
        };
        let shared = json!({"settings": settings, "credentials": credentials}).to_string();
        let base = BaseRepository::of(Shared::from_json(shared.as_bytes())?).map_err(anyhow::Error::msg)?;
        let key = host_secret.as_ref().unwrap_or(&credentials);
        let bucket = Stores::of_command()?.bucket(&credentials, key).map_err(|failure| match failure {
            Failure::Denied => anyhow!("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed"),
            failure => anyhow!("the base credentials name no bucket: {}", failure.as_str()),
        })?;
        Ok(Ledger { runtime, base, bucket })
    }

    /// The base repository.
    pub fn base(&self) -> &BaseRepository {
        &self.base
    }

    /// Begins a ledger: probes the store, and writes the marker with this id, or else with a new one.
    ///
    /// # Errors
    ///
    /// The store has another marker, or settings name one that it does not have; or it is unknown what it has.
    pub fn init(&self, store_id: Option<&str>) -> anyhow::Result<Init> {
        self.runtime.block_on(async {
            match self.any_marker().await {
                Ok(None) => {}
                Ok(Some(marker)) if Some(marker.store_id.as_str()) == store_id => return Ok(Init::Present(marker)),
                Ok(Some(Marker { store_id, .. })) => {
                    bail!("the store has a ledger already, with the id `{}`", store_id.escape_debug())
                }
                Err(fault) => bail!("{fault}"),
            }
            if let (None, Some(known)) = (store_id, self.base.store_id()) {
                bail!(
                    "settings name the store `{known}`, and there is no ledger here: is it another bucket, or another \
                     prefix? If this store is meant to begin without backups, run the command with --store-id {known}"
                );
            }
            let probe = self.run_probe().await?;
            if !probe.unlisted.is_empty() {
                return Ok(Init::Refused(probe));
            }
            let Probe { faults, left, .. } = probe;
            let store_id = store_id.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
            let found = if faults.is_empty() { ConditionalWrites::Proven } else { ConditionalWrites::None };
            let marker = Marker { store_id, conditional_writes: Some(found) };
            let condition = faults.is_empty().then(|| Condition::IfNoneMatch("*".into()));
            let written = self.bucket.put(&self.base.marker_key(), &write_marker(&marker), condition.as_ref()).await;
            if written != Ok(Written::Done) || !faults.is_empty() {
                // The answer may be lost although the marker was written, and it may be another's.
                self.must_have(&marker).await?;
            }
            Ok(Init::Written { marker, faults, left })
        })
    }

    /// The marker, where it is that of the store that settings name.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn marker(&self) -> Result<Marker, MarkerFault> {
        self.runtime.block_on(self.read_marker())
    }

    /// Probes the store.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written at all.
    pub fn probe(&self) -> anyhow::Result<Probe> {
        self.runtime.block_on(self.run_probe())
    }

    /// All entries, in the order of their paths. An entry that cannot be read does not hide the others.
    ///
    /// # Errors
    ///
    /// The entries cannot be listed.
    pub fn entries(&self) -> anyhow::Result<Vec<Stored>> {
        self.runtime.block_on(self.read_entries())
    }

    /// The entries of a repository that count: none, one, or several that were written at the same time.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn entries_of(&self, path: &str) -> anyhow::Result<Vec<Stored>> {
        self.runtime.block_on(async {
            let mut entries = Vec::new();
            let is_numbered = self.is_numbered().await.map_err(unread(path))?;
            let keys = self.keys_of(path, is_numbered).await.map_err(unread(path))?;
            for place in self.base.entries(is_numbered, &keys) {
                entries.extend(self.read_entry(place).await.map_err(unread(path))?);
            }
            Ok(entries)
        })
    }

    /// Retires the entry of a repository, if it is still one that is `meant`.
    ///
    /// # Errors
    ///
    /// The entry cannot be read or written, or it is unknown whether it was.
    pub fn retire(&self, path: &str, meant: impl Fn(&Entry) -> bool) -> anyhow::Result<Retired> {
        self.runtime.block_on(async {
            let is_numbered = self.is_numbered().await.map_err(unread(path))?;
            let mut is_tried = false;
            for _ in 0..ATTEMPTS {
                let mut found = Vec::new();
                let keys = self.keys_of(path, is_numbered).await.map_err(unread(path))?;
                for EntryPlace { key, .. } in self.base.entries(is_numbered, &keys) {
                    let Some((bytes, etag)) = self.bucket.read(&key).await.map_err(unread(path))? else {
                        return Ok(Retired::Changed);
                    };
                    let entry = self.base.entry(path, &bytes).map_err(|_| unreadable(path))?;
                    if meant(&entry) {
                        found.push((key, etag, retire(&bytes).map_err(|_| unreadable(path))?));
                    }
                }
                if found.is_empty() {
                    return Ok(Retired::Changed);
                }
                let living = found.into_iter().find_map(|(key, etag, retired)| Some((key, etag, retired?)));
                let Some((key, etag, text)) = living else {
                    return Ok(if is_tried { Retired::Now } else { Retired::Before });
                };
                // Without an answer, the entry is read again: this write may have been carried out. A numbered entry is
                // always read again, because others may write the same number.
                if is_numbered {
                    let key = self.base.retired_key(path, &keys, &text).map_err(|_| unreadable(path))?;
                    let _is_read_back = self.bucket.put(&key, &text, None).await;
                } else {
                    let etag = etag.with_context(|| format!("{path}: the store gave no ETag for the entry"))?;
                    if self.bucket.put(&key, &text, Some(&Condition::IfMatch(etag))).await == Ok(Written::Done) {
                        return Ok(Retired::Now);
                    }
                }
                is_tried = true;
            }
            bail!("{path}: the entry could not be written; others may be writing it")
        })
    }

    /// The deviations of all entries from their repositories, each with the path of the repository, and the number of
    /// entries.
    ///
    /// # Errors
    ///
    /// The entries cannot be listed.
    pub fn verify(&self) -> anyhow::Result<(Vec<(String, String)>, usize)> {
        self.runtime.block_on(async {
            let entries = self.read_entries().await?;
            let count = entries.len();
            let mut contested: Vec<String> = Vec::new();
            for (one, other) in entries.iter().zip(entries.iter().skip(1)) {
                if one.path == other.path && !contested.contains(&one.path) {
                    contested.push(one.path.clone());
                }
            }
            let contested = contested.into_iter().map(|path| (path, Deviation::Contested.to_string()));
            let deviations = stream::iter(entries).map(|stored| self.deviations(stored)).buffered(AT_ONCE);
            let deviations: Vec<_> = deviations.flat_map(stream::iter).collect().await;
            Ok((contested.chain(deviations).collect(), count))
        })
    }

    /// The pinned snapshots of the repository at `path` that it does not list any more.
    ///
    /// # Errors
    ///
    /// There is no repository, or it cannot be listed.
    pub fn undo(&self, path: &str) -> anyhow::Result<Undo> {
        self.runtime.block_on(self.look_for_undo(path))
    }

    /// Puts snapshots back into the repository at `path`.
    ///
    /// # Errors
    ///
    /// The repository does not list all of them afterwards.
    pub fn put_back(&self, path: &str, snapshots: &[PutBack]) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let mut failure = None;
            for PutBack { copy, .. } in snapshots {
                failure = self.bucket.copy(&copy.from.key, &copy.to.key).await.err().or(failure);
            }
            // An answer may be lost although the copy was made, so the listing counts.
            let Undo { back, .. } = self.look_for_undo(path).await?;
            let missing = snapshots.iter().filter(|snapshot| back.contains(snapshot)).count();
            let why = failure.map(|failure| format!(": {}", failure.as_str())).unwrap_or_default();
            ensure!(missing == 0, "{missing} of {} snapshots were not put back{why}", snapshots.len());
            Ok(())
        })
    }

    async fn run_probe(&self) -> anyhow::Result<Probe> {
        let prefix = self.base.probe_prefix(&Uuid::new_v4().to_string());
        let probe = probe::run(self.bucket.clone(), prefix).await;
        probe.map_err(|failure| anyhow!("the store could not be probed: {}", failure.as_str()))
    }

    async fn read_marker(&self) -> Result<Marker, MarkerFault> {
        self.base.marker(&answer(self.bucket.get(&self.base.marker_key()).await))
    }

    /// The marker, whichever store settings name; `None` where there is none.
    async fn any_marker(&self) -> Result<Option<Marker>, MarkerFault> {
        match self.read_marker().await {
            Ok(marker) | Err(MarkerFault::OtherStore(marker)) => Ok(Some(marker)),
            Err(MarkerFault::Absent) => Ok(None),
            Err(fault @ (MarkerFault::Unreadable | MarkerFault::Unread(_))) => Err(fault),
        }
    }

    async fn must_have(&self, marker: &Marker) -> anyhow::Result<()> {
        match self.any_marker().await {
            Ok(Some(found)) if found == *marker => Ok(()),
            Ok(Some(Marker { store_id, .. })) => {
                bail!("someone else has just begun the ledger, with the id `{}`", store_id.escape_debug())
            }
            Ok(None) => bail!("the ledger marker was not written"),
            Err(_) => bail!(
                "it is unknown whether the ledger marker was written, because it cannot be read; run the command again \
                 with --store-id {}",
                marker.store_id
            ),
        }
    }

    /// Whether entries are numbered, by the marker. Without a marker that can be read, they are not.
    async fn is_numbered(&self) -> Result<bool, Failure> {
        match self.any_marker().await {
            Ok(marker) => Ok(marker.is_some_and(|marker| marker.is_numbered())),
            Err(MarkerFault::Unread(failure)) => Err(failure),
            Err(MarkerFault::Absent | MarkerFault::Unreadable | MarkerFault::OtherStore(_)) => Ok(false),
        }
    }

    /// The keys at which entries of a repository may be.
    async fn keys_of(&self, path: &str, is_numbered: bool) -> Result<Vec<String>, Failure> {
        if !is_numbered {
            return Ok(vec![self.base.entry_key(path)]);
        }
        let prefix = self.base.numbered_prefix(path);
        let mut keys = self.bucket.keys(&prefix).await?;
        // Folders below are those of other repositories.
        keys.retain(|key| key.strip_prefix(&prefix).is_some_and(|name| !name.contains('/')));
        Ok(keys)
    }

    async fn read_entries(&self) -> anyhow::Result<Vec<Stored>> {
        let listed = async {
            let is_numbered = self.is_numbered().await?;
            let keys = self.bucket.keys(&self.base.entries_prefix(is_numbered)).await?;
            Ok(self.base.entries(is_numbered, &keys))
        };
        let places = listed
            .await
            .map_err(|failure: Failure| anyhow!("the ledger entries could not be listed: {}", failure.as_str()))?;
        let read = stream::iter(places).map(|place| async move {
            let path = place.path.clone();
            self.read_entry(place).await.unwrap_or_else(|failure| {
                Some(Stored { path, entry: Err(format!("the entry could not be read: {}", failure.as_str())) })
            })
        });
        let stored: Vec<Option<Stored>> = read.buffered(AT_ONCE).collect().await;
        Ok(stored.into_iter().flatten().collect())
    }

    async fn read_entry(&self, EntryPlace { path, key }: EntryPlace) -> Result<Option<Stored>, Failure> {
        let read = self.bucket.read(&key).await?;
        Ok(read.map(|(bytes, _)| {
            let entry = self.base.entry(&path, &bytes).map_err(|_| UNREADABLE.to_owned());
            Stored { path, entry }
        }))
    }

    async fn deviations(&self, Stored { path, entry }: Stored) -> Vec<(String, String)> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return vec![(path, error)],
        };
        let RepositoryKeys { config, snapshots, .. } = self.base.repository(&path);
        let (config, snapshots) = (answer(self.bucket.get(&config).await), answer(self.bucket.list(&snapshots).await));
        let deviations = self.base.deviations(&path, &entry, &config, &snapshots);
        deviations.into_iter().map(|deviation| (path.clone(), deviation.to_string())).collect()
    }

    async fn look_for_undo(&self, path: &str) -> anyhow::Result<Undo> {
        let RepositoryKeys { root, keys, snapshots, pins, .. } = self.base.repository(path);
        let list = async |prefix: &str| answer(self.bucket.list(prefix).await);
        let (root, keys) = (list(&root).await, list(&keys).await);
        let (snapshots, pins) = (list(&snapshots).await, list(&pins).await);
        let seen = UndoSeen { root: &root, keys: &keys, snapshots: &snapshots, pins: &pins };
        self.base.undo(path, seen).map_err(|error| anyhow!("{path}: {error}"))
    }
}

/// Settings and base credentials, what of them is `None` from the cluster of the current context.
async fn of_cluster(
    settings: Option<Value>,
    credentials: Option<Value>,
    sources: &Sources,
) -> anyhow::Result<(Value, Value, Option<Value>)> {
    let api = ApiServer::connect(Metrics::new()).await;
    let api = api.context("settings and credentials that no file has are in a cluster")?;
    settings_and_credentials(&api, settings, credentials, sources).await
}

fn unread(path: &str) -> impl Fn(Failure) -> anyhow::Error {
    move |failure| anyhow!("{path}: the entry could not be read: {}", failure.as_str())
}

fn unreadable(path: &str) -> anyhow::Error {
    anyhow!("{path}: {UNREADABLE}")
}
