//! The command line.

#[cfg(feature = "host")]
mod cluster;
#[cfg(feature = "host")]
mod host;

use std::fmt;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

#[cfg(feature = "host")]
use cluster::{AUDIT_HELP, DOCTOR_HELP, LOOK_HELP, STATUS_HELP};
#[cfg(feature = "host")]
pub(crate) use cluster::{AcceptHold, ClaimInput, ClaimsInput, ClusterInput, Doctor, Hold, Look, TableOutput};
#[cfg(feature = "host")]
pub(crate) use host::{ClaimName, Host, Ledger, StoreInput, Undo};
#[cfg(feature = "host")]
use host::{HOST_EXAMPLES, LEDGER_EXAMPLES, UNDO_HELP};

const EXIT_CODES: &str =
    "Exit codes: 0 planned, passed · 1 refused by the policy, failed · 2 invalid input, or output not writable";

const GENERATE_EXAMPLES: &str = "\
Examples:
  # One claim; its backup stays paused, as nothing is known about older ones
  volsync-policy generate -f claim.yaml --credentials base.yaml

  # All claims of a directory, applied (client-side apply would copy a Secret
  # into an annotation)
  volsync-policy generate -f claims/ --credentials base.yaml |
    kubectl apply --server-side -f -

  # For Git: claims that wait for their restore, and no Secret (settings
  # name an ExternalSecret)
  kustomize build app |
    volsync-policy generate -f - --settings settings.yaml --with-claim

Exit codes: 0 planned
            1 a claim was refused, or the credentials do not make a Secret
            2 invalid input, or output not writable";

const FUNCTION_HELP: &str = "\
A KRM function reads a ResourceList on standard input, and writes it with what
it adds. This one adds what `generate` prints for each labelled claim, and the
data source by which the claim waits for its restore. Settings are in
`functionConfig`; docs/git.md has an example. Running it again on its own
output changes nothing.

Exit codes: 0 added
            1 a claim was refused, or another object has a manifest's name
            2 invalid input, or output not writable";

const EXPLAIN_USAGE: &str = "\
volsync-policy explain [OPTIONS] --filename <FILE>...
       volsync-policy explain [OPTIONS] --seen <DUMP>
       volsync-policy explain <CODE>";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  # Explain a code, and the way out
  volsync-policy explain RestoredOlder

  # What would happen to a claim that has backups, before you apply it
  volsync-policy explain -f claim.yaml --credentials base.yaml \\
    --evidence snapshots=24

  # What would happen to the claims of a cluster, from a dump
  kubectl get pvc,pv,replicationsource,replicationdestination,secret,job,\\
volumesnapshot,namespace -A -o json > dump.json
  aws s3api list-objects-v2 --bucket BUCKET --prefix PREFIX/ \\
    --output json >> dump.json
  volsync-policy explain --seen dump.json --credentials base.yaml

Exit codes: 0 explained
            1 a claim was refused, or the credentials do not make a Secret
            2 invalid input, or no such code";

const REDACT_EXAMPLES: &str = "\
Examples:
  # A dump to send to someone else
  kubectl get pvc,pv,replicationsource,replicationdestination,secret,job,\\
volumesnapshot,namespace -A -o json | volsync-policy redact > dump.json

Each value in `data` and `stringData` of a Secret is replaced by null, and its
`managedFields` and the annotations with a copy of it are removed. The rest of
a dump stays, such as a password in the command line of a Job.

Exit codes: 0 written
            2 invalid input, which is not written, or output not writable";

const ADMISSION_EXAMPLES: &str = "\
Examples:
  # Let API servers answer at admission. They need Kubernetes 1.36.
  volsync-policy export admission --settings settings.yaml \\
    --host-user system:serviceaccount:volsync-policy:volsync-policy |
    kubectl apply --server-side -f -

The API server adds the data source to labelled claims, refuses those that
cannot be protected, and warns, as the webhook of the host does. Export again
whenever settings change. Settings with templates are refused: CEL cannot
evaluate them.

