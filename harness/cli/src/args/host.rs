//! The arguments of the commands for a cluster and its store.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::{Engine, MODULE, Report};

pub(super) const HOST_EXAMPLES: &str = "\
It works for as long as it holds the Lease, and gives it back on SIGTERM.
Several hosts may run: one works, the others wait. All answer at admission. Log lines are JSON, on
standard error; no value of a Secret is in them.

Exit codes: 0 stopped by a signal
            2 it could not begin";

pub(super) const LEDGER_EXAMPLES: &str = "\
Examples:
  # Once for a bucket: whether it can have a ledger, and the id for settings
  volsync-policy ledger init

  # The same without a cluster
  volsync-policy ledger init --settings settings.yaml --credentials base.yaml

  # What the ledger remembers, and whether the repositories agree
  volsync-policy ledger show
  volsync-policy ledger verify";

const INIT_HELP: &str = "\
It first probes whether the store honours the conditions of writes, with a few
objects that it removes again. If it does not, nothing is written.

Exit codes: 0 the store has a ledger with this id
            1 the store does not honour the conditions of writes
            2 the store has another ledger, or an error";

const SHOW_HELP: &str = "\
Exit codes: 0 shown
            1 an entry could not be read
            2 no such entry, or an error";

const RETIRE_HELP: &str = "\
Examples:
  # All entries of a cluster that is gone for good; first only shown
  volsync-policy ledger retire --cluster 3f0c4b0e-41b7-4a25-9d0b-5a2f3d1c9e88
  volsync-policy ledger retire --cluster 3f0c4b0e-41b7-4a25-9d0b-5a2f3d1c9e88 --yes

A retired entry remembers nothing. Snapshots that are in the repository are
restored as before; but where the repository has none, or its address has
changed, a claim of this name starts empty, and nobody is asked.

Exit codes: 0 retired, or shown without --yes
            1 an entry could not be read, or has changed meanwhile
            2 no such entry, or an error";

const VERIFY_HELP: &str = "\
Exit codes: 0 everything agrees
            1 something differs, or could not be read: a line each
            2 an error";

pub(super) const UNDO_HELP: &str = "\
When a backup is released, the host pins the snapshots that there are. Those
that the repository does not list any more are copied back to it.

A prune removes the data of snapshots that are not listed. What it has removed
since cannot come back; `restic check` says whether the repository is whole.
The claim's next backup may age them out again: take the label off the claim
before.

Exit codes: 0 put back, or nothing to put back
            1 some were not put back
            2 an error";

#[derive(Debug, Args)]
pub(crate) struct Host {
    /// The namespace of the settings, the base credentials and the Lease
    #[arg(short, long, env = "POD_NAMESPACE", default_value = "volsync-policy")]
    pub(crate) namespace: String,
    /// The ConfigMap with the settings, under the key `settings.yaml`
    #[arg(long, value_name = "CONFIGMAP", default_value = "volsync-policy")]
    pub(crate) settings: String,
    /// The Secret with the base credentials
    #[arg(long, value_name = "SECRET", default_value = "volsync-policy-base")]
    pub(crate) credentials: String,
    /// The Lease that decides which of several hosts works
    #[arg(long, default_value = "volsync-policy")]
    pub(crate) lease: String,
    /// The name of this host among those that share the Lease
    #[arg(long, env = "HOSTNAME")]
    pub(crate) identity: String,
    /// Where `/metrics`, `/livez` and `/readyz` are answered
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) listen: std::net::SocketAddr,
    /// Where the admission webhook is answered, such as `0.0.0.0:8443`; by default, it is not answered
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admission: Option<std::net::SocketAddr>,
    /// The Service by which the API server reaches the webhook; its certificate authority is in the Secret `SERVICE-ca`
    #[arg(long, default_value = "volsync-policy")]
    pub(crate) service: String,
    /// The MutatingWebhookConfiguration that gets the `caBundle`
    #[arg(long, value_name = "CONFIGURATION", default_value = "volsync-policy")]
    pub(crate) webhook: String,
    /// Write a Report of OpenReports in each namespace with labelled claims
    #[arg(long)]
    pub(crate) reports: bool,
    /// The engine that runs the policy
    #[arg(long, value_enum, default_value_t = Engine::Wasmi)]
    pub(crate) engine: Engine,
    #[arg(long, value_name = "WASM", help = MODULE)]
    pub(crate) module: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Begin the ledger of a store: probe the store, and write the ledger marker
    #[command(after_help = INIT_HELP)]
    Init {
        /// The id of the store; by default a new one. To begin with the id in settings, repeat it here
        #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
        store_id: Option<String>,
        #[command(flatten)]
        store: StoreInput,
    },
    /// Show the ledger entries: which claim of which cluster backs up to which repository
    #[command(after_help = SHOW_HELP)]
    Show {
        /// Only the entry of this claim
        #[arg(value_name = "NAMESPACE/CLAIM")]
        claim: Option<ClaimName>,
        /// Output format: a table for a person, or all entries as one JSON array
        #[arg(short, long, value_enum, default_value_t = Report::Text)]
        output: Report,
        #[command(flatten)]
        store: StoreInput,
    },
    /// Retire entries: of a cluster that is gone for good, or of a claim whose backups are lost for good
    #[command(after_help = RETIRE_HELP)]
    Retire {
        /// The claim whose entry is retired
        #[arg(value_name = "NAMESPACE/CLAIM", required_unless_present = "cluster", conflicts_with = "cluster")]
        claim: Option<ClaimName>,
        /// Retire the entries of this cluster: the uid of its namespace `kube-system`, as `ledger show` prints it
        #[arg(long, value_name = "UID")]
        cluster: Option<String>,
        /// Retire them; without it, only print them
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        store: StoreInput,
    },
    /// Compare the marker with settings, and each entry with its repository
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// Also probe whether the store honours the conditions of writes, as `init` does; this writes to the store
        #[arg(long)]
        probe: bool,
        #[command(flatten)]
        store: StoreInput,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// The claim
    #[arg(value_name = "NAMESPACE/CLAIM")]
    pub(crate) claim: ClaimName,
    /// Only print what would be put back
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) store: StoreInput,
}

/// A store and its settings: from files, or else from the cluster of the current context.
#[derive(Debug, Args)]
pub(crate) struct StoreInput {
    /// Settings file; by default the ConfigMap of the host, in the cluster of the current context
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// The base credentials, as a file with a Secret; by default the Secret of the host, in that cluster
    #[arg(long, value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,
    /// The namespace of the host in that cluster
    #[arg(short, long, default_value = "volsync-policy")]
    pub(crate) namespace: String,
    /// The ConfigMap with the settings, under the key `settings.yaml`
    #[arg(long, value_name = "NAME", default_value = "volsync-policy")]
    pub(crate) config_map: String,
    /// The Secret with the base credentials
    #[arg(long, value_name = "NAME", default_value = "volsync-policy-base")]
    pub(crate) secret: String,
}

/// The namespace and the name of a claim, as in `shop/data`.
#[derive(Debug, Clone)]
pub(crate) struct ClaimName {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl FromStr for ClaimName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
        };
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => {
                Ok(ClaimName { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            Some(_) | None => Err("expected the namespace and the name of a claim, as in `shop/data`"),
        }
    }
}
