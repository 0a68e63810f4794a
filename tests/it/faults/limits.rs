//! How long an operation may take.

use std::time::{Duration, Instant};

/// The mount's own `--timeout`, and as much again as a machine may need that is busy with other work.
const LONGEST: Duration = Duration::from_secs(8 + 12);

/// Runs an operation; says so when it took too long.
pub(super) fn timed<T>(operation: &mut dyn FnMut() -> T) -> (T, Option<String>) {
    let begun = Instant::now();
    let outcome = operation();
    let took = begun.elapsed();
    (outcome, (took > LONGEST).then(|| format!("took {took:?}")))
}
