//! Callers that were killed: what they wait for is let go of.
//!
//! A thread that waits for an answer of a filesystem cannot end before it comes: the kernel asks for
//! that with `FUSE_INTERRUPT`, which the library of the protocol refuses. But `proc_pid_status(5)`
//! tells that a thread is about to be killed, whichever fatal signal it was (Ctrl-C, too), but for those
//! that leave a core dump (Ctrl-\): the kernel itself lets nobody go for them before the answer comes.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::timeout;

/// How often a caller who waits is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Runs what `thread` waits for to its end, or until the thread is to be killed.
pub(super) async fn unless_killed(thread: u32, operation: impl Future<Output = ()>) {
    let mut operation = pin!(operation);
    while timeout(EVERY, &mut operation).await.is_err() {
        // What cannot be seen, as in another PID namespace, counts as alive.
        if fs::read_to_string(format!("/proc/{thread}/status"))
            .is_ok_and(|status| is_killed(&status))
        {
            return;
        }
    }
}

/// Whether SIGKILL waits for the thread or for its process. The kernel makes any signal that will end a
/// process without a core dump a SIGKILL for each of its threads.
fn is_killed(status: &str) -> bool {
    let masks = ["SigPnd:", "ShdPnd:"];
    let waits = |line: &str| {
        let mask = masks.iter().find_map(|name| line.strip_prefix(name))?;
        let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
        Some(mask & 1 << (Signal::SIGKILL as u32 - 1) != 0)
    };
    status.lines().filter_map(waits).any(|is_pending| is_pending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sigkill_that_waits_is_the_end() {
        let status = |thread: &str, process: &str| {
            is_killed(&format!(
                "Name:\tcat\nState:\tD (disk sleep)\nSigPnd:\t{thread}\nShdPnd:\t{process}\n\
                 SigBlk:\t0000000000000100\nSigIgn:\t0000000000000100\n"
            ))
        };
        assert!(status("0000000000000100", "0000000000000002"), "SIGINT, made fatal");
        assert!(status("0000000000000000", "0000000000004100"));
        assert!(!status("0000000000000002", "0000000000004000"), "SIGINT and SIGTERM that wait");
        assert!(!is_killed("") && !is_killed("SigPnd:\tnone\n"));
    }
}
