//! Tests of the fixture itself: nothing is left of it, several run at the same time, the CSI driver is correct, and the
//! table of versions is right.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use libtest_mimic::{Arguments, Trial};
use volsync_policy_cluster::{Cluster, Store};

/// With this argument, the program holds a cluster until it is killed.
const HOLD: &str = "hold-a-cluster";

fn main() -> ExitCode {
    if env::args().any(|argument| argument == HOLD) {
        let held = Store::start(&target()).and_then(|store| Ok((Cluster::start(&target(), &store)?, store)));
        println!("{}", held.as_ref().map_or_else(|error| format!("{error:#}"), |(it, _)| it.holder().to_string()));
        loop {
            std::thread::park();
        }
    }
    let mut arguments = Arguments::from_args();
    // Each test looks at the whole machine before and after.
    arguments.test_threads = Some(1);
    let trials = vec![
        trial("a_cluster_whose_process_is_killed_leaves_nothing", killed),
        trial("two_clusters_run_side_by_side_and_leave_nothing", dropped),
        trial("the_csi_driver_is_as_csi_sanity_wants_it", sane),
        trial("the_table_of_versions_says_what_the_modules_pin", versions),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, test: fn() -> anyhow::Result<()>) -> Trial {
    Trial::test(name, move || test().map_err(|error| format!("{error:#}").into()))
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/cluster")
}

/// What can be seen of clusters on the machine, and of the stores of one process. Other suites have stores, too.
#[derive(Debug, PartialEq)]
struct Machine {
    /// The ids of the processes that run in other namespaces than this one, and of those that work for the stores.
    processes: BTreeMap<String, String>,
    groups: Vec<PathBuf>,
    states: Vec<PathBuf>,
    /// The files of programs outside the state directories, and the stores in the directory for temporary files.
    files: Vec<PathBuf>,
    mounts: String,
    network: String,
    settings: Vec<String>,
}

impl Machine {
    fn look(owner: u32) -> anyhow::Result<Self> {
        let store = format!("volsync-policy-store-{owner}-");
        let list = |folder: &Path, prefix: &str| -> Vec<PathBuf> {
            let found = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            let is_ours = |path: &PathBuf| path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(prefix));
            let mut found: Vec<PathBuf> = found.filter(is_ours).collect();
            found.sort();
            found
        };
        let home = env::home_dir().context("no home")?;
        let kept = [Path::new("/run"), Path::new("/var/lib"), &home].map(|folder| list(folder, ""));
        let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net"));
        let own = network("self")?;
        let processes = fs::read_dir("/proc")?.flatten().filter_map(|entry| {
            let process = entry.file_name().to_str()?.to_owned();
            let program = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
            let command = fs::read(format!("/proc/{process}/cmdline")).ok()?;
            let is_ours = network(&process).ok()? != own || String::from_utf8_lossy(&command).contains(&store);
            is_ours.then_some((process, program))
        });
        let settings = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"];
        Ok(Machine {
            processes: processes.collect(),
            groups: fs::read_dir("/sys/fs/cgroup")?.flatten().flat_map(|group| list(&group.path(), "node-")).collect(),
            states: list(&target(), "node-"),
            files: [kept.concat(), list(&env::temp_dir(), &store)].concat(),
            mounts: fs::read_to_string("/proc/self/mountinfo")?,
            network: fs::read_to_string("/proc/net/dev")?
                .lines()
                .map(|it| it.split(':').next().unwrap_or(""))
                .collect(),
            settings: settings
                .map(|it| fs::read_to_string(Path::new("/proc/sys").join(it)).unwrap_or_default())
                .to_vec(),
        })
    }

    /// Waits until the machine is in this state again, with the stores of `owner`.
    fn again(&self, owner: u32) -> anyhow::Result<()> {
        let limit = Instant::now() + Duration::from_secs(60);
        while Machine::look(owner)? != *self {
            ensure!(Instant::now() < limit, "{:#?} is not {self:#?}", Machine::look(owner)?);
            std::thread::yield_now();
        }
        Ok(())
    }
}

fn killed() -> anyhow::Result<()> {
    let before = Machine::look(std::process::id())?;
    let mut holder = Command::new(env::current_exe()?).arg(HOLD).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    BufReader::new(holder.stdout.take().context("no output")?).read_line(&mut said)?;
    let started = said.trim().parse::<u32>().with_context(|| said.clone());
    let alive = Machine::look(holder.id())?;
    holder.kill()?;
    holder.wait()?;
    ensure!(alive.processes.contains_key(&started?.to_string()), "nothing was there to be left: {alive:?}");
    ensure!(alive.files != before.files, "there was no store to be left: {alive:?}");
    before.again(holder.id())
}

fn dropped() -> anyhow::Result<()> {
    let before = Machine::look(std::process::id())?;
    {
        let store = Store::start(&target())?;
        let (one, other) = std::thread::scope(|scope| {
            let start = || scope.spawn(|| Cluster::start(&target(), &store));
            let (one, other) = (start(), start());
            (one.join(), other.join())
        });
        let clusters = [one.ok().context("a panic")??, other.ok().context("a panic")??];
        for (cluster, name) in clusters.iter().zip(["one", "other"]) {
            cluster.namespace(name)?;
            let kubectl = cluster.command("kubectl").args(["get", "namespace", name]).output()?;
            ensure!(kubectl.status.success(), "{}", String::from_utf8_lossy(&kubectl.stderr));
        }
        let found = clusters[0].namespace("one")?.get("Namespace", "other")?;
        ensure!(found.is_null(), "they are one: {found:#}");
    }
    before.again(std::process::id())
}

fn sane() -> anyhow::Result<()> {
    let store = Store::start(&target())?;
    let cluster = Cluster::start(&target(), &store)?;
    let mut driver = cluster
        .command("csi-driver")
        .args(["--root=/run/sanity/root", "--socket=/run/sanity/csi.sock", "--node=node", "--kubelet-dir="])
        .stderr(Stdio::null())
        .spawn()?;
    cluster.until("the driver", || {
        Ok(cluster.command("test").args(["-S", "/run/sanity/csi.sock"]).status()?.success().then_some(()))
    })?;
    let checked = cluster
        .command("csi-sanity")
        .args(["--csi.endpoint=/run/sanity/csi.sock", "--csi.mountdir=/run/sanity/mount"])
        .args(["--csi.stagingdir=/run/sanity/staging", "--ginkgo.no-color"])
        .output()?;
    drop(cluster);
    driver.wait()?;
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    ensure!(checked.status.success() && said.contains(" 0 Failed"), "{said}");
    ensure!(!said.contains(" 0 Passed"), "{said}");
    Ok(())
}

fn versions() -> anyhow::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(here.join("README.md"))?;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("tools/"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    ensure!(rows.len() >= 8, "{} rows", rows.len());
    for row in rows {
        let [_, version, module, file] = row.as_slice() else { anyhow::bail!("four columns: {row:?}") };
        let pinned = fs::read_to_string(here.join(file).join("go.mod"))?;
        ensure!(pinned.contains(&format!("{module} {version}")), "{file} does not pin {module} {version}");
    }
    Ok(())
}