Exit codes: 0 printed
            2 invalid input, or output not writable";

const DIFF_EXAMPLES: &str = "\
Examples:
  # What the settings of a pull request would do to the claims of a cluster
  kubectl get pvc -A -o yaml |
    volsync-policy diff settings.yaml settings-next.yaml -f -

  # In CI, against those of the main branch: only danger fails
  git show main:settings.yaml |
    volsync-policy diff - settings.yaml -f claims/ || test $? -eq 3

A repository is shown as its path below the base repository. Claims are planned
without evidence: `ledger` and `restore.clearDeadLocks` make no difference.

Exit codes: 0 nothing differs
            1 a claim is in danger: its backups, or the way back to them,
              may be lost
            2 invalid input, or output not writable
            3 something differs, and no claim is in danger";

const TEST_EXAMPLES: &str = "\
Examples:
  # A new suite, for your own settings
  volsync-policy test --init tests/ --settings settings.yaml

  # Every case of a directory, in both engines, which must agree to the byte
  volsync-policy test tests/ --engine native,wasm

  # One case, again whenever a file changes
  volsync-policy test tests/ --filter 'restored first' --watch

  # For CI: a log to read, and a report
  volsync-policy test tests/ --coverage --junit report.xml

Exit codes: 0 every case passed
            1 a case failed
            2 invalid input, or no case was run";

const FILES: &str =
    "Claims: a file, a directory of .yaml, .yml and .json files, or `-` for standard input; may be repeated";

const FILES_AT_LENGTH: &str = "\
Claims: a file, a directory of .yaml, .yml and .json files, or `-` for standard input; may be repeated

YAML or JSON, with any number of documents, Lists and AdmissionReviews. Objects other than claims are ignored.";

const MODULE: &str = "The module to run; by default the one in this program, or else target/wasm/volsync-policy.wasm";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// One label on a PersistentVolumeClaim: restored first if it ever had a backup, and backed up from then on
#[derive(Debug, Parser)]
#[command(name = "volsync-policy", version, styles = STYLES, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the manifests for claims: Secret, ReplicationDestination, ReplicationSource
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(Generate),
    /// Add the manifests of claims to a ResourceList, as a KRM function in kustomize
    #[command(after_help = FUNCTION_HELP)]
    Function,
    /// Explain what would happen to claims, and why; or explain a reason code
    #[command(after_help = EXPLAIN_EXAMPLES, override_usage = EXPLAIN_USAGE)]
    Explain(Explain),
    /// Remove the values of the Secrets of a dump, so that you can send it
    #[command(after_help = REDACT_EXAMPLES)]
    Redact(Redact),
    /// Run the policy in a cluster: restore and back up every claim that carries the label
    #[cfg(feature = "host")]
    #[command(after_help = HOST_EXAMPLES)]
    Host(Host),
    /// Show how the labelled claims stand: code, last backup, and what to do
    #[cfg(feature = "host")]
    #[command(after_help = STATUS_HELP)]
    Status(ClaimsInput),
    /// Show which claims are not backed up, and why
    #[cfg(feature = "host")]
    #[command(after_help = AUDIT_HELP)]
    Audit(ClaimsInput),
    /// Show what a cluster and its store lack, and what that costs
    #[cfg(feature = "host")]
    #[command(after_help = DOCTOR_HELP)]
    Doctor(Doctor),
    /// Accept holds of claims
    #[cfg(feature = "host")]
    Hold {
        #[command(subcommand)]
        command: Hold,
    },
    /// Print everything that the host reads for a claim, without a value of a Secret
    #[cfg(feature = "host")]
    #[command(after_help = LOOK_HELP)]
    Look(Look),
    /// Begin and inspect the ledger, which remembers in the store what was backed up
    #[cfg(feature = "host")]
    #[command(after_help = LEDGER_EXAMPLES)]
    Ledger {
        #[command(subcommand)]
        command: Ledger,
    },
    /// Put snapshots back that were pinned when a backup was released, and that were aged out since
    #[cfg(feature = "host")]
    #[command(after_help = UNDO_HELP)]
    Undo(Undo),
    /// Show what other settings would do to claims, before you roll them out
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(Diff),
    /// Print the rules of admission for API servers that answer by themselves
    Export {
        #[command(subcommand)]
        command: Export,
    },
    /// Run policy tests: what the policy should do with your claims, settings and evidence
    #[command(after_help = TEST_EXAMPLES)]
    Test(Test),
    /// Print all reason codes as Markdown, each with the way out of it
    Codes,
    /// Print a JSON Schema
    Schema {
        /// What the schema describes
        #[arg(value_enum, default_value_t = Schema::Settings)]
        of: Schema,
    },
    /// Print a completion script, as in `volsync-policy completions bash > /etc/bash_completion.d/volsync-policy`
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, as in `volsync-policy man > volsync-policy.1`
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) input: Input,
    /// Output format: manifests as YAML, manifests as one JSON object per line, or one whole plan per line, with the
    /// evidence behind it
    #[arg(short, long, value_enum, default_value_t = Output::Yaml)]
    pub(crate) output: Output,
    /// Also print the claim, with the data source by which it waits for its restore
    #[arg(long)]
    pub(crate) with_claim: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A reason code to explain, instead of claims
    #[arg(exclusive = true)]
    pub(crate) code: Option<String>,
    #[command(flatten)]
    pub(crate) input: Input,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Print a MutatingAdmissionPolicy and two ValidatingAdmissionPolicies, with their bindings
    #[command(after_help = ADMISSION_EXAMPLES)]
    Admission(Admission),
}

