//! Distribution of work over all cores of the machine.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs `job` on every piece of `work`, on all cores, and returns the results in the order of `work`. After a panic, no
/// further piece is started.
pub fn on_all_cores<T: Sync, R: Send>(work: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = work.get(index) else { break };
                    let result = catch_unwind(AssertUnwindSafe(|| job(piece))).unwrap_or_else(|panic| {
                        next.store(work.len(), Ordering::Relaxed);
                        resume_unwind(panic)
                    });
                    results.lock().expect("no thread panics while it holds it").push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no thread panics while it holds it");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
