//! Reads typed values out of a JSON document; an error names the path to the fault, never the value that stands
//! there.
//!
//! `serde_json` reports values ("invalid type: string \"hunter2\""), and a review carries credentials. So its tree is
//! read through a deserializer of our own, whose error type keeps the path and the kind of the fault only.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

use crate::problem::{Problem, keyed, nearest, one_of};

/// Reads a `T` out of `value`, which stands at the path `root`.
pub(crate) fn read<'de, T: Deserialize<'de>>(value: &'de Value, root: &str) -> Result<T, Problem> {
    T::deserialize(Node(value)).map_err(|fault| fault.at(root))
}

/// As [`read`], for a document in which everything may be left out: names every problem in it, not only the first.
///
/// What is wrong is taken out of a copy and the rest is read again, until nothing is wrong any more.
pub(crate) fn read_all<T: for<'de> Deserialize<'de>>(value: &Value, root: &str) -> Result<T, Vec<Problem>> {
    let mut rest = Cow::Borrowed(value);
    let mut problems: Vec<Problem> = Vec::new();
    loop {
        let fault = match T::deserialize(Node(&rest)) {
            Ok(read) if problems.is_empty() => return Ok(read),
            Ok(_) => return Err(problems),
            Err(fault) => fault,
        };
        let removed = remove(rest.to_mut(), &fault.0.steps);
        let problem = fault.at(root);
        // An object that misses what was just taken out of it has been spoken of.
        if !problems.iter().any(|known| known.path.starts_with(&problem.path)) {
            problems.push(problem);
        }
        if !removed {
            return Err(problems);
        }
    }
}

/// Removes what stands at the path `steps` (innermost first), or the list on the way there, whose indices must not
/// shift; false where nothing is removed.
fn remove(value: &mut Value, steps: &[Step]) -> bool {
    match (steps, value) {
        ([Step::Key(key)] | [.., Step::Index(_), Step::Key(key)], Value::Object(map)) => map.remove(key).is_some(),
        ([outer @ .., Step::Key(key)], Value::Object(map)) => {
            map.get_mut(key).is_some_and(|inner| remove(inner, outer))
        }
        _ => false,
    }
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// A fault and the way to it, innermost step first. Boxed, for every value that is read may be one.
#[derive(Debug)]
struct Fault(Box<Found>);

#[derive(Debug)]
struct Found {
    steps: Vec<Step>,
    message: String,
    hint: Option<String>,
}

impl Fault {
    fn new(message: String) -> Self {
        Fault(Box::new(Found { steps: Vec::new(), message, hint: None }))
    }

    fn expected(what: &str) -> Self {
        Fault::new(format!("expected {what}"))
    }

    fn under(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    fn at(self, root: &str) -> Problem {
        let mut path = root.to_owned();
        for step in self.0.steps.iter().rev() {
            path = match step {
                Step::Index(index) => format!("{path}[{index}]"),
                Step::Key(key) => keyed(&path, key),
            };
        }
        Problem { path, message: self.0.message, hint: self.0.hint }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Fault::new(message.to_string())
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Fault::expected(in_words(&expected.to_string()))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let mut fault = Fault::new("unknown key".to_owned()).under(Step::Key(field.to_owned()));
        fault.0.hint = Some(match nearest(field, known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("known here: {}", known.join(", ")),
        });
        fault
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Fault::expected(&one_of(known.iter().copied()))
    }

    fn missing_field(field: &'static str) -> Self {
        Fault::new(format!("`{field}` is missing"))
    }
}

/// What a type expected of the kind of value that it asked for, in the words of JSON.
fn in_words(expected: &str) -> &str {
    match expected {
        "u16" | "u32" | "u64" | "usize" => "a whole number, zero or more",
        "i32" | "i64" => "a whole number",
        other => other,
    }
}

/// One place in the document. Only the kind of value that is asked for is taken: nothing is read as a list of its
/// fields.
struct Node<'de>(&'de Value);

impl<'de> Node<'de> {
    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match (self.0.as_u64(), self.0.as_i64(), self.0.as_f64()) {
            (Some(number), _, _) => visitor.visit_u64(number),
            (None, Some(number), _) => visitor.visit_i64(number),
            (None, None, Some(number)) => visitor.visit_f64(number),
            (None, None, None) => Err(Fault::expected("a whole number, zero or more")),
        }
    }
}

/// Methods that take one kind of value alone.
macro_rules! only {
    ($($method:ident, $expected:literal: $kind:pat => $visit:expr;)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.0 {
                $kind => $visit(visitor),
                _ => Err(Fault::expected($expected)),
            }
        })+
    };
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(_) => self.deserialize_bool(visitor),
            Value::Number(_) => self.number(visitor),
            Value::String(_) => self.deserialize_str(visitor),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    only! {
        deserialize_bool, "`true` or `false`": Value::Bool(flag) => |visitor: V| visitor.visit_bool(*flag);
        deserialize_str, "a string": Value::String(text) => |visitor: V| visitor.visit_borrowed_str(text);
        deserialize_seq, "a list": Value::Array(items) => |visitor: V| visitor.visit_seq(Items::of(items));
        deserialize_map, "an object": Value::Object(map) => |visitor: V| visitor.visit_map(Entries::of(map));
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let choice = match self.0 {
            Value::String(name) => Some((name, None)),
            // A variant with content is an object with its name for the only key.
            Value::Object(map) if map.len() == 1 => map.iter().next().map(|(name, content)| (name, Some(content))),
            _ => None,
        };
        match choice {
            Some((name, content)) if variants.contains(&name.as_str()) => visitor.visit_enum(Variant { name, content }),
            _ => Err(de::Error::unknown_variant("", variants)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items<'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
}

impl<'de> Items<'de> {
    fn of(items: &'de [Value]) -> Self {
        Items { items: items.iter().enumerate() }
    }
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        seed.deserialize(Node(item)).map(Some).map_err(|fault| fault.under(Step::Index(index)))
    }
}

struct Entries<'de> {
    entries: serde_json::map::Iter<'de>,
    value: Option<(&'de str, &'de Value)>,
}

