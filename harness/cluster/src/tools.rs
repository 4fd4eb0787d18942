//! The programs of a cluster. Go modules pin their versions, and each is built again only if its module changes.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A Go module below `tools/`.
struct Module {
    name: &'static str,
    /// Build tags that leave out what tests do not use.
    tags: &'static str,
    /// The programs to build, each with its package.
    programs: &'static [(&'static str, &'static str)],
}

const MODULES: [Module; 13] = [
    Module { name: "csi-driver", tags: "", programs: &[("csi-driver", ".")] },
    Module {
        name: "csi-sanity",
        tags: "",
        programs: &[("csi-sanity", "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity")],
    },
    // As restic is released: Google's storage without gRPC.
    Module {
        name: "restic",
        tags: "disable_grpc_modules",
        programs: &[("restic", "github.com/restic/restic/cmd/restic")],
    },
    Module { name: "versitygw", tags: "", programs: &[("versitygw", "github.com/versity/versitygw/cmd/versitygw")] },
    Module { name: "etcd", tags: "", programs: &[("etcd", "go.etcd.io/etcd/server/v3")] },
    Module { name: "gitops", tags: "", programs: &[("gitops", ".")] },
    Module { name: "kustomize", tags: "", programs: &[("kustomize", "sigs.k8s.io/kustomize/kustomize/v5")] },
    Module { name: "helm", tags: "", programs: &[("helm", "helm.sh/helm/v4/cmd/helm")] },
    // Rules are tested, and nothing is scraped.
    Module {
        name: "prometheus",
        tags: "remove_all_sd",
        programs: &[("promtool", "github.com/prometheus/prometheus/cmd/promtool")],
    },
    Module { name: "argo-cd", tags: "", programs: &[("argo-cd-health", ".")] },
    Module { name: "flux", tags: "", programs: &[("flux-health", ".")] },
    // VolSync with the restic mover only, which is the one that the policy writes manifests for.
    Module {
        name: "volsync",
        tags: "disable_rclone,disable_rsync,disable_rsynctls,disable_syncthing",
        programs: &[("volsync", "github.com/backube/volsync/cmd")],
    },
    Module {
        name: "kubernetes",
        tags: "",
        programs: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
            ("csi-provisioner", "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner"),
            ("csi-snapshotter", "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter"),
            ("snapshot-controller", "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller"),
        ],
    },
];

/// Without debug information, compiling takes a fifth less, and the programs are linked without it anyway. The flags
/// are the same for all modules, so that they share compiled packages.
const FLAGS: [&str; 2] = ["-gcflags=all=-dwarf=false", "-ldflags=-s -w"];

/// The directories of the built programs.
pub struct Tools {
    /// The directory with a directory for each module.
    folder: PathBuf,
    /// The directories of the modules in their present version.
    modules: Vec<PathBuf>,
}

impl Tools {
    /// Builds the programs that do not exist yet below `target`, and prints a line for each.
    ///
    /// # Errors
    ///
    /// Go is missing, or a program cannot be built.
    pub fn build(target: &Path) -> anyhow::Result<Self> {
        Tools::build_those(target, |_| true)
    }

    /// Builds the programs of one module, like [`Tools::build`].
    ///
    /// # Errors
    ///
    /// The same as those of [`Tools::build`].
    pub fn build_one(target: &Path, name: &str) -> anyhow::Result<Self> {
        Tools::build_those(target, |module| module.name == name)
    }

    fn build_those(target: &Path, wanted: impl Fn(&Module) -> bool) -> anyhow::Result<Self> {
        fs::create_dir_all(target.join("tools"))?;
        let folder = target.canonicalize()?.join("tools");
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        let mut modules = Vec::new();
        for module in MODULES.into_iter().filter(wanted) {
            let built = folder.join(format!("{}-{}", module.name, module.digest()?));
            if !built.exists() {
                let unfinished = folder.join(format!("{}-unfinished", module.name));
                for (program, package) in module.programs {
                    eprintln!("› go build {package}");
                    let mut build = go(module.name, &["build", "-tags", module.tags, "-o"]);
                    build.arg(unfinished.join(program)).args(FLAGS).arg(package).succeed()?;
                }
                fs::rename(&unfinished, &built)?;
            }
            modules.push(built);
        }
        Ok(Tools { folder, modules })
    }

    /// The directory that contains all of them.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a program.
    ///
    /// # Panics
    ///
    /// There is no program with this name, which is a mistake in the source.
    pub fn program(&self, name: &str) -> PathBuf {
        let program = self.modules.iter().map(|module| module.join(name)).find(|program| program.exists());
        program.unwrap_or_else(|| panic!("no module builds `{name}`"))
    }

    /// The directories of the programs, for a `PATH`, if [`Tools::folder`] is at `folder`.
    pub(crate) fn path(&self, folder: &str) -> OsString {
        let modules = self.modules.iter().filter_map(|module| module.file_name());
        env::join_paths(modules.map(|module| Path::new(folder).join(module))).unwrap_or_default()
    }
}

/// The source of a Go module, in the version that one of the modules here pins, as in `("volsync",
/// "github.com/backube/volsync")`.
pub(crate) fn source(module: &str, of: &str) -> anyhow::Result<PathBuf> {
    let download = go(module, &["mod", "download", "-json", of]).output().context("go")?;
    let download: Value = serde_json::from_slice(&download.stdout)?;
    let folder = download.get("Dir").and_then(Value::as_str);
    Ok(PathBuf::from(folder.with_context(|| format!("the source of {of}: {download}"))?))
}

/// The source directory of a module.
fn sources(module: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(module)
}

/// The Go command in the source directory of a module.
fn go(module: &str, arguments: &[&str]) -> Command {
    let mut go = Command::new("go");
    go.args(arguments).current_dir(sources(module)).env("CGO_ENABLED", "0").env("GOFLAGS", "-buildvcs=false");
    go
}

impl Module {
    /// The digest of everything that the programs are built from: the files of the module, and the compiler's version,
    /// flags and tags.
    fn digest(&self) -> anyhow::Result<String> {
        let version = Command::new("go").arg("version").output().context("Go is needed: https://go.dev")?;
        let mut digest = Sha256::new_with_prefix(version.stdout);
        let words = FLAGS.into_iter().chain([self.tags]).chain(self.programs.iter().flat_map(|(a, b)| [*a, *b]));
        words.for_each(|word| digest.update([word.as_bytes(), b"\0"].concat()));
        let files = fs::read_dir(sources(self.name))?.map(|file| Ok(file?.path()));
        let mut files = files.collect::<anyhow::Result<Vec<_>>>()?;
        files.sort();
        for file in files {
            digest.update(file.file_name().unwrap_or_default().as_encoded_bytes());
            digest.update(fs::read(file)?);
        }
        Ok(digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Runs a command that must succeed.
pub(crate) trait Succeed {
    /// Runs it, and returns an error if it fails. The command prints its own errors.
    fn succeed(&mut self) -> anyhow::Result<()>;
}

impl Succeed for Command {
    fn succeed(&mut self) -> anyhow::Result<()> {
        let status = self.status().with_context(|| format!("{self:?}"))?;
        if !status.success() {
            bail!("{self:?}: {status}");
        }
        Ok(())
    }
}
