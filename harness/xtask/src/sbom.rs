//! Writes the software bill of materials of a release, as CycloneDX 1.6: every crate that is compiled into its programs
//! and modules, as cargo resolves them for each. Tools that read `cargo metadata` instead list the crates of tests too,
//! because cargo resolves a workspace as a whole there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde_json::{Value, json};

use crate::image::MACHINES;
use crate::{cargo, output};

/// The target of the modules.
const WASM: &str = "wasm32-unknown-unknown";

/// A crate, as cargo prints it: its name and its version.
type Crate = (String, String);

/// What is known about the crates of a release.
#[derive(Default)]
struct Crates {
    /// The licence of each crate.
    licences: BTreeMap<Crate, String>,
    /// The crates that each crate depends on.
    needs: BTreeMap<Crate, BTreeSet<Crate>>,
    /// Those that are built for themselves.
    roots: BTreeSet<Crate>,
}

/// The bill of materials. `time` is when the sources were last changed.
pub(crate) fn bill(time: &str) -> anyhow::Result<Value> {
    let mut crates = Crates::default();
    for machine in &MACHINES {
        crates.add("volsync-policy-cli", machine.target, "host,embed")?;
    }
    crates.add("volsync-policy-wapc", WASM, "")?;
    crates.add("volsync-policy-browser", WASM, "host")?;
    crates.add("volsync-policy-browser-cases", WASM, "")?;
    crates.add("volsync-policy-browser-dump", WASM, "")?;
    crates.written(time, &std::fs::read_to_string("Cargo.lock")?)
}

impl Crates {
    /// Adds what a package consists of for a target, with these features.
    fn add(&mut self, package: &str, target: &str, features: &str) -> anyhow::Result<()> {
        let mut tree = cargo();
        tree.args(["tree", "--locked", "--edges", "normal,no-proc-macro", "--package", package, "--target", target]);
        tree.args(["--features", features, "--prefix", "depth", "--format", "\t{p}\t{l}"]);
        self.read(&String::from_utf8(output(&mut tree)?)?).with_context(|| format!("`cargo tree` of {package}"))
    }

    /// Reads lines of `cargo tree`: depth, name and version, licence. The first crate is built for itself. Only where a
    /// crate comes first, those that it depends on follow.
    fn read(&mut self, tree: &str) -> anyhow::Result<()> {
        let mut path: Vec<Crate> = Vec::new();
        for line in tree.lines() {
            let mut fields = line.trim_end_matches(" (*)").split('\t');
            let mut field = || fields.next().with_context(|| format!("{line:?}"));
            let depth: usize = field()?.parse()?;
            let mut words = field()?.split(' ');
            let mut word = || words.next().with_context(|| format!("{line:?}"));
            let this = (word()?.to_owned(), word()?.trim_start_matches('v').to_owned());
            // As it was written before there were expressions.
            self.licences.insert(this.clone(), field()?.replace('/', " OR ").replace(" OR  OR ", " OR "));
            path.truncate(depth);
            match path.last() {
                Some(parent) => self.needs.entry(parent.clone()).or_default().insert(this.clone()),
                None => self.roots.insert(this.clone()),
            };
            path.push(this);
        }
        Ok(())
    }

    /// The document. Checksums are in `lock`, the text of Cargo.lock, for crates from a registry only.
    fn written(&self, time: &str, lock: &str) -> anyhow::Result<Value> {
        let checksums = checksums(lock);
        let components = self.licences.iter().map(|(it, licence)| {
            let mut component = json!({
                "type": if self.roots.contains(it) { "application" } else { "library" },
                "bom-ref": reference(it),
                "name": it.0,
                "version": it.1,
                "purl": reference(it),
                "licenses": [{"expression": licence}],
            });
            if let (Some(checksum), Some(component)) = (checksums.get(it), component.as_object_mut()) {
                component.insert("hashes".to_owned(), json!([{"alg": "SHA-256", "content": checksum}]));
            }
            component
        });
        let needs = self.licences.keys().map(|it| {
            let needs: Vec<String> = self.needs.get(it).into_iter().flatten().map(reference).collect();
            json!({"ref": reference(it), "dependsOn": needs})
        });
        let version = env!("CARGO_PKG_VERSION");
        let release = format!("pkg:generic/volsync-policy@{version}");
        let roots: Vec<String> = self.roots.iter().map(reference).collect();
        let whole = json!({"ref": release, "dependsOn": roots});
        Ok(json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "timestamp": time,
                "component": {
                    "type": "application",
                    "bom-ref": release,
                    "name": "volsync-policy",
                    "version": version,
                    "licenses": [{"expression": "Apache-2.0"}],
                },
            },
            "components": components.collect::<Vec<_>>(),
            "dependencies": std::iter::once(whole).chain(needs).collect::<Vec<_>>(),
        }))
    }
}

/// The crate as a package URL.
fn reference((name, version): &Crate) -> String {
    format!("pkg:cargo/{name}@{version}")
}

/// The SHA-256 of each crate from a registry, by the text of Cargo.lock.
fn checksums(lock: &str) -> BTreeMap<Crate, &str> {
    let mut checksums = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let value = |key: &str| package.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_matches('"')));
        if let (Some(name), Some(version), Some(sum)) = (value("name = "), value("version = "), value("checksum = ")) {
            checksums.insert((name.to_owned(), version.to_owned()), sum);
        }
    }
    checksums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_is_listed_once_with_what_it_needs() {
        let tree = "0\tcommand v0.1.0 (/work)\tApache-2.0\n1\ta v1.0.0\tMIT/Apache-2.0\n2\tb v2.0.0\tISC\n\
                    1\tc v3.0.0\tMIT\n2\ta v1.0.0\tMIT/Apache-2.0 (*)\n";
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n\n[[package]]\nname = \"b\"\n";
        let mut crates = Crates::default();
        crates.read(tree).unwrap();
        let bill = crates.written("2026-11-28T00:00:00Z", lock).unwrap();
        let names: Vec<&Value> = bill["components"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
        assert_eq!(names, ["a", "b", "c", "command"]);
        assert_eq!(bill["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(bill["components"][0]["hashes"][0]["content"], "00ff");
        assert_eq!(bill["components"][1].get("hashes"), None);
        let needs = |of: &str| {
            let mut all = bill["dependencies"].as_array().unwrap().iter();
            all.find(|it| it["ref"].as_str().unwrap().contains(of)).unwrap()["dependsOn"].clone()
        };
        assert_eq!(needs("generic/volsync-policy"), json!(["pkg:cargo/command@0.1.0"]));
        assert_eq!(needs("command"), json!(["pkg:cargo/a@1.0.0", "pkg:cargo/c@3.0.0"]));
        assert_eq!(needs("cargo/c@"), json!(["pkg:cargo/a@1.0.0"]));
        assert!(!bill.to_string().contains("/work"), "a path of the machine");
    }
}
