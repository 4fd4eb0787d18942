//! JSON Schemas of what goes in and out, generated from the types.

use schemars::{Schema, schema_for};

use crate::evidence::Evidence;
use crate::plan::PlanDocument;
use crate::settings::Settings;

/// The schemas by the names of what they describe.
pub fn all() -> [(&'static str, Schema); 3] {
    [
        ("evidence", schema_for!(Evidence)),
        ("plan", schema_for!(PlanDocument<'static>)),
        ("settings", schema_for!(Settings)),
    ]
}
