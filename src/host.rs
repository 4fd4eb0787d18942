//! The contract with a host: what it must read, what it saw, and what it must write.
//!
//! A host needs no rules. It asks what to read, passes the raw answers, and carries out the writes:
//!
//! ```text
//! loop {
//!     seen = {}
//!     while reads({request, credentials, settings, seen}) is not empty: read them, add the answers to seen
//!     plan({request, credentials, settings, seen})
//!     carry out the writes in order, up to the first that fails
//!     wait as `again` says
//! }
//! ```

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::again::Again;
use crate::decision::decide;
use crate::document::parse;
use crate::evidence::{Evidence, Slot};
use crate::manifests::SecretManifest;
use crate::observe::Observer;
use crate::plan::Plan;
use crate::plan_on;
use crate::protection::Protection;
use crate::queue::{Queue, Turn};
use crate::reads::{Depth, Read};
use crate::review::{Parts, Review, ReviewError, Shared, useless};
use crate::role::Role;
use crate::seen::Seen;
use crate::settings::Gate;
use crate::writes::{Scribe, Write};

/// A review with the raw answers of a host in place of evidence.
pub struct Inspection {
    review: Review,
    seen: Seen,
}

/// A plan for a host, with the writes that carry it out.
pub struct HostPlan {
    /// The plan.
    pub plan: Plan,
    /// The evidence that the plan was made from; `None` for a claim that has no name yet.
    pub evidence: Option<Evidence>,
    /// The requests that the steps consist of, in order. A step that cannot be carried out on what was seen is left
    /// out, and so are those after it.
    pub writes: Vec<Write>,
    /// The queue in which the claim has its turn until its next plan.
    pub holds: Option<Queue>,
    /// When to plan again; `None` where the request is about no claim, or one without a name.
    pub again: Option<Again>,
}

impl Inspection {
    /// Reads an inspection from JSON: an object of `request`, `credentials` and `settings`, as in
    /// [`Review::from_json`], and of `seen`, with an answer for each role of [`Read`].
    ///
    /// # Errors
    ///
    /// All problems, each with its path; never a value.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReviewError> {
        Inspection::from_value(parse(bytes)?)
    }

    /// Reads one of many inspections from JSON: an object of `request` and `seen`, as in [`Inspection::from_json`].
    ///
    /// # Errors
    ///
    /// All problems, each with its path; never a value.
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
    /// The plan as JSON: the keys of [`Plan::to_json`], and `evidence`, `writes` and `again`.
    pub fn to_json(&self) -> Vec<u8> {
        let rest = HostPart {
            evidence: self.evidence.as_ref().map(Cow::Borrowed),
            writes: self.writes.as_slice().into(),
            holds: self.holds,
            again: self.again.as_ref().map(Cow::Borrowed),
        };
        let (mut plan, rest) = (self.plan.to_json(), serde_json::to_vec(&rest).unwrap_or_default());
        // Two objects are joined, so that the plan's own part is written by the code that the page has too.
        plan.pop();
        plan.push(b',');
        plan.extend(rest.into_iter().skip(1));
        plan
    }
}

/// The part of a plan that only a host needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HostPart<'a> {
    /// The evidence that the plan was made from; null where the request is about no claim, or one without a name.
    pub evidence: Option<Cow<'a, Evidence>>,
    /// The requests to make, in order. At the first that fails, the host stops, reads again and plans again.
    pub writes: Cow<'a, [Write]>,
    /// The queue in which the claim has its turn until its next plan; null where it has none.
    pub holds: Option<Queue>,
    /// When to plan again; null where the request is about no claim, or one without a name.
    pub again: Option<Cow<'a, Again>>,
}

/// What a host must read next, in the order in which it must be read. The list is empty once the host has seen
/// everything that matters.
pub fn reads(inspection: &Inspection) -> Vec<Read> {
    let Inspection { review, seen } = inspection;
    let Some(observer) = Observer::of(review, seen) else { return Vec::new() };
    let eligibility = Protection::of(&review.request, &review.settings);
    let secret = eligibility.eligible().map(|it| SecretManifest::of(it, review.credentials.as_deref()));
    let evidence = observer.evidence();
    let asked = eligibility.map(|protection| SecretManifest::ask(secret.as_ref(), protection, Some(&evidence)));
    let reads = observer.target.reads(Depth::of(&asked, &evidence, observer.is_recorded(&evidence)), &evidence, seen);
    if !reads.is_empty() || seen.has(Role::Queue) {
        return reads;
    }
    // Nothing else is left to read: whether the claim has to wait for its turn is clear now.
    let in_turn = decide(&asked, Some(&evidence));
    let queued = decide(&asked, Some(&Evidence { slot: Slot::Queued(1), ..evidence }));
    let waits = Queue::of(&in_turn, &queued).zip(eligibility.eligible());
    waits.map(|(queue, protection)| Read::turn(Turn::of(queue, protection))).into_iter().collect()
}

/// Makes the plan for a host that carries it out.
pub fn plan_for_host(inspection: &Inspection) -> HostPlan {
    let Inspection { review, seen } = inspection;
    let observer = Observer::of(review, seen);
    let evidence = observer.as_ref().map(Observer::evidence);
    let password = observer.as_ref().and_then(Observer::live_password);
    let plan = plan_on(review, Some(evidence.as_ref().unwrap_or(&Evidence::default())), password);
    let Some(Observer { target, .. }) = observer else {
        return HostPlan { plan, evidence, writes: Vec::new(), holds: None, again: None };
    };
    let writes = Scribe { target: &target, seen, manifests: plan.manifests.as_ref() }.writes(&plan.steps);
    let again = Some(Again::after(&plan.verdict, &writes, &target, seen));
    let holds = Queue::held(&plan.verdict, target.found(Role::Source, seen));
    HostPlan { plan, evidence, writes, holds, again }
}
