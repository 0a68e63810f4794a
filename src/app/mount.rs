//! `reelfs mount`: builds the rooms bottom-up, mounts, waits, unmounts.

use std::future::Future;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::Signal;
use tokio::runtime::Handle;
use tokio::signal::unix::{self, SignalKind, signal};

use super::connect::{Connection, Contents, Retention, connect};
use super::control::{Control, Subject};
use super::openmetrics::Exporter;
use super::poll::Poller;
use super::problem::Problem;
use super::shown::Shown;
use super::{background, keeping, log, pulse, service, terminal};
use crate::cache::Cache;
use crate::catalog::{self, Catalog, today};
use crate::config::{Account, Mount, MountOptions, secret};
use crate::fs::{Audit, Fs, Notices, Policy};
use crate::fuse::{self, MountSettings, mountpoint};
use crate::http::Client;
use crate::reader::Readers;
use crate::sandbox::Sandbox;
use crate::store::Store;

/// How long what is still under way may take when the mount is gone.
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// A mount that answers, and what its user should know.
pub(super) struct Mounted {
    mount: fuse::Mount,
    pub(super) warnings: Vec<String>,
    /// What keeps bytes on disk.
    store: Option<Store>,
    /// The other mount of a demo, which ends with this one.
    pub(super) beside: Option<Box<Mounted>>,
    /// The server of a demo, which ends with its mounts.
    pub(super) sandbox: Option<Sandbox>,
    /// Where others ask what it is doing.
    subject: Arc<Subject>,
    _poller: Option<Poller>,
    _control: Option<Control>,
    _exporter: Option<Exporter>,
}

/// Runs `reelfs mount` to its end: in the background, when the mount answers; in the foreground,
/// when it is unmounted. What it has to say of a profile names it: there may be more of them.
pub(super) fn run(mount: Mount, verbose: u8) -> Result<ExitCode, Problem> {
    let in_background = background::is_child();
    if !mount.options.foreground && !in_background {
        return background::start();
    }
    let of = mount.profile.as_ref().map_or_else(String::new, |name| format!("profile {name}: "));
    let named = |Problem { message, hint }| Problem { message: format!("{of}{message}"), hint };
    serve(mount, &of, in_background, verbose).map_err(named)?;
    Ok(ExitCode::SUCCESS)
}

fn serve(mut mount: Mount, of: &str, in_background: bool, verbose: u8) -> Result<(), Problem> {
    if in_background {
        background::end_with_parent()?;
        log::to_file(mount.options.log_file.as_deref(), mount.options.log_format, verbose)?;
    } else {
        log::to_stderr_as(mount.options.log_format, verbose);
    }
    make_absolute(&mut mount)?;
    until_unmounted(open(&mount), |mounted| {
        for warning in &mounted.warnings {
            terminal::warn(&format!("{of}{warning}"));
        }
        if in_background { background::report_ready() } else { Ok(()) }
    })
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
            () = signals.end() => return Ok(()),
        };
        ready(&mounted)?;
        service::ready();
        let mountpoint = mounted.mount.mountpoint().to_owned();
        let watchdog = service::watchdog(|| vec![mountpoint.clone()]);
        let outcome = tokio::select! {
            ended = mounted.mount.ended() => {
                ended.map_err(|error| Problem::new("the mount broke off", error))
            }
            () = obeying(&mut signals, &mounted.subject) => Ok(()),
            () = watchdog => Ok(()),
        };
        service::stopping();
        if let Some(store) = &mounted.store
            && !store.flush(LAST_MOMENTS)
        {
            tracing::warn!("not all that was read is in the cache: the disk is slow");
        }
        outcome
    });
    runtime.shutdown_timeout(LAST_MOMENTS);
    outcome
}

/// Asks the vendor again at each hang-up, until another signal asks to end.
async fn obeying(signals: &mut Signals, subject: &Arc<Subject>) {
    while signals.next().await == Signal::SIGHUP {
        let fs = Arc::clone(&subject.fs);
        tokio::spawn(async move {
            match fs.refresh("").await {
                Ok(days) => tracing::info!(days, "asked the vendor again"),
                Err(failure) => tracing::warn!("asked the vendor again in vain: {failure}"),
            }
        });
    }
}

/// The rooms of an account, up to its filesystem.
pub(super) struct Rooms {
    pub(super) fs: Arc<Fs>,
    notices: Notices,
    client: Client,
    source: String,
    pub(super) warnings: Vec<String>,
    store: Option<Store>,
    retention: Retention,
}

