//! Reads typed values out of a JSON document, and reports all its problems at once, each with its path and never with
//! the value.
//!
//! `serde_json` stops at the first error and quotes values ("invalid type: string \"hunter2\""), and a review contains
//! credentials. So its tree is read through a deserializer of our own. A part that cannot be read is noted and treated
//! as absent; an object that requires it is not read any further.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::de::value::{BorrowedStrDeserializer, U32Deserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

use crate::problem::{Problem, keyed, known_key, one_of};

/// The longest review that is read, in bytes. An API server takes no request longer than 3 MiB.
pub const LONGEST_REVIEW: usize = 4 * 1024 * 1024;

/// Reads JSON.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.len() > LONGEST_REVIEW {
        return Err(Problem::new("", format!("is longer than {LONGEST_REVIEW} bytes")));
    }
    // Checked once for all: the library would check each string by itself.
    let text = str::from_utf8(bytes)
        .map_err(|error| Problem::new("", format!("is not UTF-8 from byte {} on", error.valid_up_to())))?;
    // The library's own message could quote the input.
    serde_json::from_str(text)
        .map_err(|error| Problem::new("", format!("is not JSON: line {}, column {}", error.line(), error.column())))
}

/// The text at a path of keys in an object; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// The value at a path of keys in an object; `None` where it is absent or null.
pub(crate) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |object, key| object.get(key)).filter(|value| !value.is_null())
}

/// Reads a `T` out of `value`, which is at the path `root`. A key that the type does not have is a problem.
pub(crate) fn read<'de, T: Deserialize<'de>>(value: &'de Value, root: &str) -> Result<T, Vec<Problem>> {
    Reading::of(value, root, UnknownKeys::Refused)
}

/// Like [`read`], but ignores keys that the type does not have, for an object that others define.
pub(crate) fn read_part<'de, T: Deserialize<'de>>(value: &'de Value, root: &str) -> Result<T, Vec<Problem>> {
    Reading::of(value, root, UnknownKeys::Ignored)
}

/// What becomes of the keys of an object that its type does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnknownKeys {
    Refused,
    Ignored,
}

/// One reading of a document, and what is wrong with it.
struct Reading {
    unknown_keys: UnknownKeys,
    problems: RefCell<Vec<Problem>>,
    /// How many more there are.
    untold: Cell<usize>,
}

impl Reading {
    /// So many problems are told; a hostile document has millions.
    const MOST: usize = 100;

    fn of<'de, T: Deserialize<'de>>(
        value: &'de Value,
        root: &str,
        unknown_keys: UnknownKeys,
    ) -> Result<T, Vec<Problem>> {
        let reading = Reading { unknown_keys, problems: RefCell::default(), untold: Cell::default() };
        let read = Node { value, step: Step::Root(root), reading: &reading }.read(PhantomData::<T>);
        let (mut problems, untold) = (reading.problems.into_inner(), reading.untold.get());
        if untold > 0 {
            problems.push(Problem::new(root, format!("has {untold} more problems")));
        }
        read.filter(|_| problems.is_empty()).ok_or(problems)
    }

    fn is_full(&self) -> bool {
        self.problems.borrow().len() == Reading::MOST
    }
}

/// One place in the document. Only the kind of value that is asked for is taken.
struct Node<'p, 'de> {
    value: &'de Value,
    step: Step<'p, 'de>,
    reading: &'p Reading,
}

/// How one comes to a place: from the one around it.
enum Step<'p, 'de> {
    Root(&'p str),
    Key(&'p Node<'p, 'de>, &'p str),
    Index(&'p Node<'p, 'de>, usize),
}

impl<'p, 'de> Node<'p, 'de> {
    fn at_key(&'p self, key: &'p str, value: &'de Value) -> Self {
        Node { value, step: Step::Key(self, key), reading: self.reading }
    }

    /// What stands here; nothing where it cannot be read, which is noted.
    fn read<T: DeserializeSeed<'de>>(&self, seed: T) -> Option<T::Value> {
        seed.deserialize(self).map_err(|fault| self.note(fault)).ok()
    }

    // Not inlined, as all that does not depend on a type: each type's reader would hold it once a field.
    #[inline(never)]
    fn note(&self, Fault(fault): Fault) {
        let Some(fault) = fault else { return };
        if self.reading.is_full() {
            return self.reading.untold.update(|untold| untold + 1);
        }
        let (path, Found { message, hint }) = (self.path(), *fault);
        let mut problems = self.reading.problems.borrow_mut();
        let place = problems.partition_point(|known| known.path <= path);
        problems.insert(place, Problem { path, message, hint });
    }

    fn path(&self) -> String {
        match self.step {
            Step::Root(root) => root.to_owned(),
            Step::Key(outer, key) => keyed(&outer.path(), key),
            Step::Index(outer, index) => format!("{}[{index}]", outer.path()),
        }
    }

    fn number<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Fault> {
        match (self.value.as_u64(), self.value.as_i64(), self.value.as_f64()) {
            (Some(number), _, _) => visitor.visit_u64(number),
            (None, Some(number), _) => visitor.visit_i64(number),
            (None, None, Some(number)) => visitor.visit_f64(number),
            (None, None, None) => Err(Fault::expected("a whole number, zero or more")),
        }
    }
}

/// Why a place cannot be read; nothing where that has been noted. Boxed, for everything that is read may be one.
#[derive(Debug)]
struct Fault(Option<Box<Found>>);

#[derive(Debug)]
struct Found {
    message: String,
    hint: Option<String>,
}

impl Fault {
    #[inline(never)]
    fn new(message: String, hint: Option<String>) -> Self {
        Fault(Some(Box::new(Found { message, hint })))
    }

