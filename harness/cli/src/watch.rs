//! Waits until a file changes.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::Context;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use volsync_policy_cases::Suite;
use volsync_policy_engine::BUILT;

use crate::args::Test;

/// Changes within this time count as one, because an editor does several things to a file when it saves.
const TOGETHER: Duration = Duration::from_millis(100);

/// Watches from the moment it is created, so that no change during a run is missed.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    events: Receiver<notify::Result<Event>>,
}

impl Watch {
    /// Watches the directories of the cases and of the module.
    pub(crate) fn start(arguments: &Test) -> anyhow::Result<Self> {
        let (sender, events) = mpsc::channel();
        let mut watch = Watch { watcher: notify::recommended_watcher(sender)?, events };
        for path in &arguments.paths {
            watch.look_at(path, RecursiveMode::Recursive)?;
        }
        // If the module is not needed, it need not exist.
        drop(watch.look_at(arguments.module.as_deref().unwrap_or(BUILT.as_ref()), RecursiveMode::NonRecursive));
        Ok(watch)
    }

    /// Also watches the directories of the files that cases name.
    pub(crate) fn add(&mut self, suite: &Suite) -> anyhow::Result<()> {
        let mut files = suite.cases().iter().flat_map(|case| &case.files);
        files.try_for_each(|file| self.look_at(file, RecursiveMode::NonRecursive))
    }

    /// Watches a directory, or the directory of a file, because files are often replaced.
    fn look_at(&mut self, path: &Path, mode: RecursiveMode) -> anyhow::Result<()> {
        let place = || path.display().to_string();
        let path = path.canonicalize().with_context(place)?;
        let folder = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
        self.watcher.watch(folder.unwrap_or(Path::new("/")), mode).with_context(place)
    }

    /// Waits for a change.
    pub(crate) fn wait(&mut self) -> anyhow::Result<()> {
        while !is_change(&self.events.recv()??) {}
        let end = Instant::now() + TOGETHER;
        while self.events.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
        Ok(())
    }
}

/// Whether a relevant file was written, created or removed.
fn is_change(event: &Event) -> bool {
    let is_ours =
        |path: &PathBuf| path.extension().is_some_and(|it| ["yaml", "yml", "json", "wasm"].iter().any(|e| it == *e));
    (event.kind.is_modify() || event.kind.is_create() || event.kind.is_remove()) && event.paths.iter().any(is_ours)
}
