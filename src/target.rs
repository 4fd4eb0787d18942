//! Targets: the objects of the cluster and the keys of the store that belong to one claim.

use serde_json::Value;

use crate::address::{ObjectRef, StoreRef, Through};
use crate::credentials::{Credentials, SecretBytes};
use crate::document::text;
use crate::evidence::{Digest, Failure};
use crate::ledger::{self, Numbers};
use crate::mover::restic::{MoverKey, S3Address, layout};
use crate::names::{EXTERNAL_SECRETS_VERSION, SNAPSHOT_VERSION, destination_job, populator};
use crate::part::{Names, Part};
use crate::protection;
use crate::request::Request;
use crate::role::Role;
use crate::seen::{Found, Seen};
use crate::settings::Settings;

/// The objects and keys that belong to one claim.
pub(crate) struct Target {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name.
    pub name: String,
    /// The claim's uid, where the request has one.
    pub uid: Option<String>,
    /// The names of the claim's manifests.
    pub names: Names,
    /// Whether an ExternalSecret creates the claim's Secret.
    pub is_external: bool,
    /// The path of the claim's repository below the base repository.
    pub repository_path: String,
    /// The address of the base repository, where the base credentials name one.
    base: Option<SecretBytes>,
    /// The address of the repository in the rendered Secret, where that is known.
    rendered: Option<SecretBytes>,
    /// The address of the base repository, where the host has a key of its own for its bucket.
    of_host: Option<S3Address>,
}

/// A place in a store: that of a repository, or that of the base repository, below which the ledger and all
/// repositories are.
pub(crate) struct Place {
    through: Through,
    /// The prefix of every key: empty, or folders with a slash after each.
    prefix: String,
}

impl Target {
    /// What belongs to the claim that `request` is about; `None` where it is about no claim, or about one without a
    /// name.
    pub(crate) fn of(request: &Request, settings: &Settings, credentials: Option<&Credentials>) -> Option<Self> {
        let claim = request.claim(settings)?;
        let name = claim.name.as_ref()?;
        let repository_path = settings.repository_path.render(&claim.namespace, name);
        let base = credentials.and_then(Credentials::base);
        let has_host_key = settings.credentials.host_secret.is_some();
        Some(Target {
            names: protection::names_of(&claim, name, settings),
            is_external: settings.credentials.external_secret.is_some(),
            of_host: base.as_ref().filter(|_| has_host_key).and_then(|base| address(base).ok()),
            base,
            rendered: credentials.and_then(|base| base.repository(&repository_path)),
            namespace: claim.namespace.clone(),
            name: name.clone(),
            uid: claim.uid.clone(),
            repository_path,
        })
    }

    /// The address of the object of a role; `None` where the object that names it was not found.
    pub(crate) fn object(&self, role: Role, seen: &Seen) -> Option<ObjectRef> {
        let of = |version, kind, name: &str| Some(ObjectRef::new(version, kind, Some(&self.namespace), name));
        let of_cluster = |kind, name: &str| Some(ObjectRef::new("v1", kind, None, name));
        let manifest = |part: Part| of(part.api_version(), part.kind(), self.names.of(part));
        let named = |role, path: &[&str]| {
            let name = text(self.found(role, seen)?, path);
            (!name.is_empty()).then_some(name)
        };
        match role {
            Role::Cluster => of_cluster("Namespace", "kube-system"),
            Role::Namespace => of_cluster("Namespace", &self.namespace),
            Role::Claim => of("v1", "PersistentVolumeClaim", &self.name),
            Role::Volume => of_cluster("PersistentVolume", named(Role::Claim, &["spec", "volumeName"])?),
            Role::Populator => of("v1", "PersistentVolumeClaim", &populator(named(Role::Claim, &["metadata", "uid"])?)),
            Role::Destination => manifest(Part::Destination),
            Role::Source | Role::SourceAgain => manifest(Part::Source),
            Role::Secret => manifest(Part::Secret),
            Role::ExternalSecret => of(EXTERNAL_SECRETS_VERSION, "ExternalSecret", &self.names.secret),
            Role::DestinationJob | Role::DestinationLog => {
                of("batch/v1", "Job", &destination_job(&self.names.destination))
            }
            Role::Image => {
                of(SNAPSHOT_VERSION, "VolumeSnapshot", named(Role::Destination, &["status", "latestImage", "name"])?)
            }
            Role::Marker
            | Role::Entries
            | Role::Entry
            | Role::LiveMarker
            | Role::LiveEntries
            | Role::LiveEntry
            | Role::Repository
            | Role::RepositoryAgain
            | Role::Config
            | Role::Snapshots
            | Role::Locks
            | Role::Queue => None,
        }
    }

