//! The protection of one claim: every name, class and schedule of its manifests, or why the claim cannot be protected.

use serde_json::Value;

use crate::claim::{Claim, DataSourceRef, DroppedSource};
use crate::eligibility::{Eligibility, Refusal};
use crate::evidence::DataSource;
use crate::names;
use crate::part::{Names, Part};
use crate::problem::{Problem, keyed, one_of};
use crate::quantity::Quantity;
use crate::request::Request;
use crate::schedule::Schedule;
use crate::settings::{
    AccessMode, CopyMethod, FsGroupChangePolicy, RestoreMode, SecurityContext, Settings, StorageClassSettings,
};
use crate::template::{Scope, Template};
use crate::vec_map::VecMap;

/// The protection of one claim.
pub(crate) struct Protection<'a> {
    pub claim: &'a Claim,
    /// The claim's name.
    pub name: &'a str,
    pub settings: &'a Settings,
    pub names: Names,
    /// The storage that the claim requests.
    pub request: &'a Quantity,
    /// The path of the claim's repository below the base repository.
    pub repository_path: String,
    /// The manual trigger of the claim's restore, which runs once.
    pub trigger: String,
    pub schedule: Schedule,
    /// Where the claim's data is restored to; `None` where the claim has another data source.
    pub restore_mode: RestoreMode,
    /// Whether the claim should have had to wait for its restore, and was stored without a data source.
    pub missed_admission: bool,
    /// The access modes of the volume that the mover restores into.
    pub access_modes: Vec<AccessMode>,
    pub backup_copy_method: CopyMethod,
    pub restore: Classes,
    pub backup: Classes,
    pub security_context: Option<SecurityContext>,
    pub service_account: Option<String>,
    /// Which claims come first in a queue: those with a higher number.
    pub priority: i32,
    pub labels: VecMap<String, String>,
    pub annotations: VecMap<String, String>,
}

/// The classes that a restore or a backup uses.
pub(crate) struct Classes {
    pub storage_class_name: Option<String>,
    pub volume_snapshot_class_name: Option<String>,
    pub cache_storage_class_name: Option<String>,
}

/// The problem that the claim had before `request`, where it had one.
pub(crate) fn problem_before(request: &Request, settings: &Settings) -> Option<Problem> {
    let mut document = request.document.clone();
    let old = document.get_mut("oldObject").map(Value::take)?;
    document.as_object_mut()?.insert("object".to_owned(), old);
    Protection::of_subject(&request.before, &document, request, settings).problem().cloned()
}

impl<'a> Protection<'a> {
    /// The protection of the claim that `request` is about, where it can be protected.
    pub(crate) fn of(request: &'a Request, settings: &'a Settings) -> Eligibility<Self> {
        Protection::of_subject(&request.subject, &request.document, request, settings)
    }

    fn of_subject(
        subject: &'a Eligibility<Claim>,
        document: &Value,
        request: &'a Request,
        settings: &'a Settings,
    ) -> Eligibility<Self> {
        subject.and_then(|claim| {
            let Some(schedule) = settings.schedules.get(claim.label.as_str()) else {
                let values = one_of(settings.schedules.keys().map(String::as_str));
                let path = keyed("metadata.labels", &settings.label);
                let problem = Problem::new(path, "the value names no schedule").hint(format!("write {values}"));
                return Eligibility::Refused(Refusal::LabelInvalid(problem));
            };
            let Some(name) = &claim.name else { return Eligibility::Unnamed };
            match Protection::render(request, document, claim, name, schedule, settings) {
                Ok(protection) => Eligibility::Eligible(Box::new(protection)),
                Err(problem) => Eligibility::Refused(Refusal::VolumeUnsupported(problem)),
            }
        })
    }

