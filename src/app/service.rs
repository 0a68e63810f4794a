//! The service manager's side of a mount: readiness, the watchdog, the end. See `sd_notify(3)`.
//!
//! Without a service manager, which is without `NOTIFY_SOCKET`, all of this does nothing.

use std::path::PathBuf;
use std::process::Command;

use sd_notify::NotifyState;

use super::pulse;

/// Variables of the service manager's, which are for the daemon alone.
const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Tells that the mount answers.
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// Tells that the mount is about to end.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Keeps the service manager's watchdog quiet for as long as all mounts answer: twice in its time, a
/// process of its own asks each. This process must not ask itself: if it did not answer, it could
/// not be killed either. Never ends.
pub(super) async fn watchdog(mountpoints: impl Fn() -> Vec<PathBuf>) {
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return std::future::pending().await;
    };
    loop {
        let asked = mountpoints();
        let silent =
            tokio::task::spawn_blocking(|| asked.into_iter().find(|at| !pulse::answers(at)));
        match silent.await {
            Ok(None) => tell(NotifyState::Watchdog),
            Ok(Some(at)) => {
                tracing::error!(mountpoint = %at.display(), "no answer: the watchdog is not told");
            }
            Err(error) => tracing::error!(%error, "the watchdog is not told"),
        }
        tokio::time::sleep(limit / 2).await;
    }
}

/// Takes the service manager's variables from a command that is not for it to hear of.
pub(super) fn hide_from(command: &mut Command) {
    for variable in VARIABLES {
        command.env_remove(variable);
    }
}
