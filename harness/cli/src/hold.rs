//! `volsync-policy hold`: accepts a hold, after it has said what that means.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{bail, ensure};
use serde_json::Value;
use volsync_policy::{BackupAction, Fact, HoldId, PlanDocument, Restore, Step, VerdictDocument};

use crate::args::{self, AcceptHold};
use crate::cluster::{connect, names};
use crate::outcome::{Outcome, complain, warn};

pub(crate) fn run(command: &args::Hold) -> anyhow::Result<Outcome> {
    match command {
        args::Hold::Accept(arguments) => accept(arguments),
    }
}

fn accept(AcceptHold { claim, hold, reason, yes, cluster }: &AcceptHold) -> anyhow::Result<Outcome> {
    let Some(hold) = HoldId::parse(hold) else {
        bail!("`{}` is not the id of a hold, which has 8 lower case hexadecimal digits", hold.escape_debug())
    };
    ensure!(!reason.trim().is_empty(), "--reason: write why, for those who read it later");
    ensure!(*yes || io::stdin().is_terminal(), "to accept without being asked, use --yes");
    let cluster = connect(cluster)?;
    let (namespace, name) = names(claim, &cluster);
    let held = cluster.hold(namespace, name, reason)?;
    let VerdictDocument { code, message, hold: current, .. } = &held.verdict;
    let claim = format!("{namespace}/{name}");
    let (Some(current), Some(accepted)) = (current, &held.accepted) else {
        complain(&format!("{claim}: nobody can accept this: {}: {message}", code.as_str()));
        return Ok(Outcome::Refused);
    };
    if **current != hold {
        complain(&format!(
            "{claim}: the hold is {current} now, not {hold}: what was seen has changed; `volsync-policy look {claim}` \
             and `explain --seen` show what it covers"
        ));
        return Ok(Outcome::Refused);
    }
    let mut out = anstream::stdout().lock();
    describe(&mut out, &claim, &held.verdict, accepted)?;
    if !yes && !is_confirmed(&mut out)? {
        warn("nothing was accepted");
        return Ok(Outcome::Refused);
    }
    cluster.accept(&held, reason)?;
    writeln!(out, "{claim}: accepted")?;
    Ok(Outcome::Planned)
}

/// Says what is accepted, what follows, and what is no longer protected then.
fn describe(
    out: &mut impl Write,
    claim: &str,
    VerdictDocument { code, message, hold, covers, .. }: &VerdictDocument<'_>,
    accepted: &PlanDocument<'_, Value>,
) -> io::Result<()> {
    writeln!(out, "{claim}: {}", code.as_str())?;
    writeln!(out, "  {message}")?;
    if let Some(hold) = hold {
        writeln!(out, "  {:<9}{hold}; it covers:", "hold")?;
    }
    for Fact { topic, text, .. } in covers.iter() {
        writeln!(out, "  {:<9}{topic}: {text}", "")?;
    }
    let VerdictDocument { code, message, restore, backup, .. } = &accepted.verdict;
    writeln!(out, "  {:<9}{}: {message}", "then", code.as_str())?;
    for step in accepted.steps.iter().map(Step::words) {
        writeln!(out, "  {:<9}{step}", "")?;
    }
    writeln!(out, "  {:<9}{}", "meaning", meaning(*restore, *backup))
}

/// Which data is no longer protected.
fn meaning(restore: Restore, backup: BackupAction) -> &'static str {
    match (backup, restore) {
        (BackupAction::Release, _) => {
            "this volume is backed up as it is; from the next backup on, the snapshots that the repository has now are \
             aged out by the retention in settings, and nothing keeps them longer"
        }
        (BackupAction::Delete, _) => "the backup stops; the snapshots stay",
        (_, Restore::Apply | Restore::Consume) => {
            "the claim gets what its restore finds, which may be nothing; whether its backup may run then is another \
             decision, which may ask again"
        }
        (BackupAction::Pause | BackupAction::Keep | BackupAction::Withhold, Restore::Keep | Restore::Delete) => {
            "nothing is backed up or restored by this alone; another hold may follow"
        }
    }
}

/// Asks the person.
fn is_confirmed(out: &mut impl Write) -> anyhow::Result<bool> {
    write!(out, "Accept it? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
