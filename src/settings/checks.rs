//! What settings may not say, although each value alone can be read: what could never be safe, or never work.

use std::borrow::Cow;

use super::{
    AccessMode, BackupSettings, CopyMethod, CredentialKind, Gate, MetadataSettings, MoverSettings, Profile,
    RestoreMode, Settings,
};
use crate::mover::restic::MoverKey;
use crate::names;
use crate::part::Part;
use crate::problem::{Problem, keyed};
use crate::schedule::Schedule;
use crate::template::IdentityPart::{self, Name, Namespace, Text};
use crate::template::Template;

impl Settings {
    /// What may not be as it is, although each value alone is readable.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        self.check_selection(&mut found);
        self.check_refused_labels(&mut found);
        self.check_identities(&mut found);
        self.check_credentials(&mut found);
        self.check_volumes(&mut found);
        self.backup.check(&mut found);
        self.metadata.check(&mut found);
        found
    }

    fn check_selection(&self, found: &mut Vec<Problem>) {
        if !names::is_qualified(&self.label) {
            found.push(Problem::new("settings.label", "is not a valid label key").hint("write a key such as `backup`"));
        }
        for (value, schedule) in &self.schedules {
            let path = keyed("settings.schedules", value);
            if value.is_empty() || !names::is_label_value(value) {
                found.push(Problem::new(&path, "the key is not a valid label value"));
            }
            if let Some(Err(wrong)) = schedule.literal().map(|text| Schedule::parse(text, "", "")) {
                found.push(Problem::new(&path, wrong.to_string()));
            }
        }
        if let Some(namespace) = self.exclude_namespaces.iter().find(|name| !names::is_label(name)) {
            let message = format!("`{}` is not a valid namespace name", namespace.escape_default());
            found.push(Problem::new("settings.excludeNamespaces", message));
        }
    }

    fn check_refused_labels(&self, found: &mut Vec<Problem>) {
        for (nth, label) in self.refuse_labels.iter().enumerate() {
            // The defaults are labels.
            let Cow::Owned(label) = label else { continue };
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            if !names::is_qualified(key) || !names::is_label_value(value) {
                let problem = Problem::new(format!("settings.refuseLabels[{nth}]"), "is not a label");
                found.push(problem.hint("write a key such as `strimzi.io/cluster`, or `key=value`"));
            } else if key == self.label {
                let message = "would reject every claim with that label";
                found.push(Problem::new(format!("settings.refuseLabels[{nth}]"), message).hint("remove it"));
            }
        }
    }

    /// Two claims must never share a repository, nor a name within a namespace.
    fn check_identities(&self, found: &mut Vec<Problem>) {
        let path = "settings.repositoryPath";
        let hint = "write path segments, one with `{{ request.namespace }}` and one with `{{ request.name }}`";
        match self.repository_path.segments() {
            Err(message) => found.push(Problem::new(path, message).hint(hint)),
            Ok(segments) => {
                let alone = |wanted| {
                    let varies = |part: &&IdentityPart| !matches!(part, Text(_));
                    segments.iter().any(|segment| segment.iter().filter(varies).eq([&wanted]))
                };
                if !(alone(Namespace) && alone(Name)) {
                    let message =
                        "two claims could share one repository: the path must contain the namespace and the name";
                    found.push(Problem::new(path, message).hint(hint));
                }
            }
        }
        for part in Part::ALL {
            let (name, path) = (self.names.of(part), format!("settings.names.{}", part.as_str()));
            if name.parts().iter().filter(|part| **part == Name).count() != 1 {
                let message = "two claims of a namespace could share one object: it must contain the claim's name once";
                found.push(Problem::new(path, message).hint("write `{{ request.name }}` with text around it"));
            } else if !names::is_subdomain(&name.render("n", "n")) {
                let message = "does not give a valid object name: use lower case letters, digits, `-` and `.`";
                found.push(Problem::new(path, message));
            }
        }
    }

    fn check_credentials(&self, found: &mut Vec<Problem>) {
        if self.credentials.host_secret.as_deref().is_some_and(|name| !names::is_subdomain(name)) {
            found.push(Problem::new("settings.credentials.hostSecret", "is not a valid name of a Secret"));
        }
        let path = "settings.credentials.externalSecret";
        match (self.credentials.kind, &self.credentials.external_secret) {
            (CredentialKind::Secret, None) => {}
            (CredentialKind::Secret, Some(_)) => {
                found.push(Problem::new(path, "is valid only with `kind: ExternalSecret`"));
            }
            (CredentialKind::ExternalSecret, None) => {
                found.push(Problem::new(path, "is missing; `kind: ExternalSecret` needs it"));
            }
            (CredentialKind::ExternalSecret, Some(external)) => {
                for key in [MoverKey::REPOSITORY, MoverKey::PASSWORD] {
                    if !external.data.contains_key(&key) {
                        found.push(Problem::new(format!("{path}.data"), format!("`{}` is missing", key.as_str())));
                    }
                }
            }
        }
    }

    fn check_volumes(&self, found: &mut Vec<Problem>) {
        if self.restore.copy_method == CopyMethod::Clone {
            let message = "VolSync cannot restore by clone: the restore would never finish";
            found.push(Problem::new("settings.restore.copyMethod", message).hint("write `Snapshot`"));
        }
        found.extend((self.restore.max_concurrent == 0).then(|| never_runs("settings.restore.maxConcurrent")));
        self.check_populates("settings.restore.copyMethod", Some(self.restore.mode), found);
        for (name, class) in &self.storage_classes {
            let path = keyed("settings.storageClasses", name);
            self.check_populates(&format!("{path}.restore"), class.restore, found);
            if class.volume_snapshot_class_name.as_deref().is_some_and(|name| !names::is_subdomain(name)) {
                found.push(Problem::new(format!("{path}.volumeSnapshotClassName"), "is not a valid class name"));
            }
        }
        if self.profile == Profile::Seed && self.gate == Gate::Evidence {
            let message = "the profile `seed` has no gate, because it does not restore the claim";
            found.push(Problem::new("settings.gate", message).hint("leave it out, or write `profile: default`"));
        }
        self.check_classes(found);
        let modes = [
            ("restore.accessModes", &self.restore.access_modes),
            ("restore.cacheAccessModes", &self.restore.cache_access_modes),
            ("backup.cacheAccessModes", &self.backup.cache_access_modes),
        ];
        for (key, modes) in modes {
            if modes.as_ref().is_some_and(|modes| modes.iter().all(|mode| *mode == AccessMode::ReadOnlyMany)) {
                let problem = Problem::new(format!("settings.{key}"), "contains no access mode for writing");
                found.push(problem.hint("leave it out, or add `ReadWriteOnce`"));
            }
        }
        self.mover.check(found);
        if self.mover.service_account.as_deref().is_some_and(|name| !names::is_subdomain(name)) {
            found.push(Problem::new("settings.mover.serviceAccount", "is not a valid name of a service account"));
        }
    }

    /// A class that is no template is the same for every claim.
    fn check_classes(&self, found: &mut Vec<Problem>) {
        for (key, template) in self.classes() {
            if template.as_ref().and_then(Template::literal).is_some_and(|name| !names::is_subdomain(name)) {
                found.push(Problem::new(format!("settings.{key}"), "is not a valid class name"));
            }
        }
    }

    /// VolSync's populator takes snapshots and nothing else; a claim would wait for it for ever.
    fn check_populates(&self, path: &str, mode: Option<RestoreMode>, found: &mut Vec<Problem>) {
        if mode == Some(RestoreMode::Populate) && self.restore.copy_method == CopyMethod::Direct {
            let message = "a claim can be populated only from a snapshot";
            found.push(Problem::new(path, message).hint("write `restore: {copyMethod: Snapshot}`, or `side`"));
        }
    }
}