    fn render(
        request: &'a Request,
        document: &Value,
        claim: &'a Claim,
        name: &'a str,
        schedule: &Template,
        settings: &'a Settings,
    ) -> Result<Self, Problem> {
        let storage = servable_request(claim, settings)?;
        check_source(claim)?;
        let namespace = claim.namespace.as_str();
        let class = class_settings(claim, settings);
        let source = source(claim, name, settings);
        let mode = restore_mode(claim, &source, settings)?;
        let names = names_of(claim, name, settings);
        check_names(name, &names, mode)?;
        let missed_admission = mode == RestoreMode::Populate && source == DataSourceRef::None && claim.uid.is_some();
        // From a ReplicationDestination that it does not name, it could never bind.
        let restore_mode = if missed_admission { RestoreMode::None } else { mode };

        let scope = Scope::new(document);
        let class_name = |template: &Option<Template>, path: &str| {
            let Some(template) = template else { return Ok(None) };
            let name = template.render(&scope).map_err(|failure| failure.at(path.to_owned()))?;
            match names::is_subdomain(&name) {
                true => Ok(Some(name.into_owned())),
                false => Err(Problem::new(path, "does not give a valid class name for this claim")),
            }
        };
        let (restore, backup) = (&settings.restore, &settings.backup);
        // The setting for a storage class takes precedence over the general one.
        let snapshot_class = |general, path| match class.and_then(|class| class.volume_snapshot_class_name.clone()) {
            Some(name) => Ok(Some(name)),
            None => class_name(general, path),
        };
        let mut labels = VecMap::new();
        for (key, template) in &settings.metadata.labels {
            let path = || keyed("settings.metadata.labels", key);
            let value = template.render(&scope).map_err(|failure| failure.at(path()))?;
            if !names::is_label_value(&value) {
                return Err(Problem::new(path(), "does not give a valid label value for this claim"));
            }
            labels.insert(key.clone(), value.into_owned());
        }
        let mut annotations = VecMap::new();
        for (key, template) in &settings.metadata.annotations {
            let path = || keyed("settings.metadata.annotations", key);
            let value = template.render(&scope).map_err(|failure| failure.at(path()))?;
            annotations.insert(key.clone(), value.into_owned());
        }
        let path = || keyed("settings.schedules", &claim.label);
        let schedule = schedule.render(&scope).map_err(|failure| failure.at(path()))?;
        let schedule = Schedule::parse(&schedule, namespace, name)
            .map_err(|wrong| Problem::new(path(), format!("does not give a valid schedule for this claim: {wrong}")))?;
        Ok(Protection {
            repository_path: settings.repository_path.render(namespace, name),
            trigger: format!("auto-restore-{}", claim.incarnation(request.uid.as_deref())),
            schedule,
            restore_mode,
            missed_admission,
            access_modes: restore.access_modes.clone().unwrap_or_else(|| writable(claim)),
            backup_copy_method: class.and_then(|class| class.backup_copy_method).unwrap_or(backup.copy_method),
            restore: Classes {
                storage_class_name: class_name(&restore.storage_class_name, "settings.restore.storageClassName")?
                    .or_else(|| claim.storage_class_name.clone()),
                volume_snapshot_class_name: snapshot_class(
                    &restore.volume_snapshot_class_name,
                    "settings.restore.volumeSnapshotClassName",
                )?,
                cache_storage_class_name: class_name(
                    &restore.cache_storage_class_name,
                    "settings.restore.cacheStorageClassName",
                )?,
            },
            backup: Classes {
                storage_class_name: class_name(&backup.storage_class_name, "settings.backup.storageClassName")?,
                volume_snapshot_class_name: snapshot_class(
                    &backup.volume_snapshot_class_name,
                    "settings.backup.volumeSnapshotClassName",
                )?,
                cache_storage_class_name: class_name(
                    &backup.cache_storage_class_name,
                    "settings.backup.cacheStorageClassName",
                )?,
            },
            security_context: security_context(claim, settings)?,
            service_account: service_account(claim, settings)?,
            priority: priority(claim)?,
            labels,
            annotations,
            names,
            request: storage,
            claim,
            name,
            settings,
        })
    }
}

/// The names of a claim's manifests.
pub(crate) fn names_of(claim: &Claim, name: &str, settings: &Settings) -> Names {
    let names = Names::each(|part| settings.names.of(part).render(&claim.namespace, name));
    match source(claim, name, settings) {
        DataSourceRef::Ours(destination) => Names { destination, ..names },
        DataSourceRef::None | DataSourceRef::Foreign => names,
    }
}

/// The data source that a claim names; `None` for a claim whose name is not known yet.
pub(crate) fn data_source(claim: &Claim, settings: &Settings) -> Option<DataSource> {
    Some(match source(claim, claim.name.as_ref()?, settings) {
        DataSourceRef::None => DataSource::None,
        DataSourceRef::Ours(_) => DataSource::Ours,
        DataSourceRef::Foreign => DataSource::Foreign,
    })
}

