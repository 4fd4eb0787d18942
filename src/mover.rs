//! Movers: what VolSync hands the data of a claim to.

pub mod restic;