    /// The role in which the object of a manifest is read.
    pub(crate) fn role(&self, part: Part) -> Role {
        match part {
            Part::Secret if self.is_external => Role::ExternalSecret,
            part => part.role(),
        }
    }

    /// The object that was found for a role.
    pub(crate) fn found<'a>(&self, role: Role, seen: &'a Seen) -> Option<&'a Value> {
        seen.object(role, &self.object(role, seen)?).found()
    }

    /// The key of the store that a role reads.
    ///
    /// # Errors
    ///
    /// The address of the repository is not known, or is not on S3.
    pub(crate) fn key(&self, role: Role, seen: &Seen) -> Result<StoreRef, Failure> {
        let key = match role {
            Role::Marker => self.ledger(seen)?.key(ledger::MARKER),
            Role::Entries => self.ledger(seen)?.key(&ledger::numbered(&self.repository_path)),
            Role::Entry => self.entry(Role::Marker, Role::Entries, &self.ledger(seen)?, seen)?,
            Role::LiveMarker => self.live_ledger(seen)?.key(ledger::MARKER),
            Role::LiveEntries => self.live_ledger(seen)?.key(&ledger::numbered(&self.repository_path)),
            Role::LiveEntry => self.entry(Role::LiveMarker, Role::LiveEntries, &self.live_ledger(seen)?, seen)?,
            Role::Config => self.repository(seen)?.key(layout::CONFIG),
            Role::Snapshots => self.repository(seen)?.folder(layout::SNAPSHOTS),
            Role::Locks => self.repository(seen)?.folder(layout::LOCKS),
            _ => self.repository(seen)?.key(""),
        };
        Ok(key)
    }

    /// The key of the claim's entry in the ledger at `place`, as the marker says how entries are stored there.
    ///
    /// # Errors
    ///
    /// The marker was not read, or entries are numbered and there is none, or they could not be listed.
    fn entry(&self, marker: Role, entries: Role, place: &Place, seen: &Seen) -> Result<StoreRef, Failure> {
        if !is_numbered(marker, seen).ok_or(Failure::NotTried)? {
            return Ok(place.key(&ledger::entry_key(&self.repository_path)));
        }
        let folder = place.key(&ledger::numbered(&self.repository_path));
        let cluster = self.found(Role::Cluster, seen).map(|it| text(it, &["metadata", "uid"])).unwrap_or_default();
        let numbers = numbers(entries, &folder, seen)?;
        let entry = numbers.entry_for(cluster).ok_or(Failure::NotTried)?;
        Ok(StoreRef { key: format!("{}{}", folder.key, entry.name), ..folder })
    }

    /// The place of the repository in the claim's Secret: the Secret in the cluster, or else the rendered one.
    ///
    /// # Errors
    ///
    /// The address is not known, or is not on S3.
    pub(crate) fn repository(&self, seen: &Seen) -> Result<Place, Failure> {
        match (self.live(seen)?, &self.rendered) {
            (Some(live), _) => self.place(Through::Secret, &live),
            (None, Some(rendered)) => self.place(Through::Base, rendered),
            (None, None) => Err(Failure::NotTried),
        }
    }

    /// The place of the base repository, below which the ledger is. Without base credentials it follows from the
    /// repository in the claim's Secret.
    ///
    /// # Errors
    ///
    /// The address is not known, or is not on S3.
    pub(crate) fn ledger(&self, seen: &Seen) -> Result<Place, Failure> {
        if let Some(base) = &self.base {
            return self.place(Through::Base, base);
        }
        self.repository(seen)?;
        self.beside_repository(seen).ok_or(Failure::NotTried)
    }

    /// The place of the ledger beside the repository that the live Secret names, where that is not the rendered one:
    /// while settings move the base repository, a take-over is recorded there.
    ///
    /// # Errors
    ///
    /// There is no such place, or its address is not known.
    fn live_ledger(&self, seen: &Seen) -> Result<Place, Failure> {
        let rendered = self.rendered_address().ok_or(Failure::NotTried)?;
        let is_moved = self.live(seen)?.is_some() && self.judged_address(seen) != Some(rendered);
        self.beside_repository(seen).filter(|_| is_moved).ok_or(Failure::NotTried)
    }

    /// The SHA-256 of the address of the repository in the rendered Secret, where that is known.
    pub(crate) fn rendered_address(&self) -> Option<Digest> {
        self.rendered.as_ref().map(|rendered| Digest::of(rendered.reveal()))
    }

    /// The SHA-256 of the address of the repository that is read: that of the Secret in the cluster, or else that of
    /// the rendered one.
    pub(crate) fn judged_address(&self, seen: &Seen) -> Option<Digest> {
        match self.live(seen) {
            Ok(Some(live)) => Some(Digest::of(live.reveal())),
            Ok(None) => self.rendered_address(),
            Err(_) => None,
        }
    }

    /// The place of the base repository, where the address of the repository that is read ends in the path that
    /// settings give it.
    pub(crate) fn beside_repository(&self, seen: &Seen) -> Option<Place> {
        let Place { through, prefix } = self.repository(seen).ok()?;
        let prefix = prefix.strip_suffix(&format!("{}/", self.repository_path))?.to_owned();
        Some(Place { through, prefix })
    }

    /// The place of the repository with this address. The host's own key is used in the bucket of the base repository
    /// and in no other, because only there is it known to fit.
    fn place(&self, through: Through, repository: &SecretBytes) -> Result<Place, Failure> {
        let address = address(repository)?;
        let is_of_host = |of_host: &S3Address| of_host.endpoint == address.endpoint && of_host.bucket == address.bucket;
        let through = if self.of_host.as_ref().is_some_and(is_of_host) { Through::Host } else { through };
        Ok(Place::at(through, address))
    }

    /// `RESTIC_REPOSITORY` of the live Secret; nothing where that has none.
    ///
    /// # Errors
    ///
    /// The Secret, or its value, was not read: the mover may use another repository than would be rendered.
    fn live(&self, seen: &Seen) -> Result<Option<SecretBytes>, Failure> {
        let secret = self.object(Role::Secret, seen).ok_or(Failure::NotTried)?;
        match seen.object(Role::Secret, &secret) {
            Found::Is(secret) if SecretBytes::is_taken_out(secret, &MoverKey::REPOSITORY) => Err(Failure::NotTried),
            Found::Is(secret) => Ok(SecretBytes::in_secret(secret, &MoverKey::REPOSITORY)),
            Found::Absent => Ok(None),
            Found::Unread(failure) => Err(failure),
        }
    }
}