/// The storage that the claim requests.
///
/// # Errors
///
/// VolSync's restic mover cannot back up or restore the claim, or the claim belongs to an operator that settings
/// refuse.
fn servable_request<'a>(claim: &'a Claim, settings: &Settings) -> Result<&'a Quantity, Problem> {
    let is_refused = |group: &&String| settings.refuse_owners.iter().any(|refused| refused == *group);
    if let Some(group) = claim.owner_groups.iter().find(is_refused) {
        let message = format!("the claim is owned by an operator of `{group}`, which cannot use restored files");
        return Err(Problem::new("metadata.ownerReferences", message).hint("use that operator's own backups"));
    }
    if let Some(label) = &claim.refused_label {
        let message = "the claim belongs to an operator that cannot use restored files";
        return Err(Problem::new(keyed("metadata.labels", label), message).hint("use that operator's own backups"));
    }
    if claim.block {
        return Err(Problem::new("spec.volumeMode", "restic cannot back up block devices").hint("use `Filesystem`"));
    }
    let request = claim.request.as_ref().ok_or_else(|| {
        let problem = Problem::new("spec.resources.requests.storage", "is missing, or not a quantity above zero");
        problem.hint("write the size to restore into, such as `1Gi`")
    })?;
    if claim.access_modes.is_empty() {
        return Err(Problem::new("spec.accessModes", "is missing").hint("write `[ReadWriteOnce]`"));
    }
    if writable(claim).is_empty() {
        let problem = Problem::new("spec.accessModes", "a volume that cannot be written to cannot be restored");
        return Err(problem.hint("add `ReadWriteOnce`"));
    }
    Ok(request)
}

/// Checks that API servers keep the data source of a claim that is created.
fn check_source(claim: &Claim) -> Result<(), Problem> {
    let problem = match claim.dropped_source.filter(|_| claim.uid.is_none()) {
        None => return Ok(()),
        Some(DroppedSource::Legacy) => {
            let message = "API servers drop a data source from this field that is neither a claim nor a VolumeSnapshot";
            Problem::new("spec.dataSource", message).hint("write it as `spec.dataSourceRef`")
        }
        Some(DroppedSource::Namespaced) => {
            let message =
                "API servers drop a data source with a namespace, and VolSync looks in that of the claim only";
            Problem::new("spec.dataSourceRef.namespace", message).hint("remove it")
        }
    };
    Err(problem)
}

/// The access modes that allow a mover to write.
fn writable(claim: &Claim) -> Vec<AccessMode> {
    let modes = claim.access_modes.iter().filter_map(|mode| AccessMode::parse(mode));
    modes.filter(|mode| *mode != AccessMode::ReadOnlyMany).collect()
}

/// The data source of the claim. A ReplicationDestination whose name is that of another claim's is foreign: to render
/// it for this claim would point the other claim's restore at the wrong repository. One with a name of its own is a
/// person's if the policy does not restore the claim.
fn source(claim: &Claim, name: &str, settings: &Settings) -> DataSourceRef {
    let destination = settings.names.destination.render(&claim.namespace, name);
    match &claim.data_source {
        DataSourceRef::Ours(named)
            if *named != destination
                && (settings.names.destination.name_in(named, &claim.namespace).is_some()
                    || asked_mode(claim, settings) != RestoreMode::Populate) =>
        {
            DataSourceRef::Foreign
        }
        source => source.clone(),
    }
}

/// Where the claim's data would be restored to, whatever its data source.
fn asked_mode(claim: &Claim, settings: &Settings) -> RestoreMode {
    match restore_annotation(claim) {
        Ok(Restore::Skip) => RestoreMode::None,
        Ok(Restore::AsSettings) | Err(_) => {
            class_settings(claim, settings).and_then(|class| class.restore).unwrap_or(settings.restore.mode)
        }
    }
}

fn class_settings<'a>(claim: &Claim, settings: &'a Settings) -> Option<&'a StorageClassSettings> {
    claim.storage_class_name.as_ref().and_then(|class| settings.storage_classes.get(class))
}