#[derive(Debug, Args)]
pub(crate) struct Admission {
    /// Settings file; `volsync-policy schema settings` describes it
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// The name of the host as a user of the API server, instead of `hostUser` in settings
    #[arg(long, value_name = "USER")]
    pub(crate) host_user: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Redact {
    /// The dump: a file, a directory of .yaml, .yml and .json files, or `-` for standard input; may be repeated
    #[arg(short, long = "filename", value_name = "FILE", default_value = "-")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The settings in use
    #[arg(value_name = "OLD-SETTINGS")]
    pub(crate) old: PathBuf,
    /// The settings to replace them
    #[arg(value_name = "NEW-SETTINGS")]
    pub(crate) new: PathBuf,
    #[arg(short, long = "filename", value_name = "FILE", required = true, help = FILES, long_help = FILES_AT_LENGTH)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) claims: Claims,
    /// Output format: grouped for a person, or every difference of every claim as one JSON object per line
    #[arg(short, long, value_enum, default_value_t = Report::Text)]
    pub(crate) output: Report,
    #[command(flatten)]
    pub(crate) runner: Runner,
}

#[derive(Debug, Args)]
pub(crate) struct Input {
    #[arg(short, long = "filename", value_name = "FILE", required_unless_present = "seen")]
    #[arg(help = FILES, long_help = FILES_AT_LENGTH)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) claims: Claims,
    /// Settings file; `volsync-policy schema settings` describes it
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// Evidence about a claim's volume, repository and ledger entry: a file, or a preset such as `snapshots=24,bound`
    ///
    /// `volsync-policy schema evidence` describes the file, which is used for every claim. A preset is invented for
    /// each claim. It says what the store contains: `fresh` (there never was a backup), `snapshots=N` (N snapshots of
    /// an earlier claim of the same name), `unreachable` (the store cannot be reached), `emptied` (the snapshots were
    /// removed) or `lost` (the repository is gone, but the ledger remembers it). After a comma it may give the state of
    /// the claim, which is otherwise Pending: `restoring`, `bound` (to a volume that was not restored), `restored`
    /// (Bound to the newest snapshot) or `released` (its backup runs). To use a file with such a name, write `./fresh`.
    #[arg(long, value_name = "FILE|PRESET")]
    pub(crate) evidence: Option<PathBuf>,
    /// A dump of a cluster, as `kubectl get pvc,pv,… -A -o json` prints it, or `-` for standard input
    ///
    /// Without --filename the labelled claims of the dump are explained, with --namespace those of that namespace. A
    /// dump contains Lists and objects of Kubernetes, in JSON or YAML, and listings of the store, as `aws s3api
    /// list-objects-v2 --output json` prints them or in a `StoreListing`, which the README describes. A List with
    /// objects of a kind counts as all objects of that kind. What is not in the dump is unread, and the answer says so.
    #[arg(long, value_name = "DUMP", conflicts_with = "evidence")]
    pub(crate) seen: Option<PathBuf>,
    /// Assume that Secrets without values contain what --credentials would make
    ///
    /// For a dump that `volsync-policy redact` wrote: it does not show which repository the claim's Secret names, and
    /// without this assumption nothing that depends on it is decided.
    #[arg(long, requires = "seen")]
    pub(crate) assume_secrets: bool,
    /// Render backups running, even if they may age out older ones (`gate: none` in settings)
    #[arg(long)]
    pub(crate) ungated: bool,
    #[command(flatten)]
    pub(crate) runner: Runner,
}

#[derive(Debug, Args)]
pub(crate) struct Claims {
    /// The namespace of claims that do not name one
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// The base credentials, as a Secret
    #[arg(long, value_name = "SECRET")]
    pub(crate) credentials: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Runner {
    /// The engine that runs the policy
    #[arg(long, value_enum, default_value_t = Engine::Native)]
    pub(crate) engine: Engine,
    #[arg(long, value_name = "WASM", help = MODULE)]
    pub(crate) module: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Cases: files, and directories of .yaml and .yml files
    #[arg(required = true, value_name = "DIR")]
    pub(crate) paths: Vec<PathBuf>,
    /// Run only the cases whose `file: name` contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// List the cases and run none
    #[arg(long)]
    pub(crate) list: bool,
    /// The engines that run the policy; several must agree to the byte
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Engine::Native])]
    pub(crate) engine: Vec<Engine>,
    #[arg(long, value_name = "WASM", help = MODULE)]
    pub(crate) module: Option<PathBuf>,
    /// Output format: failures for a person, or everything as one JSON object
    #[arg(short, long, value_enum, default_value_t = TestOutput::Text)]
    pub(crate) output: TestOutput,
    /// Also write a report in JUnit's XML format
    #[arg(long, value_name = "FILE", conflicts_with = "list")]
    pub(crate) junit: Option<PathBuf>,
    /// Also print the reason codes and rows that no case reaches; JSON always contains them
    #[arg(long, conflicts_with = "list")]
    pub(crate) coverage: bool,
    /// Accept the answers: update the expectations that differ, and leave the rest of their files unchanged
    #[arg(long, conflicts_with = "list")]
    pub(crate) update: bool,
    /// Run again whenever a case, a file that one names, or the module changes
    #[arg(long, conflicts_with_all = ["list", "update"])]
    pub(crate) watch: bool,
    /// Write a new suite into DIR, which must not exist or must be empty, and run nothing
    #[arg(long, conflicts_with_all = ["filter", "list", "junit", "coverage", "update", "watch"])]
    pub(crate) init: bool,
    /// The settings for the suite of `--init`
    #[arg(long, value_name = "FILE", requires = "init")]
    pub(crate) settings: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestOutput {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Yaml,
    Json,
    Plan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The policy as native code
    Native,
    /// The module, compiled by wasmtime
    Wasm,
    /// The module, interpreted by wasmi
    Wasmi,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Native => "native",
            Engine::Wasm => "wasm",
            Engine::Wasmi => "wasmi",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Schema {
    Evidence,
    Settings,
    Plan,
    Review,
    Report,
    /// The input of a host: a review with the answers to its reads
    Inspection,
    /// What a host must read next
    Reads,
    /// The part of a plan that only a host needs: evidence, writes, and when to plan again
    Host,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
