//! Objects of a plan as the engine wrote them: text, until somebody looks into one.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

/// An object of the plan, in JSON, its keys in the engine's order. `RawValue` would be this, but where its feature is
/// switched on serde_json takes an object of a certain key for more than it is, wherever one is read.
///
/// That of a Secret holds credentials: there is no `Debug` and no `Serialize`.
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn read(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Most fit.
        let mut text = Vec::with_capacity(2048);
        let written = serde_transcode::transcode(deserializer, &mut serde_json::Serializer::new(&mut text));
        let text = written.ok().and_then(|()| String::from_utf8(text).ok());
        text.map(Object).ok_or_else(|| D::Error::custom("expected an object"))
    }
}