/// The problem of a limit that is zero.
fn never_runs(path: &str) -> Problem {
    Problem::new(path, "with 0, no claim would ever have its turn").hint("write 1 or more")
}

impl BackupSettings {
    fn check(&self, found: &mut Vec<Problem>) {
        if i32::try_from(self.prune_interval_days).is_err() {
            let problem = Problem::new("settings.backup.pruneIntervalDays", "is more than the CRD of VolSync allows");
            found.push(problem.hint("write a number of days, such as 10"));
        }
        if self.prune_interval_days == 0 {
            let message = "0 would prune after every backup, and an aged-out snapshot could never be put back";
            found.push(Problem::new("settings.backup.pruneIntervalDays", message).hint("write 1 or more"));
        }
        found.extend(self.retain.problem("settings.backup.retain"));
        found.extend((self.max_concurrent_first == 0).then(|| never_runs("settings.backup.maxConcurrentFirst")));
    }
}

impl MoverSettings {
    /// The ids of a pod end where Kubernetes' do (pkg/apis/core/validation of Kubernetes).
    fn check(&self, found: &mut Vec<Problem>) {
        let Some(context) = &self.security_context else { return };
        let one =
            [("runAsUser", context.run_as_user), ("runAsGroup", context.run_as_group), ("fsGroup", context.fs_group)];
        let groups = context.supplemental_groups.iter().flatten().map(|id| ("supplementalGroups", Some(*id)));
        for (key, id) in one.into_iter().chain(groups) {
            if id.is_some_and(|id| i32::try_from(id).is_err()) {
                let path = format!("settings.mover.securityContext.{key}");
                found.push(Problem::new(path, "is not a valid id").hint("write 0 to 2147483647"));
            }
        }
    }
}

impl MetadataSettings {
    fn check(&self, found: &mut Vec<Problem>) {
        let keys = (self.labels.keys().map(|key| ("labels", key)))
            .chain(self.annotations.keys().map(|key| ("annotations", key)));
        for (section, key) in keys {
            let path = keyed(&format!("settings.metadata.{section}"), key);
            if !names::is_qualified(key) {
                found.push(Problem::new(path, "is not a valid key of a label or annotation"));
            } else if key == names::MANAGED_BY || key.starts_with(names::PREFIX) {
                found.push(Problem::new(path, "is reserved for this policy"));
            }
        }
        for (key, value) in &self.labels {
            if value.literal().is_some_and(|value| !names::is_label_value(value)) {
                found.push(Problem::new(keyed("settings.metadata.labels", key), "is not a valid label value"));
            }
        }
    }
}
