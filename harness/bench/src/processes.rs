//! Runs whole processes, and measures the resources that they need and what they print.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use wait4::Wait4;

/// The resources that one run of a process needed.
#[derive(Clone, Copy)]
pub(crate) struct Needed {
    /// Seconds from its start to its end.
    pub(crate) wall: f64,
    /// Seconds of processor time, user and system.
    pub(crate) cpu: f64,
    /// The peak memory in bytes.
    pub(crate) memory: f64,
}

/// Runs a command to its end, with its output in a file.
///
/// The peak memory of a process is at least that of its parent, and this process is large by now. So a new process of
/// this program starts the command, with [`run_here`].
pub(crate) fn run(command: &Command, printed: &Path) -> anyhow::Result<Needed> {
    let output = Command::new(env::current_exe()?)
        .args(["run".as_ref(), printed.as_os_str(), "--".as_ref(), command.get_program()])
        .args(command.get_args())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let needed: Value = serde_json::from_slice(&output.stdout)?;
    let figure = |key: &str| needed.get(key).and_then(Value::as_f64).context("a figure");
    Ok(Needed { wall: figure("wall")?, cpu: figure("cpu")?, memory: figure("memory")? })
}

/// Runs a command to its end, and prints the resources that it needed.
pub(crate) fn run_here(printed: &Path, command: &[OsString]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("a command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(File::create(printed)?).stderr(Stdio::null());
    let start = Instant::now();
    let used = command.spawn().with_context(|| program.to_string_lossy().into_owned())?.wait4()?;
    let wall = start.elapsed().as_secs_f64();
    ensure!(used.status.success(), "{}: {}", program.to_string_lossy(), used.status);
    let cpu = (used.rusage.utime + used.rusage.stime).as_secs_f64();
    println!("{}", json!({ "wall": wall, "cpu": cpu, "memory": used.rusage.maxrss }));
    Ok(())
}

/// Objects by kind, namespace and name.
pub(crate) type Objects = BTreeMap<(String, String, String), Value>;

/// The objects in a file with one JSON object per line.
pub(crate) fn objects(file: &Path) -> anyhow::Result<Objects> {
    let text = fs::read_to_string(file)?;
    text.lines().map(|line| Ok(keyed(serde_json::from_str(line)?))).collect()
}

/// An object with its kind, namespace and name.
pub(crate) fn keyed(object: Value) -> ((String, String, String), Value) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    ((text("/kind"), text("/metadata/namespace"), text("/metadata/name")), object)
}