impl<'de> Entries<'de> {
    fn of(map: &'de Map<String, Value>) -> Self {
        Entries { entries: map.iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key, value));
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map(Some).map_err(|fault: Fault| {
            // An unknown field names itself; any other fault of a key stands at that key.
            if fault.0.steps.is_empty() { fault.under(Step::Key(key.clone())) } else { fault }
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, value) = self.value.take().unwrap_or(("", &Value::Null));
        seed.deserialize(Node(value)).map_err(|fault| fault.under(Step::Key(key.to_owned())))
    }
}

/// The name of a variant, and what it holds where it holds anything.
struct Variant<'de> {
    name: &'de str,
    content: Option<&'de Value>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        Ok((seed.deserialize(de::value::BorrowedStrDeserializer::<Fault>::new(self.name))?, self))
    }
}

/// A variant holds nothing or one value: no type that is read here has another kind.
impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(Fault::new(format!("expected `{}` alone, as a string", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let Some(content) = self.content else {
            return Err(Fault::new(format!("expected an object with `{}` for its key", self.name)));
        };
        seed.deserialize(Node(content)).map_err(|fault| fault.under(Step::Key(self.name.to_owned())))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(de::Error::unknown_variant(self.name, &[]))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Fault> {
        Err(de::Error::unknown_variant(self.name, &[]))
    }
}

/// `preset` with `document` laid over it, section by section: a key of a section replaces the preset's as a whole.
pub(crate) fn overlay(mut preset: Map<String, Value>, document: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in document {
        match (preset.get_mut(&name), value) {
            (Some(Value::Object(section)), Value::Object(given)) => section.extend(given),
            (_, value) => drop(preset.insert(name, value)),
        }
    }
    preset
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    #[allow(dead_code, reason = "read for their faults alone")]
    struct Sample {
        cache_capacity: Option<String>,
        days: Option<u32>,
        kind: Option<Kind>,
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read for their faults alone")]
    enum Kind {
        Secret,
        ExternalSecret,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read for their faults alone")]
    struct Inner {
        name: String,
    }

    fn problem(value: Value) -> String {
        read::<Sample>(&value, "settings").unwrap_err().to_string()
    }

    #[test]
    fn a_fault_is_named_by_its_path_and_never_by_its_value() {
        assert_eq!(problem(json!({"days": "hunter2"})), "settings.days: expected a whole number, zero or more");
        assert_eq!(problem(json!({"days": -1})), "settings.days: expected a whole number, zero or more");
        assert_eq!(problem(json!({"kind": "hunter2"})), "settings.kind: expected `Secret` or `ExternalSecret`");
        assert_eq!(problem(json!({"kind": {"hunter2": 1}})), "settings.kind: expected `Secret` or `ExternalSecret`");
        assert_eq!(
            problem(json!({"inner": [{"name": "a"}, {"name": 1}]})),
            "settings.inner[1].name: expected a string"
        );
        assert_eq!(problem(json!({"inner": [{}]})), "settings.inner[0]: `name` is missing");
        assert_eq!(problem(json!("hunter2")), "settings: expected an object");
    }

    #[test]
    fn an_unknown_key_names_the_nearest_that_is_known() {
        assert_eq!(
            problem(json!({"cacheCapcity": "1Gi"})),
            "settings.cacheCapcity: unknown key; did you mean `cacheCapacity`?"
        );
        assert_eq!(
            problem(json!({"a/b": 1})),
            "settings[\"a/b\"]: unknown key; known here: cacheCapacity, days, kind, inner"
        );
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let document = json!({"days": "x", "cacheCapacity": 1, "knd": "Secret", "inner": [{"name": 1}, {}]});
        let problems = read_all::<Sample>(&document, "settings").unwrap_err();
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["settings.cacheCapacity", "settings.days", "settings.inner[0].name", "settings.knd"]);
    }

    #[test]
    fn a_preset_gives_way_key_by_key_inside_a_section() {
        let Value::Object(preset) = json!({"gate": "none", "backup": {"copyMethod": "Direct", "retain": {"daily": 7}}})
        else {
            unreachable!()
        };
        let Value::Object(given) = json!({"backup": {"retain": {"hourly": 1}}}) else { unreachable!() };
        assert_eq!(
            Value::Object(overlay(preset, given)),
            json!({"gate": "none", "backup": {"copyMethod": "Direct", "retain": {"hourly": 1}}})
        );
    }
}
