//! Admission in CEL: what an API server needs of the settings to answer by itself, without this module.
//!
//! The expressions are those of `harness/host/chart/files/admission.yaml`. They read the settings from variables, which
//! are made here. CEL cannot evaluate JMESPath, so settings with templates are refused.

use serde::Serialize;
use serde_json::json;

use crate::document::parse;
use crate::problem::{Problem, keyed};
use crate::review::ReviewError;
use crate::settings::{RestoreMode, Settings};
use crate::template::Template;
use crate::vec_map::VecMap;

/// The part of settings that admission depends on.
pub struct Terms {
    /// The key of the label that selects a claim.
    pub label: String,
    /// The namespaces in which no claim is selected.
    pub exclude_namespaces: Vec<String>,
    /// Variables, each with a name and a literal of CEL as its expression.
    pub variables: Vec<(&'static str, String)>,
}

impl Terms {
    /// The terms of settings, given as JSON.
    ///
    /// # Errors
    ///
    /// All problems of the settings, each with its path. Templates are problems here.
    pub fn of(settings: &[u8]) -> Result<Terms, ReviewError> {
        let settings = Settings::from_value(parse(settings)?)?;
        let templates = settings.templates();
        if !templates.is_empty() {
            let problem = |path| Problem::new(path, "is a template, which an API server cannot evaluate in CEL");
            let hint = "write plain text, or let a webhook answer at admission";
            return Err(templates.into_iter().map(|path| problem(path).hint(hint)).collect::<Vec<_>>().into());
        }
        let classes = settings.storage_classes.iter().filter_map(|(name, class)| Some((name.clone(), class.restore?)));
        let mut restores = VecMap::<String, RestoreMode>::new();
        restores.extend(classes);
        let variables = vec![
            ("label", literal(&settings.label)),
            ("schedules", literal(&settings.schedules.keys().collect::<Vec<_>>())),
            ("mode", literal(&settings.restore.mode)),
            ("classes", literal(&restores)),
            ("refusedOwners", literal(&settings.refuse_owners)),
            ("refusedLabels", literal(&settings.refuse_labels)),
            ("destination", literal(&settings.names.destination.to_string())),
            ("secret", literal(&settings.names.secret.to_string())),
            ("source", literal(&settings.names.source.to_string())),
            ("gate", literal(&settings.gate)),
            ("hostUser", literal(&settings.host_user.as_deref().unwrap_or_default())),
        ];
        let exclude_namespaces = settings.exclude_namespaces.iter().map(|name| name.to_string()).collect();
        Ok(Terms { label: settings.label, exclude_namespaces, variables })
    }
}

/// A value as a literal of CEL, in which texts, lists and maps are written as in JSON.
fn literal(value: &impl Serialize) -> String {
    json!(value).to_string()
}

impl Settings {
    /// The paths of the templates that contain an expression.
    fn templates(&self) -> Vec<String> {
        let maps = [
            ("schedules", &self.schedules),
            ("metadata.labels", &self.metadata.labels),
            ("metadata.annotations", &self.metadata.annotations),
        ];
        let has_expression = |template: &Template| template.literal().is_none();
        let of_classes = (self.classes().into_iter())
            .filter(|(_, template)| template.as_ref().is_some_and(has_expression))
            .map(|(key, _)| format!("settings.{key}"));
        let of_maps = maps.into_iter().flat_map(|(section, map)| {
            let templates = map.iter().filter(|(_, template)| has_expression(template));
            templates.map(move |(key, _)| keyed(&format!("settings.{section}"), key))
        });
        of_classes.chain(of_maps).collect()
    }
}