impl Place {
    /// The place of the repository with this address.
    ///
    /// # Errors
    ///
    /// The address is not on S3, or is malformed.
    pub(crate) fn of(through: Through, repository: &SecretBytes) -> Result<Self, Failure> {
        Ok(Place::at(through, address(repository)?))
    }

    fn at(through: Through, S3Address { prefix, .. }: S3Address) -> Self {
        let prefix = if prefix.is_empty() { prefix } else { prefix + "/" };
        Place { through, prefix }
    }

    /// The prefix of the keys in a folder below this place.
    pub(crate) fn folder(&self, name: &str) -> StoreRef {
        self.key(&format!("{name}/"))
    }

    /// A key below this place.
    pub(crate) fn key(&self, key: &str) -> StoreRef {
        StoreRef { through: self.through, key: format!("{}{key}", self.prefix) }
    }
}

/// Whether a ledger's entries are numbered, where its marker was read.
pub(crate) fn is_numbered(marker: Role, seen: &Seen) -> Option<bool> {
    let marker = seen.bytes(marker).found()?;
    ledger::read_marker(&marker.data).ok().map(|marker| marker.is_numbered())
}

/// The numbered entries in a folder.
///
/// # Errors
///
/// They could not be listed, or the folder contains something else.
pub(crate) fn numbers<'a>(entries: Role, folder: &StoreRef, seen: &'a Seen) -> Result<Numbers<'a>, Failure> {
    match seen.listing(entries, &folder.key) {
        Found::Is(listing) => {
            Numbers::of(listing.objects.into_iter().map(|(name, _)| name)).map_err(|_| Failure::Malformed)
        }
        Found::Absent => Err(Failure::Malformed),
        Found::Unread(failure) => Err(failure),
    }
}

/// The address of a repository on S3.
fn address(repository: &SecretBytes) -> Result<S3Address, Failure> {
    let repository = str::from_utf8(repository.reveal()).map_err(|_| Failure::Malformed)?;
    if !repository.starts_with("s3:") {
        return Err(Failure::Unsupported);
    }
    S3Address::parse(repository).ok_or(Failure::Malformed)
}