impl Rooms {
    /// Builds them, bottom-up.
    pub(super) async fn build(mount: &Mount) -> Result<Self, Problem> {
        let options = &mount.options;
        let (first, last) = (options.since.day(today()), options.until.unwrap_or_else(today));
        if first > last {
            let message = format!("--since: {first} is later than the last day, {last}");
            return Err(Problem { message, hint: None });
        }
        let opened = |path: &PathBuf| Audit::open(path).map_err(|error| Problem::file(path, error));
        let audit = options.audit.as_ref().map(opened).transpose()?;
        let (store, without) = keeping::open(&options.cache)?;
        let connection = connect(&mount.account, options, store.as_ref()).await?;
        let Connection { media, contents, client, source, mut warnings, kept, retention } =
            connection;
        warnings.extend(without);
        warnings.extend(exposed(&mount.account));
        let known = catalog::Settings {
            first,
            last: options.until,
            store: kept.clone(),
            keep_gone: options.cache.keep_gone,
        };
        let catalog = match contents {
            Contents::One(provider) => Catalog::new(provider, known),
            Contents::Scopes(scopes) => Catalog::of_scopes(scopes, known),
        };
        let memory = for_blocks(options);
        let cache = Cache::new(media, memory, kept).counting(Arc::clone(client.metrics()));
        let readers = Readers::new(memory, options.connections);
        let (fs, notices) = Fs::new(catalog, cache, readers, policy(options));
        let fs = Arc::new(fs.audited(audit));
        Ok(Self { fs, notices, client, source, warnings, store, retention })
    }

    /// Waits until what was learned is kept.
    pub(super) fn end(&self) {
        if let Some(store) = &self.store {
            store.flush(LAST_MOMENTS);
        }
    }
}

/// Builds the rooms and mounts.
pub(super) async fn open(mount: &Mount) -> Result<Mounted, Problem> {
    let options = &mount.options;
    // One that hangs would keep whoever prepares its place waiting.
    if let Some(lost) = pulse::lost_around(&mount.mountpoint).filter(|lost| !lost.is_dead) {
        return Err(lost.problem());
    }
    let at = mountpoint::prepare(&mount.mountpoint)?;
    let Rooms { fs, notices, client, source, warnings, store, retention } =
        Rooms::build(mount).await?;
    let subject = Arc::new(Subject {
        mountpoint: at.clone(),
        profile: mount.profile.clone(),
        source: source.clone(),
        started: Timestamp::now(),
        shows: Shown::of(mount),
        fs: Arc::clone(&fs),
        client,
        store: store.clone(),
        retention,
    });
    let exporter = match options.metrics {
        Some(address) => Some(Exporter::start(address, Arc::clone(&subject)).await?),
        None => None,
    };
    // Before it is mounted, so that whoever sees the mount can ask it. One that cannot be asked still
    // mounts.
    let control = Control::open(Arc::clone(&subject))
        .inspect_err(|error| tracing::warn!(%error, "`reelfs status` will not see this mount"))
        .ok();
    let settings = MountSettings { mountpoint: at, source, allow_other: options.allow_other };
    let mount = fuse::Mount::new(fs, notices, &settings, Handle::current())?;
    tracing::info!(mountpoint = %mount.mountpoint().display(), "mounted");
    let polls = !options.poll.is_zero() && !options.cache.offline;
    let poller = polls.then(|| Poller::start(options.poll, Arc::clone(&subject)));
    Ok(Mounted {
        mount,
        warnings,
        store,
        beside: None,
        sandbox: None,
        subject,
        _poller: poller,
        _control: control,
        _exporter: exporter,
    })
}

/// The files of keys that others can read, each with what mends it.
fn exposed(account: &Account) -> Vec<String> {
    let mut account = account.clone();
    let paths = account.secrets_mut().into_iter();
    paths
        .filter_map(|path| secret::exposed(path))
        .map(|exposed| format!("{}: {}", exposed.message, exposed.fix))
        .collect()
}

/// The part of the memory that blocks get. The rest is for what stands beside them: buffers of the HTTP
/// library, 400 KiB and more a connection; the days that were looked into last, 2 KiB an object; and what
/// was freed within the last half second.
fn for_blocks(options: &MountOptions) -> u64 {
    options.memory / 8 * 5
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
    let options = &mut mount.options;
    let cache = options.cache.directory.iter_mut().chain(&mut options.cache.key_file);
    let files = options.ca_certs.iter_mut().chain(&mut options.audit).chain(cache);
    for path in paths.chain(files) {
        if !path.as_os_str().is_empty() {
            *path = std::path::absolute(&path).map_err(|error| Problem::file(path, error))?;
        }
    }
    std::env::set_current_dir("/")
        .map_err(|error| Problem::new("cannot leave the directory", error))
}

/// The signals that a daemon listens to.
pub(super) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
    /// Whether a hang-up is that of our terminal, which ends what runs in it.
    in_terminal: bool,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Problem> {
        let listen =
            |kind| signal(kind).map_err(|error| Problem::new("cannot listen to signals", error));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
            in_terminal: std::io::stderr().is_terminal(),
        })
    }

    /// Waits for one of them. A hang-up that is no request counts as the end.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.terminate.recv() => Signal::SIGTERM,
            _ = self.hang_up.recv() => {
                if self.in_terminal { Signal::SIGTERM } else { Signal::SIGHUP }
            }
        }
    }

    /// Waits for one that asks to end.
    pub(super) async fn end(&mut self) {
        while self.next().await == Signal::SIGHUP {}
    }
}
