//! Builds everything that a release consists of, from one checkout and with one version.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::image::MACHINES;
use crate::{browser, check, image, output, root, run, sbom, setup, wasm};

/// The version that is released.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The directory of the files. There is nothing else in it.
const FOLDER: &str = "target/release-files";

/// The file that says what each version brings.
const CHANGELOG: &str = "CHANGELOG.md";

/// The sources of the chart.
const CHART: &str = "harness/host/chart";

/// What an `unreleased` version has in the changelog in place of the day of its release.
const UNRELEASED: &str = "unreleased";

/// What each program has to plan: the module in it is the same, so the plans are.
const PLAN: [&str; 9] = [
    "generate",
    "--filename",
    "examples/claim.yaml",
    "--credentials",
    "examples/credentials.yaml",
    "--evidence",
    "snapshots=24,bound",
    "--engine",
    "wasmi",
];

/// Builds the files of the release. Nothing is built of a checkout with changes, or of a version that the changelog
/// calls unreleased, unless it is a rehearsal.
pub(crate) fn build(is_rehearsal: bool) -> anyhow::Result<()> {
    versions_agree()?;
    let changelog = fs::read_to_string(root().join(CHANGELOG))?;
    let (day, notes) = notes(&changelog)?;
    if !is_rehearsal {
        ensure!(day != UNRELEASED, "{CHANGELOG}: {VERSION} is still `{UNRELEASED}`: write the day there");
        let changed = output(Command::new("git").args(["status", "--porcelain"]))?;
        ensure!(changed.is_empty(), "the checkout has changes:\n{}", String::from_utf8_lossy(&changed));
    }
    // Files of an earlier release do not belong to this one.
    drop(fs::remove_dir_all(FOLDER));
    fs::create_dir_all(FOLDER)?;
    fs::write(file("", "notes.md"), notes)?;
    setup::wasm()?;
    wasm::build()?;
    fs::copy("target/wasm/volsync-policy.wasm", file("", "wasm"))?;
    fs::copy("target/wasm/volsync-policy-raw.wasm", file("-raw", "wasm"))?;
    programs()?;
    chart()?;
    browser::build()?;
    let package = output(Command::new("npm").args(["pack", "--silent", "./target/wasm/browser"]))?;
    fs::rename(String::from_utf8(package)?.trim_end(), file("-npm", "tgz"))?;
    let bill = sbom::bill(&commit("%cI")?)?;
    fs::write(file("", "cdx.json"), serde_json::to_string_pretty(&bill)? + "\n")?;
    checksums()
}

/// The path of a file of the release.
fn file(part: &str, extension: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("volsync-policy{part}-{VERSION}.{extension}"))
}

/// Something about the commit that is checked out, in a format of `git log`.
fn commit(format: &str) -> anyhow::Result<String> {
    let printed = output(Command::new("git").args(["log", "-1", &format!("--format={format}")]))?;
    Ok(String::from_utf8(printed)?.trim_end().to_owned())
}

/// Checks that everything that is released has the version of the crates.
fn versions_agree() -> anyhow::Result<()> {
    let chart = "harness/host/chart/Chart.yaml";
    let annotation = "/annotations/io.kubewarden.policy.version";
    let versions = [
        (chart, "/version"),
        (chart, "/appVersion"),
        ("wasm/browser/package.json", "/version"),
        ("wasm/policy/metadata.yml", annotation),
        ("wasm/policy/metadata-raw.yml", annotation),
    ];
    for (file, path) in versions {
        let document: Value = serde_saphyr::from_str(&fs::read_to_string(root().join(file))?).context(file)?;
        let version = document.pointer(path).and_then(Value::as_str).with_context(|| format!("{file}: no {path}"))?;
        ensure!(version == VERSION, "{file}: {path} is {version}, but Cargo.toml has {VERSION}");
    }
    Ok(())
}

