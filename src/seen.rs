//! What a host saw: the raw answers of the API server and of the store, one for each [`Role`].
//!
//! They contain values of Secrets and text of logs, so nothing here implements `Debug`, `Display` or `Serialize`. Only
//! [`crate::observe`] reads them, and turns them into evidence.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::address::ObjectRef;
use crate::evidence::{Failure, Timestamp};
use crate::problem::{Problem, keyed, known_key};
use crate::role::Role;

/// The answers that a host received, by role. What is left out was not read.
///
/// Each answer is a JSON object of one of these forms:
///
/// | read | form of the answer |
/// |---|---|
/// | anything | `{"failed": "denied"}`, with the class of the failure ([`Failure`]) |
/// | an object | `{"object": {…}}` as the API server gave it, or `{"absent": true}` |
/// | a log | `{"log": "…"}` with the end of the log, or `{"absent": true}` |
/// | a listing | `{"listing": [{"key", "lastModified"}, …], "prefixes": ["…"], "date": "…"}` |
/// | a queue | `{"ahead": 3}`, or `{"ahead": 0}` where the claim has its turn |
/// | bytes | `{"bytes": "<base64>", "etag": "…", "date": "…"}`, or `{"absent": true, "date": "…"}` |
///
/// `date` is the `Date` header of the store's answer, or the same in RFC 3339. A value in `data` of a Secret may be
/// null, and so may `data`: the value was removed and is not known.
#[derive(Clone, Default)]
pub(crate) struct Seen(Map<String, Value>);

/// An answer to one read.
pub(crate) enum Found<T> {
    /// It was not read, or the answer is invalid.
    Unread(Failure),
    /// It does not exist.
    Absent,
    /// It exists.
    Is(T),
}

/// An object of the store.
pub(crate) struct Bytes<'a> {
    /// The content of the object.
    pub data: Vec<u8>,
    /// The entity tag of the object, for a conditional write.
    pub etag: Option<&'a str>,
}

/// The complete listing below a prefix of the store.
pub(crate) struct Listing<'a> {
    /// The keys below the prefix, without the prefix, and when each was written.
    pub objects: Vec<(&'a str, Timestamp)>,
    /// The folders directly below the prefix, without the prefix and the trailing slash.
    pub folders: Vec<&'a str>,
    /// When the listing was read, by the store's clock.
    pub as_of: Timestamp,
}

impl Seen {
    /// Reads the answers from JSON.
    ///
    /// # Errors
    ///
    /// A role does not exist, or an answer is not an object. The content of an answer is never an error: an invalid one
    /// counts as unread.
    pub(crate) fn from_value(document: Value) -> Result<Seen, Problem> {
        let Value::Object(answers) = document else { return Err(Problem::new("seen", "expected an object")) };
        let names = Role::ALL.map(Role::as_str);
        for (role, answer) in &answers {
            if !names.contains(&role.as_str()) {
                return Err(Problem::new(keyed("seen", role), "unknown role").hint(known_key(role, &names)));
            }
            if !answer.is_object() {
                return Err(Problem::new(keyed("seen", role), "expected an object"));
            }
        }
        Ok(Seen(answers))
    }

    /// Whether there is an answer of any form.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.contains_key(role.as_str())
    }

    /// The object that was asked for. Another object, or something that is not an object of Kubernetes, counts as
    /// unread.
    pub(crate) fn object(&self, role: Role, asked: &ObjectRef) -> Found<&Value> {
        Found::of(self.0.get(role.as_str()), "object", |object| asked.is(object).then_some(object))
    }

    /// The end of a log.
    pub(crate) fn log(&self, role: Role) -> Option<&str> {
        self.0.get(role.as_str())?.get("log")?.as_str()
    }

    /// An object of the store.
    pub(crate) fn bytes(&self, role: Role) -> Found<Bytes<'_>> {
        Bytes::of(self.0.get(role.as_str()))
    }

    /// The listing below `prefix`.
    pub(crate) fn listing(&self, role: Role, prefix: &str) -> Found<Listing<'_>> {
        Listing::of(self.0.get(role.as_str()), prefix)
    }

    /// The number of claims that are ahead in the queue; `None` where the claim has its turn, or need not wait.
    pub(crate) fn ahead(&self) -> Option<u32> {
        let ahead = self.0.get(Role::Queue.as_str())?.get("ahead").and_then(Value::as_u64).unwrap_or(u64::MAX);
        (ahead > 0).then(|| u32::try_from(ahead).unwrap_or(u32::MAX))
    }
}

/// A moment as the store's header has it, or in RFC 3339.
fn date(text: &str) -> Option<Timestamp> {
    Timestamp::parse_http(text).or_else(|| Timestamp::parse(text))
}

impl<'a> Bytes<'a> {
    /// The object of the store in an answer.
    pub(crate) fn of(answer: Option<&'a Value>) -> Found<Self> {
        let etag = answer.and_then(|answer| answer.get("etag")?.as_str());
        Found::of(answer, "bytes", |bytes| Some(Bytes { data: STANDARD.decode(bytes.as_str()?).ok()?, etag }))
    }
}

impl<'a> Listing<'a> {
    /// The listing below `prefix` in an answer.
    pub(crate) fn of(answer: Option<&'a Value>, prefix: &str) -> Found<Self> {
        Found::of(answer, "listing", |objects| {
            let answer = answer?;
            let is_whole = answer.get("truncated").is_none_or(|truncated| truncated == false);
            let objects = objects.as_array()?.iter().map(|object| {
                let written = Timestamp::parse(object.get("lastModified")?.as_str()?)?;
                Some((object.get("key")?.as_str()?.strip_prefix(prefix)?, written))
            });
            let folders = answer.get("prefixes").and_then(Value::as_array).into_iter().flatten();
            let folders = folders.map(|folder| folder.as_str()?.strip_prefix(prefix)?.strip_suffix('/'));
            is_whole.then_some(Listing {
                objects: objects.collect::<Option<_>>()?,
                folders: folders.collect::<Option<_>>()?,
                as_of: answer.get("date")?.as_str().and_then(date)?,
            })
        })
    }

    /// Whether the listing is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.folders.is_empty()
    }

    /// Whether the listing contains an object of this name.
    pub(crate) fn has_object(&self, name: &str) -> bool {
        self.objects.iter().any(|(key, _)| *key == name)
    }

    /// Whether the listing contains a folder of this name.
    pub(crate) fn has_folder(&self, name: &str) -> bool {
        self.folders.contains(&name)
    }
}

impl<T> Found<T> {
    /// What an answer of this form contains; `read` reads its value.
    fn of<'a>(answer: Option<&'a Value>, form: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Found<T> {
        let Some(answer) = answer else { return Found::Unread(Failure::NotTried) };
        if let Some(failure) = answer.get("failed") {
            return Found::Unread(failure.as_str().and_then(Failure::parse).unwrap_or(Failure::Malformed));
        }
        match answer.get(form) {
            Some(value) => read(value).map_or(Found::Unread(Failure::Malformed), Found::Is),
            None if answer.get("absent").is_some_and(|absent| absent == true) => Found::Absent,
            None => Found::Unread(Failure::Malformed),
        }
    }

    /// What was found; `None` where it is absent or unread.
    pub(crate) fn found(self) -> Option<T> {
        match self {
            Found::Is(found) => Some(found),
            Found::Absent | Found::Unread(_) => None,
        }
    }
}