/// Where the claim's data is restored to.
fn restore_mode(claim: &Claim, source: &DataSourceRef, settings: &Settings) -> Result<RestoreMode, Problem> {
    if claim.annotation(names::RESTORE_FROM).is_some() {
        return Err(wrong_annotation(
            names::RESTORE_FROM,
            "restoring from another claim's repository is not supported",
        ));
    }
    restore_annotation(claim)?;
    match (asked_mode(claim, settings), source) {
        (RestoreMode::Populate, DataSourceRef::Foreign) => Ok(RestoreMode::None),
        (RestoreMode::Populate, DataSourceRef::None) if claim.fixed_volume => Ok(RestoreMode::None),
        (RestoreMode::Side | RestoreMode::None, DataSourceRef::Ours(_)) if claim.uid.is_none() => {
            let problem =
                Problem::new("spec.dataSourceRef", "the claim would stay Pending: nothing is restored into it");
            Err(problem.hint("remove it"))
        }
        // A stored claim waits for the ReplicationDestination that it names, whatever changed since.
        (_, DataSourceRef::Ours(_)) => Ok(RestoreMode::Populate),
        (mode, DataSourceRef::None | DataSourceRef::Foreign) => Ok(mode),
    }
}

/// Checks that the names are short enough for the names that VolSync derives from them.
fn check_names(name: &str, names: &Names, mode: RestoreMode) -> Result<(), Problem> {
    if mode == RestoreMode::Populate && name.len() > names::LONGEST_POPULATED {
        let message = format!(
            "VolSync cannot populate a claim whose name is longer than {} characters",
            names::LONGEST_POPULATED
        );
        return Err(Problem::new("metadata.name", message).hint("use a shorter name, or restore `mode: side`"));
    }
    if !names::is_subdomain(&names.destination) && mode != RestoreMode::None {
        return Err(Problem::new("spec.dataSourceRef.name", "is not a valid object name"));
    }
    for part in Part::ALL {
        let is_made = part != Part::Destination || mode != RestoreMode::None;
        if is_made && names.of(part).len() > part.longest_name() {
            let message = format!(
                "the name of its {} would exceed the {} characters that leave room for derived names",
                part.kind(),
                part.longest_name()
            );
            return Err(Problem::new("metadata.name", message).hint("use a shorter name"));
        }
    }
    Ok(())
}

enum Restore {
    AsSettings,
    Skip,
}

/// The annotation `volsync-policy.io/restore: skip <reason>`.
fn restore_annotation(claim: &Claim) -> Result<Restore, Problem> {
    match claim.annotation(names::RESTORE).map(|value| value.split_once(char::is_whitespace)) {
        None => Ok(Restore::AsSettings),
        Some(Some(("skip", reason))) if !reason.trim().is_empty() => Ok(Restore::Skip),
        Some(_) => Err(wrong_annotation(names::RESTORE, "expected `skip <reason>`")),
    }
}

/// The security context of the mover: the claim's annotations override the settings.
fn security_context(claim: &Claim, settings: &Settings) -> Result<Option<SecurityContext>, Problem> {
    let id = |key: &str| match claim.annotation(key) {
        None => Ok(None),
        Some(value) => match value.parse::<u32>() {
            Ok(id) if i32::try_from(id).is_ok() => Ok(Some(id)),
            _ => Err(wrong_annotation(key, "expected a whole number, zero or more")),
        },
    };
    let (user, group, fs_group) = (id(names::RUN_AS_USER)?, id(names::RUN_AS_GROUP)?, id(names::FS_GROUP)?);
    if settings.mover.security_context.is_none() && user.or(group).or(fs_group).is_none() {
        return Ok(None);
    }
    let mut context = settings.mover.security_context.clone().unwrap_or_default();
    context.run_as_user = user.or(context.run_as_user);
    context.run_as_group = group.or(context.run_as_group);
    context.fs_group = fs_group.or(context.fs_group);
    if context.fs_group.is_some() && context.fs_group_change_policy.is_none() {
        context.fs_group_change_policy = Some(FsGroupChangePolicy::OnRootMismatch);
    }
    Ok(Some(context))
}

fn service_account(claim: &Claim, settings: &Settings) -> Result<Option<String>, Problem> {
    match claim.annotation(names::MOVER_SERVICE_ACCOUNT) {
        None => Ok(settings.mover.service_account.clone()),
        Some(name) if names::is_subdomain(name) => Ok(Some(name.to_owned())),
        Some(_) => Err(wrong_annotation(names::MOVER_SERVICE_ACCOUNT, "is not a valid name of a service account")),
    }
}

fn priority(claim: &Claim) -> Result<i32, Problem> {
    let number = claim.annotation(names::PRIORITY).map_or(Ok(0), str::parse);
    number.map_err(|_| wrong_annotation(names::PRIORITY, "expected a whole number, such as `10` or `-10`"))
}

fn wrong_annotation(key: &str, message: &str) -> Problem {
    Problem::new(keyed("metadata.annotations", key), message)
}
