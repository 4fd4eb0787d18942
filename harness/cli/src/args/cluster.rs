//! The arguments of the commands that look at a cluster.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

pub(super) const LOOK_HELP: &str = "\
Examples:
  # What the host sees of a claim, for a bug report or the playground
  volsync-policy look shop/data > look.json

  # What follows from it
  volsync-policy explain --seen look.json

In place of each value of a Secret there is a stand-in, equal values have the
same one, and of the repository's address only the path below the bucket is
left. Nothing is written to the cluster or to the store. Where the store shows
no repository, it is asked again after half a minute.

Exit codes: 0 printed
            2 no such claim, or settings or credentials could not be read";

pub(super) const STATUS_HELP: &str = "\
Examples:
  # The claims of the current namespace, those first that need somebody
  volsync-policy status

  # All claims, for a program
  volsync-policy status -A -o json

It shows what the host has written on the claims, and what the status of their
ReplicationSources says. `Unknown` is not well: the host gives no sign of life,
or has written nothing. It needs no right to read Secrets.

Exit codes: 0 all is well
            1 somebody has to do something
            2 it is unknown how a claim stands, or a list could not be read";

pub(super) const AUDIT_HELP: &str = "\
Examples:
  # What is not backed up, and why
  volsync-policy audit -A

It looks at all claims, with and without the label, except those that VolSync
created for itself. A claim that another ReplicationSource backs up counts as
backed up.

Exit codes: 0 every claim is backed up in time, or waits for its first backup
            1 a claim is not
            2 it is unknown of a claim, or a list could not be read";

pub(super) const DOCTOR_HELP: &str = "\
It looks at the versions of Kubernetes and VolSync, the snapshot classes for the
storage classes in use, the host, the ledger, clocks, and your own rights, and
says what each lack costs. It writes nothing.

Exit codes: 0 all is well
            1 something is lacking
            2 something is not known";

const ACCEPT_HELP: &str = "\
Examples:
  # It says what the hold covers and what follows, and asks
  volsync-policy hold accept shop/data 3157075d --reason 'the old data is lost'

It reads what the host reads, and accepts only the hold that the claim has now.
If the claim changes meanwhile, nothing is accepted.

Exit codes: 0 accepted
            1 not accepted: the claim has another hold or none, or you said no
            2 an error";

/// A cluster, and where its host has its settings.
#[derive(Debug, Args)]
pub(crate) struct ClusterInput {
    /// The kubeconfig file; by default those that `KUBECONFIG` names, or `~/.kube/config`
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; by default the current one
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// The namespace of the host
    #[arg(long, value_name = "NAMESPACE", default_value = "volsync-policy")]
    pub(crate) host_namespace: String,
    /// The ConfigMap with the settings, under the key `settings.yaml`
    #[arg(long, value_name = "NAME", default_value = "volsync-policy")]
    pub(crate) config_map: String,
    /// The Secret with the base credentials
    #[arg(long, value_name = "NAME", default_value = "volsync-policy-base")]
    pub(crate) secret: String,
    /// The Lease of the hosts
    #[arg(long, value_name = "NAME", default_value = "volsync-policy")]
    pub(crate) lease: String,
}

/// A claim.
#[derive(Debug, Args)]
pub(crate) struct ClaimInput {
    /// The claim
    #[arg(value_name = "[NAMESPACE/]CLAIM")]
    pub(crate) claim: NamedClaim,
    /// The namespace of a claim that is named without one; by default that of the context
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

/// Which claims are listed.
#[derive(Debug, Args)]
pub(crate) struct ClaimsInput {
    /// The namespace of the claims; by default that of the context
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// The claims of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
    /// Output format: a table for a person, or all claims as one JSON object
    #[arg(short, long, value_enum, default_value_t = TableOutput::Table)]
    pub(crate) output: TableOutput,
    #[command(flatten)]
    pub(crate) cluster: ClusterInput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableOutput {
    Table,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Look {
    #[command(flatten)]
    pub(crate) claim: ClaimInput,
    #[command(flatten)]
    pub(crate) cluster: ClusterInput,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Output format: a table for a person, or all findings as one JSON object
    #[arg(short, long, value_enum, default_value_t = TableOutput::Table)]
    pub(crate) output: TableOutput,
    #[command(flatten)]
    pub(crate) cluster: ClusterInput,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Hold {
    /// Accept the hold of a claim: it proceeds, although data may no longer be protected
    #[command(after_help = ACCEPT_HELP)]
    Accept(AcceptHold),
}

#[derive(Debug, Args)]
pub(crate) struct AcceptHold {
    #[command(flatten)]
    pub(crate) claim: ClaimInput,
    /// The id of the hold, as an Event of the claim, `look` and `explain` show it
    #[arg(value_name = "HOLD-ID")]
    pub(crate) hold: String,
    /// Why, for those who read it later
    #[arg(long)]
    pub(crate) reason: String,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) cluster: ClusterInput,
}

/// The name of a claim, which may have its namespace before it, as in `shop/data`.
#[derive(Debug, Clone)]
pub(crate) struct NamedClaim {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

impl FromStr for NamedClaim {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
        };
        let (namespace, name) = text.split_once('/').map_or((None, text), |(namespace, name)| (Some(namespace), name));
        if !is_name(name) || !namespace.is_none_or(is_name) {
            return Err("expected the name of a claim, as in `data` or `shop/data`");
        }
        Ok(NamedClaim { namespace: namespace.map(str::to_owned), name: name.to_owned() })
    }
}
