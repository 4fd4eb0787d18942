//! Names: the representation of the model's numbers in raw objects and in the store.

use std::collections::HashMap;
use std::sync::LazyLock;

use volsync_policy::evidence::{Digest, Timestamp, VolumeId};

use crate::objects::{Id, Path, Prime, Tick};

/// The claim's namespace.
pub(crate) const NAMESPACE: &str = "shop";
/// The claim's name.
pub(crate) const CLAIM: &str = "data";
/// The driver of all volumes.
pub(crate) const DRIVER: &str = "csi.example.com";

/// The uid of an object, the name of an image, or the handle of a volume.
pub(crate) fn uid(id: Id) -> String {
    format!("uid-{id}")
}

/// The number in a [`uid`].
pub(crate) fn number(text: &str) -> Id {
    text.strip_prefix("uid-").and_then(|digits| digits.parse().ok()).expect("a uid of the model")
}

/// The uid of VolSync's own claim, which differs for each image that it is populated from.
pub(crate) fn uid_of_prime(prime: &Prime) -> String {
    format!("prime-{}-{}", prime.claim, prime.image)
}

/// VolSync's own claim with that uid.
pub(crate) fn prime_of(uid: &str) -> Prime {
    let numbers = uid.strip_prefix("prime-").and_then(|numbers| numbers.split_once('-'));
    let number = |digits: &str| digits.parse().expect("a number of the model");
    numbers.map(|(claim, image)| Prime { claim: number(claim), image: number(image) }).expect("a uid of the model")
}

/// The volume of that number.
pub(crate) fn volume(id: Id) -> VolumeId {
    VolumeId { driver: DRIVER.to_owned(), handle: uid(id) }
}

/// The name of a snapshot's object.
pub(crate) fn snapshot(id: Id) -> String {
    format!("{id:08x}{id:056x}")
}

/// The snapshot whose object has that name.
pub(crate) fn snapshot_of(key: &Digest) -> Id {
    Id::from_str_radix(&key.as_str()[62..], 16).expect("a snapshot of the model")
}

/// The content of the `config` of a repository.
pub(crate) fn config(id: Id) -> String {
    format!("config-{id}")
}

/// The fingerprint of the repository of that number.
pub(crate) fn fingerprint(id: Id) -> Digest {
    Digest::of(config(id).as_bytes())
}

/// The repository with that fingerprint.
pub(crate) fn config_of(fingerprint: &Digest) -> Id {
    static ALL: LazyLock<HashMap<Digest, Id>> =
        LazyLock::new(|| (0..=Id::MAX).map(|id| (self::fingerprint(id), id)).collect());
    ALL[fingerprint]
}

/// The directory in the bucket for a base.
pub(crate) fn folder(base: Path) -> &'static str {
    match base {
        Path::Right => "right",
        Path::Wrong => "wrong",
    }
}

/// The base repository.
pub(crate) fn base(path: Path) -> String {
    format!("s3:http://s3.example.com/backups/{}", folder(path))
}

/// The claim's repository below a base.
pub(crate) fn repository(path: Path) -> String {
    format!("{}/{NAMESPACE}/{CLAIM}", base(path))
}

/// The address of the claim's repository below a base.
pub(crate) fn address(path: Path) -> Digest {
    Digest::of(repository(path).as_bytes())
}

/// The one of the two for which something holds.
pub(crate) fn path_where(holds: impl Fn(Path) -> bool) -> Path {
    [Path::Right, Path::Wrong].into_iter().find(|path| holds(*path)).expect("a place of the model")
}

/// When `seconds` before that hour: day, hour, minute and second. The first hour is that of 2026-11-02.
fn moment(tick: Tick, seconds: u32) -> (u32, u32, u32, u32) {
    let second = 24 * 3600 + u32::from(tick) * 3600 - seconds;
    (1 + second / (24 * 3600), second / 3600 % 24, second / 60 % 60, second % 60)
}

/// That hour as RFC 3339 has it.
pub(crate) fn time(tick: Tick) -> String {
    let (day, hour, minute, second) = moment(tick, 0);
    format!("2026-11-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `seconds` before that hour, as the `Date` of an answer has it.
pub(crate) fn date(tick: Tick, seconds: u32) -> String {
    // 2026-11-01 is a Sunday.
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let (day, hour, minute, second) = moment(tick, seconds);
    let name = DAYS[(day as usize - 1) % 7];
    format!("{name}, {day:02} Nov 2026 {hour:02}:{minute:02}:{second:02} GMT")
}

/// That hour.
pub(crate) fn timestamp(tick: Tick) -> Timestamp {
    Timestamp::parse(&time(tick)).expect("RFC 3339")
}

/// The hour of that moment.
pub(crate) fn tick(time: Timestamp) -> Tick {
    static ALL: LazyLock<HashMap<Timestamp, Tick>> =
        LazyLock::new(|| (0..=Tick::MAX).map(|tick| (timestamp(tick), tick)).collect());
    ALL[&time]
}
