//! Whole processes: what they need, and what they print.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::Value;
use wait4::Wait4;

/// What one run of a process needed.
#[derive(Clone, Copy)]
pub(crate) struct Needed {
    /// Seconds from its start to its end.
    pub(crate) wall: f64,
    /// Seconds of processors, its own and the system's for it.
    pub(crate) cpu: f64,
    /// Bytes of memory at its peak.
    pub(crate) memory: f64,
}

/// Runs a command to its end, with what it prints in a file.
pub(crate) fn run(command: &mut Command, printed: &Path) -> anyhow::Result<Needed> {
    let start = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(File::create(printed)?).stderr(Stdio::null()).spawn();
    let used = child.with_context(|| command.get_program().to_string_lossy().into_owned())?.wait4()?;
    let wall = start.elapsed().as_secs_f64();
    ensure!(used.status.success(), "{}: {}", command.get_program().to_string_lossy(), used.status);
    let cpu = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    Ok(Needed { wall, cpu, memory: used.rusage.maxrss as f64 })
}

/// Objects by their kinds, namespaces and names.
pub(crate) type Objects = BTreeMap<(String, String, String), Value>;

/// The objects in a file of lines of JSON.
pub(crate) fn objects(file: &Path) -> anyhow::Result<Objects> {
    let text = fs::read_to_string(file)?;
    text.lines().map(|line| Ok(keyed(serde_json::from_str(line)?))).collect()
}

/// An object and what it is called.
pub(crate) fn keyed(object: Value) -> ((String, String, String), Value) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    ((text("/kind"), text("/metadata/namespace"), text("/metadata/name")), object)
}
