//! Objects of a plan as text, unchanged, until they are parsed.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

/// An object of the plan as JSON, with its keys in the engine's order. `RawValue` would be the same, but with its
/// feature serde_json treats an object with a certain key in a special way, wherever it is parsed.
///
/// The object of a Secret contains credentials, so there is no `Debug` and no `Serialize`.
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
        // Large enough for most objects.
        let mut text = Vec::with_capacity(2048);
        let written = serde_transcode::transcode(deserializer, &mut serde_json::Serializer::new(&mut text));
        let text = written.ok().and_then(|()| String::from_utf8(text).ok());
        text.map(Object).ok_or_else(|| D::Error::custom("expected an object"))
    }
}
