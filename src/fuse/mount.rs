//! A mount: from the settings to a session that answers the kernel, and down again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::Duration;

use fuser::{Config, MountOption, Session, SessionACL};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::notices::{self, Armed};
use super::watchdog::{self, Desk};
use super::{Bridge, mountpoint};
use crate::fs::{Fs, Notices};
use crate::types::shell_word;

/// Threads that take requests from the kernel; each holds a buffer of 16 MiB.
const DISPATCH_THREADS: usize = 2;

/// How long the kernel may take until it begins to talk; a moment, when all is well.
const GREETING: Duration = Duration::from_secs(10);

/// Why something could not be mounted or unmounted.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum MountError {
    #[error("{0:?} does not exist")]
    Missing(PathBuf),
    #[error("cannot use {0:?}")]
    Unusable(PathBuf, #[source] io::Error),
    #[error("{0:?} is not a directory")]
    NotADirectory(PathBuf),
    #[error("{0:?} is not empty")]
    NotEmpty(PathBuf),
    #[error("reelfs is already mounted at {0:?}")]
    AlreadyMounted(PathBuf),
    #[error("reelfs is not mounted at {0:?}")]
    NotMounted(PathBuf),
    #[error("{0:?} is in use")]
    Busy(PathBuf),
    #[error("/dev/fuse does not exist")]
    NoDevice,
    #[error("/dev/fuse cannot be opened")]
    ClosedDevice(#[source] io::Error),
    #[error("fusermount3 was not found, and only root can mount without it")]
    NoHelper,
    #[error("--allow-other is not permitted to users on this machine")]
    OthersNotAllowed,
    #[error("cannot mount at {0:?}")]
    Refused(PathBuf, #[source] io::Error),
}

impl MountError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing(path) => format!("mkdir -p {}", shell_word(path)),
            Self::NotADirectory(_) | Self::NotEmpty(_) => "give an empty directory".to_owned(),
            Self::AlreadyMounted(path) => format!("reelfs unmount {}", shell_word(path)),
            Self::Busy(path) => format!(
                "close what uses it (`fuser -vm {0}` tells), or: reelfs unmount --lazy {0}",
                shell_word(path)
            ),
            Self::NoDevice => {
                "load the kernel's module with `modprobe fuse`; a container needs `--device \
                 /dev/fuse --cap-add SYS_ADMIN`"
                    .to_owned()
            }
            Self::ClosedDevice(_) => {
                "let root run `chmod 666 /dev/fuse`; a container needs `--device /dev/fuse \
                 --cap-add SYS_ADMIN`"
                    .to_owned()
            }
            Self::Refused(_, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "only root, or a user through fusermount3, may mount; a container needs `--cap-add \
                 SYS_ADMIN`"
                    .to_owned()
            }
            Self::NoHelper => "apt install fuse3".to_owned(),
            Self::OthersNotAllowed => {
                "let root add a line `user_allow_other` to /etc/fuse.conf".to_owned()
            }
            _ => return None,
        })
    }
}

/// The same error without the newline at the end of what the helper printed.
fn trimmed(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => io::Error::new(error.kind(), error.to_string().trim().to_owned()),
    }
}

/// What a mount is made of.
#[derive(Clone, Debug)]
pub struct MountSettings {
    /// Where, in the absolute form that [`mountpoint::prepare`] gives.
    pub mountpoint: PathBuf,
    /// What the mount table shows as the source.
    pub source: String,
    /// Whether other users may enter.
    pub allow_other: bool,
}

/// A filesystem that is mounted. Dropping it unmounts lazily.
pub struct Mount {
    fs: Arc<Fs>,
    mountpoint: PathBuf,
    armed: Armed,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Mount {
    /// Mounts `fs`. When it returns, the kernel has begun to talk, and whatever it asks is answered.
    pub fn new(
        fs: Arc<Fs>,
        notices: Notices,
        settings: &MountSettings,
        runtime: Handle,
    ) -> Result<Self, MountError> {
        mountpoint::check_ground(settings.allow_other)?;
        let at = &settings.mountpoint;
        let refused = |error| MountError::Refused(at.clone(), trimmed(error));
        let (desk, watched) = (Desk::default(), Arc::downgrade(&fs));
        let Notices { attributes, others, changes } = notices;
        runtime.spawn(Fs::follow(Weak::clone(&watched), changes));
        let (greeted, greeting) = mpsc::channel();
        let bridge = Bridge::new(Arc::clone(&fs), desk.clone(), runtime, greeted);
        let session = Session::new(bridge, at, &config(settings)).map_err(refused)?;
        let (end, ended) = oneshot::channel();
        let armed = Armed::new();
        let mount = Self { fs, mountpoint: at.clone(), armed: armed.clone(), ended };
        let (first, second) = (session.notifier(), session.notifier());
        let (one, two) = (armed.clone(), armed.clone());
        start_thread("reelfs-notices", move || notices::attributes(attributes, &first, &one))
            .map_err(refused)?;
        start_thread("reelfs-pages", move || notices::others(others, &second, &two))
            .map_err(refused)?;
        start_thread("reelfs-watchdog", move || watch(&watched, &desk)).map_err(refused)?;
        let run = move || {
            let ending = session.run();
            armed.disarm();
            drop(end.send(ending));
        };
        start_thread("reelfs-session", run).map_err(refused)?;
        // Nothing in here may ask the mount itself: killed while it waits, this process would go on waiting for
        // an answer of its own, and nobody could end it.
        let silent = |_| refused(io::Error::other("the kernel does not talk to it"));
        greeting.recv_timeout(GREETING).map_err(silent)?;
        Ok(mount)
    }

    /// Where it is mounted.
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// Waits until the filesystem is unmounted, by whomever.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.ended).await.unwrap_or_else(|_| Err(io::Error::other("the session broke off")))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.armed.disarm();
        // When the session has ended somebody unmounted before, and another mount may be there.
        if matches!(self.ended.try_recv(), Err(oneshot::error::TryRecvError::Empty))
            && let Err(error) = mountpoint::detach(&self.mountpoint)
        {
            tracing::warn!("{error}");
        }
        self.fs.end();
    }
}

fn config(settings: &MountSettings) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::RO,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoExec,
        MountOption::DefaultPermissions,
        MountOption::FSName(settings.source.clone()),
        // fuser passes its own `Subtype` to the helper only; the kernel takes this from root too.
        MountOption::CUSTOM("subtype=reelfs".to_owned()),
    ];
    config.acl = if settings.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(DISPATCH_THREADS);
    config.clone_fd = true;
    config
}

/// Looks after a mount until it is gone.
fn watch(fs: &Weak<Fs>, desk: &Desk) {
    while let Some(fs) = fs.upgrade() {
        fs.slept(watchdog::slept());
        drop(fs);
        watchdog::report(desk);
        thread::sleep(watchdog::EVERY);
    }
}

fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(body).map(drop)
}