    #[inline(never)]
    fn expected(what: &str) -> Self {
        Fault::new(format!("expected {what}"), None)
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref().map_or("", |found| &found.message))
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Fault::new(message.to_string(), None)
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Fault::expected(in_words(&expected.to_string()))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    /// Of a struct [`Fields`] knows what is missing.
    fn invalid_length(_: usize, _: &dyn de::Expected) -> Self {
        Fault::expected("more elements")
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Fault::expected(&one_of(known.iter().copied()))
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

/// Methods that take one kind of value alone.
macro_rules! only {
    ($($method:ident, $expected:literal: $kind:pat => $visit:expr;)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.value {
                $kind => $visit(self, visitor),
                _ => Err(Fault::expected($expected)),
            }
        })+
    };
}

impl<'p, 'de> Deserializer<'de> for &'p Node<'p, 'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(_) => self.deserialize_bool(visitor),
            Value::Number(_) => self.number(visitor),
            Value::String(_) => self.deserialize_str(visitor),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    only! {
        deserialize_bool, "`true` or `false`": Value::Bool(flag) => |_, visitor: V| visitor.visit_bool(*flag);
        deserialize_str, "a string": Value::String(text) => |_, visitor: V| visitor.visit_borrowed_str(text);
        deserialize_seq, "a list": Value::Array(items) => |list, visitor: V| {
            visitor.visit_seq(Items { list, items: items.iter().enumerate() })
        };
        deserialize_map, "an object": Value::Object(map) => |object, visitor: V| {
            visitor.visit_map(Entries { object, entries: map.iter(), value: None })
        };
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

    /// The derived readers also take a struct as the list of its fields, in far less code: no names to compare, and
    /// nothing that could stand there twice. So it is handed to them as that list, in their own order. What is absent
    /// then needs a default, an `Option` too; and `deny_unknown_fields` says nothing, `UnknownKeys` does.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let absent = Cell::new(None);
        visitor.visit_seq(Fields::of(self, names, &absent)?).map_err(|_| missing(absent.get()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
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
        visitor.visit_enum(&Variant::of(self, variants)?)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// The fields of a struct, in the order of their names. One that is absent, or cannot be read, is no element, and the
/// next one may be one again.
struct Fields<'p, 'de> {
    object: &'p Node<'p, 'de>,
    map: &'de Map<String, Value>,
    names: std::slice::Iter<'static, &'static str>,
    /// What was asked for last, where it is absent.
    absent: &'p Cell<Option<&'static str>>,
}

impl<'p, 'de> Fields<'p, 'de> {
    #[inline(never)]
    fn of(
        object: &'p Node<'p, 'de>,
        names: &'static [&'static str],
        absent: &'p Cell<Option<&'static str>>,
    ) -> Result<Self, Fault> {
        let Value::Object(map) = object.value else { return Err(Fault::expected("an object")) };
        if object.reading.unknown_keys == UnknownKeys::Refused {
            for (other, value) in map.iter().filter(|(key, _)| !names.contains(&key.as_str())) {
                let hint = (!object.reading.is_full()).then(|| known_key(other, names));
                object.at_key(other, value).note(Fault::new("unknown key".to_owned(), hint));
            }
        }
        Ok(Fields { object, map, names: names.iter(), absent })
    }

    #[inline(never)]
    fn next(&mut self) -> Option<Node<'p, 'de>> {
        let name = self.names.next()?;
        let value = self.map.get(*name);
        self.absent.set(value.is_none().then_some(name));
        Some(self.object.at_key(name, value?))
    }
}

/// Why a struct gives up at a field: it is absent, or what stands there has been noted.
#[inline(never)]
fn missing(field: Option<&str>) -> Fault {
    field.map_or(Fault(None), |name| Fault::new(format!("`{name}` is missing"), None))
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Fault;

    // Inlined, it shows that it never fails: no reader of a struct has to clean up then.
    #[inline(always)]
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, Fault> {
        self.next_element_seed(PhantomData)
    }

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        Ok(self.next().and_then(|node| node.read(seed)))
    }
}

/// The elements of a list.
struct Items<'p, 'de> {
    list: &'p Node<'p, 'de>,
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
}

impl<'p, 'de> Items<'p, 'de> {
    fn next(&mut self) -> Option<Node<'p, 'de>> {
        let (index, value) = self.items.next()?;
        Some(Node { value, step: Step::Index(self.list, index), reading: self.list.reading })
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    /// The next element that can be read.
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, Fault> {
        while let Some(node) = self.next() {
            if let Some(element) = node.read(PhantomData) {
                return Ok(Some(element));
            }
        }
        Ok(None)
    }

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.next().map(|node| node.read(seed).ok_or(Fault(None))).transpose()
    }
}

/// The entries of a map.
struct Entries<'p, 'de> {
    object: &'p Node<'p, 'de>,
    entries: serde_json::map::Iter<'de>,
    value: Option<(&'de str, &'de Value)>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Fault;

    /// The next entry that can be read.
    fn next_entry<K: Deserialize<'de>, V: Deserialize<'de>>(&mut self) -> Result<Option<(K, V)>, Fault> {
        for (key, value) in self.entries.by_ref() {
            let node = self.object.at_key(key, value);
            let read = K::deserialize(BorrowedStrDeserializer::new(key)).map_err(|fault| node.note(fault));
            if let (Ok(key), Some(value)) = (read, node.read(PhantomData)) {
                return Ok(Some((key, value)));
            }
        }
        Ok(None)
    }

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key, value));
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, value) = self.value.take().unwrap_or(("", &Value::Null));
        self.object.at_key(key, value).read(seed).ok_or(Fault(None))
    }
}

