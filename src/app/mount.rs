//! `reelfs mount`: builds the rooms bottom-up, mounts, waits, unmounts.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::connect::{Connection, Contents, connect};
use super::problem::Problem;
use super::{background, log, terminal};
use crate::cache::Cache;
use crate::catalog::{Catalog, today};
use crate::config::{Mount, MountOptions};
use crate::fs::{Audit, Fs, Policy};
use crate::fuse::{self, MountSettings, mountpoint};
use crate::reader::Readers;
use crate::sandbox::Sandbox;

/// How long what is still under way may take when the mount is gone.
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// A mount that answers, and what its user should know.
pub(super) struct Mounted {
    mount: fuse::Mount,
    pub(super) warnings: Vec<String>,
    /// The other mount of a demo, which ends with this one.
    pub(super) beside: Option<Box<Mounted>>,
    /// The server of a demo, which ends with its mounts.
    pub(super) sandbox: Option<Sandbox>,
}

/// Runs `reelfs mount` to its end: in the background, when the mount answers; in the foreground,
/// when it is unmounted.
pub(super) fn run(mut mount: Mount, verbose: u8) -> Result<ExitCode, Problem> {
    let in_background = background::is_child();
    if !mount.options.foreground && !in_background {
        return background::start();
    }
    if in_background {
        background::end_with_parent()?;
        log::to_file(mount.options.log_file.as_deref(), verbose)?;
    } else {
        log::to_stderr(verbose);
    }
    make_absolute(&mut mount)?;
    until_unmounted(open(&mount), |mounted| {
        for warning in &mounted.warnings {
            terminal::warn(warning);
        }
        if in_background { background::report_ready() } else { Ok(()) }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a mount from its opening until somebody unmounts it or a signal ends it; `ready` runs when
/// it answers. Whatever ends it, nothing is left mounted.
pub(super) fn until_unmounted(
    opening: impl Future<Output = Result<Mounted, Problem>>,
    ready: impl FnOnce(&Mounted) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let runtime = super::runtime()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let mut mounted = tokio::select! {
            mounted = opening => mounted?,
            () = signals.any() => return Ok(()),
        };
        ready(&mounted)?;
        tokio::select! {
            ended = mounted.mount.ended() => {
                ended.map_err(|error| Problem::new("the mount broke off", error))
            }
            () = signals.any() => Ok(()),
        }
    });
    runtime.shutdown_timeout(LAST_MOMENTS);
    outcome
}

/// Builds the rooms and mounts.
pub(super) async fn open(mount: &Mount) -> Result<Mounted, Problem> {
    let options = &mount.options;
    let (first, last) = (options.since.day(today()), options.until.unwrap_or_else(today));
    if first > last {
        let message = format!("--since: {first} is later than the last day, {last}");
        return Err(Problem { message, hint: None });
    }
    let opened = |path: &PathBuf| Audit::open(path).map_err(|error| Problem::file(path, error));
    let audit = options.audit.as_ref().map(opened).transpose()?;
    let at = mountpoint::prepare(&mount.mountpoint)?;
    let Connection { media, contents, source, warnings } = connect(&mount.account, options).await?;
    let catalog = match contents {
        Contents::One(provider) => Catalog::new(provider, first, options.until),
        Contents::Scopes(scopes) => Catalog::of_scopes(scopes, first, options.until),
    };
    let cache = Cache::new(media, options.memory);
    let readers = Readers::new(options.memory, options.connections);
    let (fs, notices) = Fs::new(catalog, cache, readers, policy(options));
    let fs = Arc::new(fs.audited(audit));
    let settings = MountSettings { mountpoint: at, source, allow_other: options.allow_other };
    let mount = fuse::Mount::new(fs, notices, &settings, Handle::current())?;
    tracing::info!(mountpoint = %mount.mountpoint().display(), "mounted");
    Ok(Mounted { mount, warnings, beside: None, sandbox: None })
}

fn policy(options: &MountOptions) -> Policy {
    Policy {
        uid: options.uid.unwrap_or_else(|| nix::unistd::getuid().as_raw()),
        gid: options.gid.unwrap_or_else(|| nix::unistd::getgid().as_raw()),
        others_may_read: options.allow_other,
        timeout: options.timeout,
    }
}

/// Makes paths independent of the directory in which the command was typed, and leaves it: a daemon
/// must not keep it busy.
fn make_absolute(mount: &mut Mount) -> Result<(), Problem> {
    let paths = mount.account.files_mut().into_iter().chain([&mut mount.mountpoint]);
    for path in paths.chain(&mut mount.options.ca_certs).chain(&mut mount.options.audit) {
        if !path.as_os_str().is_empty() {
            *path = std::path::absolute(&path).map_err(|error| Problem::file(path, error))?;
        }
    }
    std::env::set_current_dir("/")
        .map_err(|error| Problem::new("cannot leave the directory", error))
}

/// The signals that ask to end.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Problem> {
        let listen =
            |kind| signal(kind).map_err(|error| Problem::new("cannot listen to signals", error));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    pub(super) async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
