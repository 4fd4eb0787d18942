//! How often a plan asks for memory. A suite of its own: what counts takes the place of the allocator.

use volsync_policy::{Review, plan};
use volsync_policy_tests::example;

/// So often for the example claim, from its JSON to the plan's.
const ALLOCATIONS: u64 = 159;

#[test]
fn a_plan_asks_for_memory_as_often_as_it_did() {
    let review = example();
    let whole = || plan(&Review::from_json(&review).unwrap()).to_json();
    // What is made once a process is no plan's.
    drop(whole());
    let counted = allocation_counter::measure(|| drop(whole()));
    // A twentieth more is no reason to look into it.
    assert!(
        counted.count_total <= ALLOCATIONS + ALLOCATIONS / 20,
        "{} allocations, not {ALLOCATIONS}; `valgrind --tool=dhat` over `volsync-policy-bench call` shows where",
        counted.count_total
    );
    assert_eq!(counted.count_current, 0, "some of it is never given back");
}