/// The section of this version in a changelog: the day of the release, and the notes.
fn notes(changelog: &str) -> anyhow::Result<(&str, &str)> {
    for section in changelog.split("\n## ").skip(1) {
        let (title, notes) = section.split_once('\n').unwrap_or((section, ""));
        if let Some(day) = title.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix(", ")) {
            ensure!(!notes.trim().is_empty(), "{CHANGELOG}: nothing is said about {VERSION}");
            return Ok((day, notes.trim_start()));
        }
    }
    bail!("{CHANGELOG}: no section `## {VERSION}, <day>`")
}

/// Builds a static program for each kind of machine, and one image of all of them. Each program has to say its version,
/// and the same plan as the others.
fn programs() -> anyhow::Result<()> {
    let (mut programs, mut plans) = (Vec::new(), Vec::new());
    for machine in &MACHINES {
        let built = machine.program()?;
        let released = Path::new(FOLDER).join(format!("volsync-policy-{VERSION}-linux-{}", machine.architecture));
        fs::copy(&built, &released)?;
        let says = |arguments: &[&str]| {
            let mut program = match machine.is_this() {
                true => Command::new(&released),
                false => setup::emulator(machine)?,
            };
            if !machine.is_this() {
                program.arg(&released);
            }
            output(program.args(arguments))
        };
        let version = says(&["--version"])?;
        ensure!(version == format!("volsync-policy {VERSION}\n").as_bytes(), "{}: another version", released.display());
        plans.push(says(&PLAN)?);
        programs.push((machine, built));
    }
    let are_same = plans.iter().all(|plan| Some(plan) == plans.first());
    ensure!(are_same, "the programs print different plans");
    image::write(&file("-image", "tar"), &programs)
}

/// Packs the chart. In the archive, each file is as old as the commit.
fn chart() -> anyhow::Result<()> {
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(commit("%ct")?.parse()?);
    let folder = Path::new("target/chart");
    drop(fs::remove_dir_all(folder));
    for source in check::tracked(&[CHART])? {
        let copy = folder.join(Path::new(&source).strip_prefix(CHART)?);
        fs::create_dir_all(copy.parent().unwrap_or(folder))?;
        fs::copy(source, &copy)?;
        File::options().append(true).open(copy)?.set_modified(changed)?;
    }
    run(setup::cluster_command("helm")?.arg("package").arg(folder).args(["--destination", "target"]))?;
    Ok(fs::rename(format!("target/volsync-policy-{VERSION}.tgz"), file("-chart", "tgz"))?)
}

/// Writes the checksums of all files, as `sha256sum --check` reads them, and prints them.
fn checksums() -> anyhow::Result<()> {
    let names = fs::read_dir(FOLDER)?.map(|file| Ok(file?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<anyhow::Result<Vec<String>>>()?;
    names.sort();
    let mut sums = String::new();
    for name in names {
        let contents = fs::read(Path::new(FOLDER).join(&name))?;
        let sum: String = Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect();
        sums.push_str(&format!("{sum}  {name}\n"));
    }
    print!("{FOLDER}:\n{sums}");
    fs::write(Path::new(FOLDER).join("SHA256SUMS"), sums)?;
    run(Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(FOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_released_has_the_same_version() {
        versions_agree().unwrap();
        notes(&fs::read_to_string(root().join(CHANGELOG)).unwrap()).unwrap();
    }

    #[test]
    fn the_notes_are_the_section_of_the_version() {
        let changelog =
            format!("# Changelog\n\n## 99.0.0, unreleased\n\n- new\n\n## {VERSION}, 2026-12-01\n\n- this\n");
        assert_eq!(notes(&changelog).unwrap(), ("2026-12-01", "- this\n"));
        for without in ["# Changelog\n".to_owned(), changelog.replace(VERSION, "98.0.0")] {
            assert!(notes(&without).unwrap_err().to_string().contains("no section"));
        }
        assert!(notes(&changelog.replace("- this", "")).unwrap_err().to_string().contains("nothing is said"));
    }
}
