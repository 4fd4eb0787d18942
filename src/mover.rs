//! Movers: the programs that VolSync runs to back up and restore the data of a claim.

pub mod restic;
