//! `volsync-policy undo`: puts pinned snapshots back into a claim's repository.

use std::io::Write;

use volsync_policy::maintenance::{PutBack, Undo};

use crate::args::{self, ClaimName};
use crate::ledger::{must_be_the_store, open};
use crate::outcome::{Outcome, complain, warn};

pub(crate) fn run(arguments: &args::Undo) -> anyhow::Result<Outcome> {
    let args::Undo { claim: ClaimName { namespace, name }, dry_run, store } = arguments;
    let ledger = open(store)?;
    must_be_the_store(&ledger)?;
    let path = ledger.base().path(namespace, name);
    let Undo { back, older } = ledger.undo(&path)?;
    let mut out = anstream::stdout().lock();
    if back.is_empty() {
        writeln!(out, "{namespace}/{name}: there is no snapshot to put back")?;
    }
    if !dry_run && let Err(error) = ledger.put_back(&path, &back) {
        complain(&format!("{error:#}"));
        return Ok(Outcome::Unsound);
    }
    let verb = if *dry_run { "would be put back" } else { "put back" };
    for PutBack { snapshot, pinned_at, .. } in &back {
        writeln!(out, "{namespace}/{name}: snapshot {}, pinned {pinned_at}: {verb}", snapshot.as_str())?;
    }
    for PutBack { copy, pinned_at, .. } in &older {
        warn(&format!(
            "{namespace}/{name}: {} was pinned {pinned_at}, before the repository began, so it may be of another \
             repository and stays where it is",
            copy.from.key.escape_debug()
        ));
    }
    if !back.is_empty() && !dry_run {
        warn("what a prune has removed since cannot come back; `restic check` says whether the repository is whole");
        warn(
            "the claim's next backup may age them out again: take the label off the claim until you have restored \
             what you need; docs/running.md says more",
        );
    }
    Ok(Outcome::Planned)
}
