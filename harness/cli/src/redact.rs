//! `volsync-policy redact`: a dump without the values of its Secrets.

use std::io::{self, BufWriter, Write};

use volsync_policy_cases::redact;

use crate::args::Redact;
use crate::documents;
use crate::outcome::Outcome;

/// Writes each document as soon as it is read. The first that cannot be read ends the run.
pub(crate) fn run(arguments: &Redact) -> anyhow::Result<Outcome> {
    let mut out = BufWriter::new(io::stdout().lock());
    for document in arguments.files.iter().flat_map(|file| documents::read(file)) {
        let mut document = document?.value;
        redact(&mut document);
        serde_json::to_writer_pretty(&mut out, &document).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(Outcome::Planned)
}