/// The name of a variant, its place among those of its type, and what it holds where it holds anything.
struct Variant<'p, 'de> {
    place: &'p Node<'p, 'de>,
    name: &'de str,
    index: u32,
    content: Option<&'de Value>,
}

impl<'p, 'de> Variant<'p, 'de> {
    #[inline(never)]
    fn of(place: &'p Node<'p, 'de>, variants: &'static [&'static str]) -> Result<Self, Fault> {
        let choice = match place.value {
            Value::String(name) => Some((name, None)),
            // A variant with content is an object with its name for the only key.
            Value::Object(map) if map.len() == 1 => map.iter().next().map(|(name, content)| (name, Some(content))),
            _ => None,
        };
        let known = choice.and_then(|(name, content)| {
            let (index, _) = (0..).zip(variants).find(|(_, variant)| *variant == name)?;
            Some(Variant { place, name, index, content })
        });
        known.ok_or_else(|| de::Error::unknown_variant("", variants))
    }
}

impl<'v, 'p, 'de> EnumAccess<'de> for &'v Variant<'p, 'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        Ok((seed.deserialize(U32Deserializer::<Fault>::new(self.index))?, self))
    }
}

/// A variant holds nothing or one value: no type that is read here has another kind.
impl<'de> VariantAccess<'de> for &Variant<'_, 'de> {
    type Error = Fault;

    #[inline(never)]
    fn unit_variant(self) -> Result<(), Fault> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(Fault::new(format!("expected `{}` alone, as a string", self.name), None)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let content =
            self.content.ok_or_else(|| Fault::new(format!("expected an object with the key `{}`", self.name), None))?;
        self.place.at_key(self.name, content).read(seed).ok_or(Fault(None))
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
        counts: std::collections::BTreeMap<String, u16>,
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
        let problems = read::<Sample>(&value, "settings").unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].to_string()
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
            "settings[\"a/b\"]: unknown key; known here: cacheCapacity, days, kind, inner, counts"
        );
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let document = json!({
            "days": "x", "cacheCapacity": 1, "knd": "Secret",
            "inner": [{"name": 1}, {"name": "a", "nme": 0}, {}], "counts": {"a": -1, "b": 1, "c": "1"},
        });
        let problems = read::<Sample>(&document, "settings").unwrap_err();
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            problems,
            [
                "settings.cacheCapacity: expected a string",
                "settings.counts.a: expected a whole number, zero or more",
                "settings.counts.c: expected a whole number, zero or more",
                "settings.days: expected a whole number, zero or more",
                "settings.inner[0].name: expected a string",
                "settings.inner[1].nme: unknown key; did you mean `name`?",
                "settings.inner[2]: `name` is missing",
                "settings.knd: unknown key; did you mean `kind`?",
            ]
        );
    }

    #[test]
    fn a_hostile_document_is_told_of_as_far_as_a_person_reads() {
        let document: Map<String, Value> = (0..1_000).map(|nth| (format!("key-{nth}"), Value::Null)).collect();
        let problems = read::<Sample>(&Value::Object(document), "settings").unwrap_err();
        assert_eq!(problems.len(), Reading::MOST + 1);
        assert_eq!(problems[Reading::MOST].to_string(), "settings: has 900 more problems");
    }

    #[test]
    fn of_an_object_that_others_define_a_part_is_read() {
        let document = json!({"days": 7, "kind": null, "inner": [{"name": "a", "other": 1}], "other": {"days": "x"}});
        let sample: Sample = read_part(&document, "request").unwrap();
        assert_eq!((sample.days, sample.inner.len(), sample.cache_capacity), (Some(7), 1, None));
        let problems = read_part::<Sample>(&json!({"other": 1, "inner": [{"other": 1}]}), "request").unwrap_err();
        assert_eq!(problems[0].to_string(), "request.inner[0]: `name` is missing");
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
