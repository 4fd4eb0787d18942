//! `volsync-policy status` and `audit`: how the claims of a cluster stand. The rules are in the host's crate.

use std::io::{self, Write};

use serde_json::{Value, json};
use volsync_policy::evidence::Timestamp;
use volsync_policy_host::{Health, Scope, Severity, Survey, Surveyed};

use crate::args::{ClaimsInput, TableOutput};
use crate::cluster::connect;
use crate::outcome::{Outcome, warn};
use crate::table;

/// The heads of the columns.
const HEADS: [&str; 6] = ["NAMESPACE", "CLAIM", "CODE", "LAST BACKUP", "AGE", "NEXT"];

/// Shows the labelled claims.
pub(crate) fn status(arguments: &ClaimsInput) -> anyhow::Result<Outcome> {
    let survey = survey(arguments, Scope::Labelled)?;
    let shown = |health: &Health| !matches!(health, Health::OfVolsync | Health::Excluded);
    show(arguments, &survey, shown, "There is no claim with the label.", |health| health.severity())
}

/// Shows the claims that are not backed up.
pub(crate) fn audit(arguments: &ClaimsInput) -> anyhow::Result<Outcome> {
    let survey = survey(arguments, Scope::All)?;
    let severity = |health: &Health| match health.is_unprotected() {
        true => Severity::Action,
        false => health.severity(),
    };
    let outcome =
        show(arguments, &survey, |it| severity(it) != Severity::Well, "Every claim is backed up in time.", severity)?;
    if arguments.output == TableOutput::Table {
        let counted = |is: &dyn Fn(&Health) -> bool| survey.claims.iter().filter(|it| is(&it.health)).count();
        let all = counted(&|it| !matches!(it, Health::OfVolsync | Health::Terminating));
        let (bad, unknown) = (
            counted(&|it| severity(it) == Severity::Action && !it.is_unprotected()),
            counted(&|it| severity(it) == Severity::Unknown),
        );
        let unprotected = counted(&Health::is_unprotected);
        warn(&format!("claims: {all}; not protected: {unprotected}; held, late or never: {bad}; unknown: {unknown}"));
    }
    Ok(outcome)
}

fn survey(arguments: &ClaimsInput, scope: Scope) -> anyhow::Result<Survey> {
    let ClaimsInput { namespace, all_namespaces, cluster, .. } = arguments;
    let cluster = connect(cluster)?;
    let namespace = namespace.as_deref().unwrap_or(cluster.default_namespace());
    let survey = cluster.survey((!all_namespaces).then_some(namespace), scope)?;
    let silent = |it: &Surveyed| it.health == Health::HOST_SILENT;
    if survey.claims.iter().any(silent) {
        let since =
            survey.host.map_or_else(|| "there is no Lease of one".to_owned(), |at| format!("the last was at {at}"));
        warn(&format!("the host gives no sign of life; {since}"));
    }
    Ok(survey)
}

fn show(
    arguments: &ClaimsInput,
    survey: &Survey,
    is_shown: impl Fn(&Health) -> bool,
    nothing: &str,
    severity: impl Fn(&Health) -> Severity,
) -> anyhow::Result<Outcome> {
    let claims: Vec<&Surveyed> = survey.claims.iter().filter(|claim| is_shown(&claim.health)).collect();
    let mut out = anstream::stdout().lock();
    match arguments.output {
        TableOutput::Json => {
            let claims: Vec<Value> = claims.iter().map(|claim| in_json(claim, severity(&claim.health))).collect();
            let document = json!({"at": survey.at, "host": survey.host, "claims": claims});
            serde_json::to_writer_pretty(&mut out, &document).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        TableOutput::Table if claims.is_empty() => writeln!(out, "{nothing}")?,
        TableOutput::Table => {
            let rows: Vec<_> = claims.iter().map(|claim| row(claim, survey.at)).collect();
            table::print(&mut out, HEADS, &rows)?;
        }
    }
    Ok(match claims.iter().map(|claim| severity(&claim.health)).max() {
        None | Some(Severity::Well) => Outcome::Planned,
        Some(Severity::Action) => Outcome::Unsound,
        Some(Severity::Unknown) => Outcome::BadInput,
    })
}

fn row(Surveyed { health, namespace, name, last_backup }: &Surveyed, now: Timestamp) -> [String; 6] {
    [
        namespace.clone(),
        name.clone(),
        health.word().escape_debug().to_string(),
        last_backup.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        last_backup.map_or_else(|| "-".to_owned(), |at| age(now.since(at))),
        health.advice().escape_debug().to_string(),
    ]
}

fn in_json(Surveyed { health, namespace, name, last_backup }: &Surveyed, severity: Severity) -> Value {
    let severity = match severity {
        Severity::Well => "well",
        Severity::Action => "action",
        Severity::Unknown => "unknown",
    };
    let (since, told) = match health {
        Health::Held { since, told, .. } => (Some(since), Some(told)),
        _ => (None, None),
    };
    json!({"namespace": namespace, "name": name, "code": health.word(), "severity": severity,
           "lastBackup": last_backup, "since": since, "told": told, "next": health.advice()})
}

/// The time since then, in its two largest units.
fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, ..) => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_its_two_largest_units() {
        let ages = [0, 59, 60, 3599, 3600, 90_000, 864_000].map(age);
        assert_eq!(ages, ["0s", "59s", "1m", "59m", "1h0m", "1d1h", "10d0h"]);
    }
}
