//! Parts: the manifests of a claim, by what each is for. Whoever works on all of them goes through [`Part::ALL`].

use serde::{Deserialize, Serialize};

use crate::names::{LONGEST_DESTINATION, LONGEST_NAME, LONGEST_SOURCE, VOLSYNC_VERSION};
use crate::role::Role;

/// Declares the parts, each with its facts.
macro_rules! parts {
    ($($(#[doc = $doc:literal])+ $part:ident $facts:tt)+) => {
        /// A manifest of a plan, by its key in `manifests`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
        #[serde(rename_all = "camelCase")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Part {
            $($(#[doc = $doc])+ $part,)+
        }

        impl Part {
            /// All parts, in the order in which they are applied.
            pub const ALL: [Part; [$(Part::$part),+].len()] = [$(Part::$part),+];

            const fn facts(self) -> Facts {
                match self {
                    $(Part::$part => Facts $facts,)+
                }
            }
        }
    };
}

parts! {
    /// The Secret, or the ExternalSecret that creates it.
    Secret {
        key: "secret",
        api_version: "v1",
        kind: "Secret",
        role: Role::Secret,
        longest_name: LONGEST_NAME,
    }
    /// The ReplicationDestination.
    Destination {
        key: "destination",
        api_version: VOLSYNC_VERSION,
        kind: "ReplicationDestination",
        role: Role::Destination,
        longest_name: LONGEST_DESTINATION,
    }
    /// The ReplicationSource.
    Source {
        key: "source",
        api_version: VOLSYNC_VERSION,
        kind: "ReplicationSource",
        role: Role::Source,
        longest_name: LONGEST_SOURCE,
    }
}

/// What is true of a part, whatever the claim.
struct Facts {
    key: &'static str,
    api_version: &'static str,
    kind: &'static str,
    role: Role,
    longest_name: usize,
}

impl Part {
    /// The key of the manifest in `manifests` of a plan, and of its name in `names` of settings.
    pub const fn as_str(self) -> &'static str {
        self.facts().key
    }

    /// `apiVersion` of the object.
    pub(crate) const fn api_version(self) -> &'static str {
        self.facts().api_version
    }

    /// `kind` of the object.
    pub(crate) const fn kind(self) -> &'static str {
        self.facts().kind
    }

    /// The role in which a host reads the object.
    pub(crate) const fn role(self) -> Role {
        self.facts().role
    }

    /// The roles of all parts, in the order in which a host reads them.
    pub(crate) fn roles() -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(|role| Part::ALL.iter().any(|part| part.role() == *role))
    }

    /// The longest name that leaves room for the names derived from it.
    pub(crate) const fn longest_name(self) -> usize {
        self.facts().longest_name
    }
}

/// The names of the manifests of one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The name of the Secret, and of the ExternalSecret that creates it.
    pub secret: String,
    /// The name of the ReplicationDestination.
    pub destination: String,
    /// The name of the ReplicationSource.
    pub source: String,
}

impl Names {
    /// The names that `name` gives, each for its part.
    pub(crate) fn each(name: impl Fn(Part) -> String) -> Self {
        Names { secret: name(Part::Secret), destination: name(Part::Destination), source: name(Part::Source) }
    }

    /// The name of one of the manifests.
    pub(crate) fn of(&self, part: Part) -> &str {
        match part {
            Part::Secret => &self.secret,
            Part::Destination => &self.destination,
            Part::Source => &self.source,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_part_has_a_key_and_a_name_of_its_own() {
        let names = Names::each(|part| part.kind().to_owned());
        for part in Part::ALL {
            assert_eq!(json!(part), part.as_str());
            assert_eq!(names.of(part), part.kind());
        }
        assert_eq!([&names.secret, &names.destination, &names.source], Part::ALL.map(Part::kind).each_ref());
    }
}
