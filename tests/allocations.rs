//! Counts the allocations of a plan. It is a suite of its own, because it replaces the allocator.

use volsync_policy::{Review, plan};
use volsync_policy_tests::example;

/// The allocations for the example claim, from its JSON to that of the plan.
const ALLOCATIONS: u64 = 159;

#[test]
fn a_plan_makes_no_more_allocations_than_recorded() {
    let review = example();
    let whole = || plan(&Review::from_json(&review).unwrap()).to_json();
    // Allocations that are made once per process do not count.
    drop(whole());
    let counted = allocation_counter::measure(|| drop(whole()));
    // Five percent more are not worth an investigation.
    assert!(
        counted.count_total <= ALLOCATIONS + ALLOCATIONS / 20,
        "{} allocations, not {ALLOCATIONS}; `valgrind --tool=dhat` over `volsync-policy-bench call` shows where",
        counted.count_total
    );
    assert_eq!(counted.count_current, 0, "some of it is never given back");
}
