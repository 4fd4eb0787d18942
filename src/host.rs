//! The contract with a host: what it must look at, what it saw, and what it is to write.
//!
//! A host holds no rule. It asks what to read, gives the raw answers, and carries out the writes:
//!
//! ```text
//! loop {
//!     seen = {}
//!     while reads({request, credentials, settings, seen}) names something: look at it, add the answer to seen
//!     plan({request, credentials, settings, seen})
//!     carry the writes out, one after the other; the first that fails ends the round
//!     wait until `again` says so
//! }
//! ```

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::again::Again;
use crate::decision::Ask;
use crate::document::parse;
use crate::evidence::Evidence;
use crate::manifests::SecretManifest;
use crate::observe::Observer;
use crate::plan::Plan;
use crate::plan_on;
use crate::protection::Protection;
use crate::reads::{Depth, Read};
use crate::review::{Parts, Review, ReviewError, Shared, useless};
use crate::seen::Seen;
use crate::settings::Gate;
use crate::writes::{Scribe, Write};

/// A review together with what a host saw, in place of evidence.
pub struct Inspection {
    review: Review,
    seen: Seen,
}

/// A plan for a host.
pub struct HostPlan {
    /// The plan itself.
    pub plan: Plan,
    /// The evidence that it was made from; nothing for a claim that has no name yet.
    pub evidence: Option<Evidence>,
    /// What the steps come down to, one request after the other. A step that cannot be carried out on what was seen is
    /// left out, with all that come after it.
    pub writes: Vec<Write>,
    /// When to plan again.
    pub again: Option<Again>,
}

impl Inspection {
    /// Reads an inspection from JSON: an object of `request`, `credentials` and `settings`, as in
    /// [`Review::from_json`], and of `seen`: an answer for each role of [`Read`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its path; never a value.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReviewError> {
        Inspection::from_value(parse(bytes)?)
    }

    /// Reads one of many inspections from JSON: an object of `request` and `seen`, as in [`Inspection::from_json`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its path; never a value.
    pub fn under(shared: &Shared, bytes: &[u8]) -> Result<Self, ReviewError> {
        Inspection::of(Parts::of(parse(bytes)?, &["request", "seen"])?, shared.clone())
    }

    pub(crate) fn from_value(document: Value) -> Result<Self, ReviewError> {
        let mut parts = Parts::of(document, &["request", "credentials", "settings", "seen"])?;
        let shared = Shared::of(&mut parts)?;
        Inspection::of(parts, shared)
    }

    fn of(mut parts: Parts, shared: Shared) -> Result<Self, ReviewError> {
        let seen = parts.take("seen").map_or_else(|| Ok(Seen::default()), Seen::from_value)?;
        if shared.settings.gate == Gate::None {
            return Err(useless("seen").into());
        }
        Ok(Inspection { review: parts.read(shared)?, seen })
    }
}

impl HostPlan {
    /// The plan as JSON: that of [`Plan::to_json`], with `evidence`, `writes` and `again` beside the rest.
    pub fn to_json(&self) -> Vec<u8> {
        let rest = HostPart {
            evidence: self.evidence.as_ref().map(Cow::Borrowed),
            writes: self.writes.as_slice().into(),
            again: self.again.as_ref().map(Cow::Borrowed),
        };
        let (mut plan, rest) = (self.plan.to_json(), serde_json::to_vec(&rest).unwrap_or_default());
        // Two objects in one: the plan's own part is written by the code that a page has too.
        plan.pop();
        plan.push(b',');
        plan.extend(rest.into_iter().skip(1));
        plan
    }
}

/// What a plan for a host says beside the plan itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HostPart<'a> {
    /// The evidence that the plan was made from; null for a claim that has no name yet.
    pub evidence: Option<Cow<'a, Evidence>>,
    /// The requests to make, one after the other. The first that fails ends the round.
    pub writes: Cow<'a, [Write]>,
    /// When to plan again; null for a claim that has no name yet.
    pub again: Option<Cow<'a, Again>>,
}

/// What a host must look at next, in the order in which it must be read; nothing once it has seen everything that
/// matters.
pub fn reads(inspection: &Inspection) -> Vec<Read> {
    let Inspection { review, seen } = inspection;
    let Some(observer) = Observer::of(review, seen) else { return Vec::new() };
    let eligibility = Protection::of(&review.request, &review.settings);
    let secret = eligibility.eligible().map(|it| SecretManifest::of(it, review.credentials.as_deref()));
    let evidence = observer.evidence();
    let asked = eligibility.map(|protection| Ask::of(protection, secret.as_ref(), Some(&evidence)));
    observer.target.reads(Depth::of(&asked, &evidence), seen)
}

/// What to do about a claim, for a host that carries it out.
pub fn plan_for_host(inspection: &Inspection) -> HostPlan {
    let Inspection { review, seen } = inspection;
    let observer = Observer::of(review, seen);
    let evidence = observer.as_ref().map(Observer::evidence);
    let password = observer.as_ref().and_then(Observer::live_password);
    let plan = plan_on(review, Some(evidence.as_ref().unwrap_or(&Evidence::default())), password);
    let Some(Observer { target, .. }) = observer else {
        return HostPlan { plan, evidence, writes: Vec::new(), again: None };
    };
    let writes = Scribe { target: &target, seen, manifests: plan.manifests.as_ref() }.writes(&plan.steps);
    let again = Some(Again::after(&plan.verdict, &writes, &target, seen));
    HostPlan { plan, evidence, writes, again }
}
