//! Single calls: native, the module warm and fresh, in Kubewarden's host and in Chromium.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use volsync_policy::{Review, plan};
use volsync_policy_engine::{Engine, Limits, Native, Wasm};
use wapc::WapcHost;
use wasmtime_provider::wasmtime::{Config, Engine as Wasmtime, Module};
use wasmtime_provider::{EpochDeadlines, WasmtimeEngineProviderBuilder, WasmtimeEngineProviderPre};

use crate::inputs::Input;
use crate::race::{Contender, race};
use crate::report::{Report, grouped};

/// The module that `cargo xtask wasm` builds.
pub(crate) const MODULE: &str = "target/wasm/volsync-policy.wasm";

/// Enough calls to see whether an instance grows.
const MANY_CALLS: u32 = 10_000;

/// The module in our own engine.
pub(crate) fn load() -> anyhow::Result<Wasm> {
    Wasm::from_file(MODULE.as_ref(), Limits::default()).map_err(anyhow::Error::msg)
}

/// Measures a call of `plan` in each way that a user can call it.
pub(crate) fn measure(report: &mut Report, inputs: &[Input]) -> anyhow::Result<()> {
    let wasm = load()?;
    let kubewarden = Kubewarden::load()?;
    for Input { name, review } in inputs {
        report.section(&format!("One call of `plan`: {name}, {} bytes", grouped(review.len() as u64)));
        let warm = kubewarden.instance()?;
        let mut contenders = vec![
            Contender::new("native", || Native.call("plan", review)),
            Contender::new("the module, warm", || warm.call("plan", review)),
            Contender::new("the module, a fresh instance a call, as in Kubewarden", || {
                kubewarden.instance().map(|fresh| fresh.call("plan", review))
            }),
            Contender::new("the module, warm, held by fuel, as in `--engine wasm`", || wasm.call("plan", review)),
        ];
        let chromium = Chromium::start();
        let missing = match chromium {
            Ok(mut chromium) => {
                contenders.push(Contender::timed("Chromium, warm", move |calls| chromium.time(review, calls)));
                None
            }
            Err(error) => Some(error),
        };
        let times = race(contenders)?;
        let [native, warm, fresh, fuel, rest @ ..] = times.as_slice() else { unreachable!("four contenders") };
        report.time(native);
        report.time_over(warm, native, "≤ 2.0, then 1.5");
        report.time_over(fresh, warm, "≤ 4");
        report.time_over(fuel, native, "");
        rest.iter().for_each(|chromium| report.time_over(chromium, native, ""));
        missing.iter().for_each(|error| report.missing("Chromium, warm", error));
        parts(report, review)?;
    }
    instances(report, &kubewarden, &inputs[0].review)
}

/// Measures the parts of a native call.
fn parts(report: &mut Report, review: &[u8]) -> anyhow::Result<()> {
    let read = Review::from_json(review)?;
    let planned = plan(&read);
    let times = race(vec![
        Contender::new("the whole", || Review::from_json(review).map(|read| plan(&read).to_json())),
        Contender::new("of it: reading the review", || Review::from_json(review)),
        Contender::new("of it: deciding, and rendering manifests", || plan(&read)),
        Contender::new("of it: writing the plan", || planned.to_json()),
    ])?;
    let [whole, parts @ ..] = times.as_slice() else { unreachable!("four contenders") };
    for part in parts {
        report.time_over(part, whole, "");
    }
    Ok(())
}

/// Measures what an instance costs, and whether it grows.
fn instances(report: &mut Report, kubewarden: &Kubewarden, review: &[u8]) -> anyhow::Result<()> {
    report.section("An instance of the module");
    let times = race(vec![Contender::new("to make one, in Kubewarden's host", || kubewarden.instance().map(drop))])?;
    times.iter().for_each(|times| report.time(times));
    // An instance that has not answered yet, because linear memory never shrinks after a long review.
    let wasm = load()?;
    let memory = |_: u32| wasm.metered("plan", review).map(|(_, used)| used.memory);
    let first = memory(0)?;
    let last = (1..MANY_CALLS).map(memory).last().context("many calls")??;
    report.count("memory after a call, bytes", grouped(first as u64), "");
    let flat = format!("{:.2}", last as f64 / first as f64);
    let many = format!("memory after {} calls, bytes", grouped(MANY_CALLS.into()));
    report.row(&many, &grouped(last as u64), "", "memory after a call", &flat, "1.00");
    Ok(())
}

/// Kubewarden's host: the crates of its policy server, with its configuration.
struct Kubewarden(WasmtimeEngineProviderPre);

impl Kubewarden {
    fn load() -> anyhow::Result<Self> {
        let mut config = Config::default();
        config.epoch_interruption(true);
        let engine = Wasmtime::new(&config).map_err(|error| anyhow::anyhow!("{error}"))?;
        let module = Module::from_file(&engine, MODULE).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Kubewarden(WasmtimeEngineProviderBuilder::new().engine(engine).module(module).build_pre()?))
    }

    fn instance(&self) -> anyhow::Result<WapcHost> {
        let provider = self.0.rehydrate(Some(EpochDeadlines { wapc_init: 2, wapc_func: 2 }))?;
        Ok(WapcHost::new(Box::new(provider), Some(Box::new(|_, _, _, _, _| Err("it asks for nothing".into()))))?)
    }
}

/// A page in Chromium that has loaded the npm package.
struct Chromium {
    process: Child,
    asked: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Chromium {
    fn start() -> anyhow::Result<Self> {
        let mut process = Command::new("node")
            .args(["harness/bench/chromium.mjs", "target/wasm/browser"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node")?;
        let asked = process.stdin.take().context("a pipe")?;
        let mut told = BufReader::new(process.stdout.take().context("a pipe")?);
        let mut ready = String::new();
        told.read_line(&mut ready)?;
        anyhow::ensure!(ready.trim() == "ready", "no Chromium");
        Ok(Chromium { process, asked, told })
    }

    /// Makes the calls in the page, and times them with the page's clock.
    fn time(&mut self, review: &[u8], calls: u32) -> anyhow::Result<Duration> {
        writeln!(self.asked, "{}", json!({ "review": String::from_utf8_lossy(review), "calls": calls }))?;
        let mut milliseconds = String::new();
        self.told.read_line(&mut milliseconds)?;
        Ok(Duration::from_secs_f64(milliseconds.trim().parse::<f64>().context("Chromium is gone")? / 1000.0))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
