//! Where a mount goes: checks before mounting, clearing of what a crash left behind, unmounting.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;

use super::mount::MountError;

/// The file system type that the kernel shows for our mounts.
pub(super) const TYPE: &str = "fuse.reelfs";
/// libfuse's setuid helper, which mounts and unmounts for those who are not root.
const HELPER: &str = "fusermount3";
/// Where the kernel lists all mounts.
const MOUNTS: &str = "/proc/self/mountinfo";
/// Links that are followed in a path: as many as the kernel follows.
const MOST_LINKS: usize = 40;

/// Makes sure that something can be mounted at `path`, and gives its absolute form.
///
/// A mount that a crash left dead there is cleared first.
pub fn prepare(path: &Path) -> Result<PathBuf, MountError> {
    let absolute = absolute(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => MountError::Missing(path.into()),
        _ => MountError::Unusable(path.into(), error),
    })?;
    while is_dead(&absolute) {
        tracing::warn!(mountpoint = %absolute.display(), "clearing a mount whose daemon is gone");
        detach(&absolute)?;
    }
    let metadata =
        fs::metadata(&absolute).map_err(|error| MountError::Unusable(absolute.clone(), error))?;
    if !metadata.is_dir() {
        return Err(MountError::NotADirectory(absolute));
    }
    if is_ours(&absolute)? {
        return Err(MountError::AlreadyMounted(absolute));
    }
    let mut entries =
        fs::read_dir(&absolute).map_err(|error| MountError::Unusable(absolute.clone(), error))?;
    if entries.next().is_some() {
        return Err(MountError::NotEmpty(absolute));
    }
    Ok(absolute)
}

/// Checks what mounting needs beyond the mountpoint: the device, the helper, the permission to
/// show the mount to others.
pub fn check_ground(allow_other: bool) -> Result<(), MountError> {
    // As the mount itself will open it, also where the helper does the mounting.
    if let Err(error) = File::options().read(true).write(true).open("/dev/fuse") {
        return Err(match error.kind() {
            io::ErrorKind::NotFound => MountError::NoDevice,
            _ => MountError::ClosedDevice(error),
        });
    }
    if geteuid().is_root() {
        return Ok(());
    }
    if Command::new(HELPER).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    {
        return Err(MountError::NoHelper);
    }
    let allowed = || {
        let config = fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
        config.lines().any(|line| line.trim() == "user_allow_other")
    };
    if allow_other && !allowed() { Err(MountError::OthersNotAllowed) } else { Ok(()) }
}

/// Unmounts a mount of ours; `lazy` also while files in it are open.
pub fn unmount(path: &Path, lazy: bool) -> Result<(), MountError> {
    let absolute = absolute(path).map_err(|error| MountError::Unusable(path.into(), error))?;
    if !is_ours(&absolute)? {
        return Err(MountError::NotMounted(absolute));
    }
    take_down(&absolute, lazy)
}

/// Takes a mount out of the tree at once, whoever still uses it.
pub(super) fn detach(mountpoint: &Path) -> Result<(), MountError> {
    take_down(mountpoint, true)
}

fn take_down(mountpoint: &Path, lazy: bool) -> Result<(), MountError> {
    let flags = if lazy { MntFlags::MNT_DETACH } else { MntFlags::empty() };
    match umount2(mountpoint, flags) {
        Ok(()) => Ok(()),
        Err(Errno::EPERM) => take_down_with_helper(mountpoint, lazy),
        Err(Errno::EBUSY) => Err(MountError::Busy(mountpoint.into())),
        Err(errno) => Err(MountError::Unusable(mountpoint.into(), errno.into())),
    }
}

fn take_down_with_helper(mountpoint: &Path, lazy: bool) -> Result<(), MountError> {
    let mut helper = Command::new(HELPER);
    helper.arg("-u").args(lazy.then_some("-z")).arg("--").arg(mountpoint);
    let output = helper.output().map_err(|_| MountError::NoHelper)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if said.contains("busy") {
        return Err(MountError::Busy(mountpoint.into()));
    }
    Err(MountError::Unusable(mountpoint.into(), io::Error::other(said)))
}

/// Whether whatever is mounted at `path` answers. Waits for as long as it does not.
pub fn answers(path: &Path) -> bool {
    // Never answered out of the kernel's own memory.
    statvfs(path).is_ok()
}

/// Whether a mount is at `path` whose daemon is gone. The kernel may still answer `stat` from what
/// it remembers; it remembers no `statfs`.
pub fn is_dead(path: &Path) -> bool {
    statvfs(path) == Err(Errno::ENOTCONN)
}

/// The mount of ours at a path, alive or dead, in its absolute form.
pub fn ours_at(path: &Path) -> Option<PathBuf> {
    let path = absolute(path).ok()?;
    is_ours(&path).is_ok_and(|is| is).then_some(path)
}

/// The mount of ours that holds a path, alive or dead. What is in a dead one cannot be looked at.
pub fn ours_around(path: &Path) -> Option<PathBuf> {
    innermost(&absolute(path).ok()?, ours().ok()?, |at| at)
}

/// The one of some mounts that holds a path in its absolute form. One may stand in a directory of another.
pub fn innermost<T>(
    path: &Path,
    mounts: impl IntoIterator<Item = T>,
    at: impl Fn(&T) -> &Path,
) -> Option<T> {
    let around = mounts.into_iter().filter(|mount| path.starts_with(at(mount)));
    around.max_by_key(|mount| at(mount).components().count())
}

/// Whether one of our mounts is at `path`, alive or dead.
fn is_ours(path: &Path) -> Result<bool, MountError> {
    Ok(ours()?.iter().any(|at| at == path))
}

/// Our mounts that stand in a directory, alive or dead.
pub fn ours_below(directory: &Path) -> Result<Vec<PathBuf>, MountError> {
    let unusable = |error| MountError::Unusable(directory.into(), error);
    let directory = absolute(directory).map_err(unusable)?;
    Ok(ours()?.into_iter().filter(|at| at.parent() == Some(&directory)).collect())
}

/// Whether anything at all is mounted in a directory or below it.
pub fn has_mounts(directory: &Path) -> io::Result<bool> {
    let directory = absolute(directory)?;
    let at = |line: &str| line.split(' ').nth(4).map(unescape).map(PathBuf::from);
    let table = fs::read_to_string(MOUNTS)?;
    Ok(table.lines().filter_map(at).any(|at| at.starts_with(&directory)))
}

/// This user's own of our mounts, alive or dead.
pub fn own() -> Vec<PathBuf> {
    let own = geteuid().as_raw();
    let ours = table().unwrap_or_default().into_iter();
    ours.filter(|mount| mount.user == Some(own)).map(|mount| mount.at).collect()
}

/// Whether a mount of ours is at a path, which a user has mounted.
pub fn is_mounted_by(user: u32, path: &Path) -> bool {
    let ours = table().unwrap_or_default();
    ours.iter().any(|mount| mount.user == Some(user) && mount.at == path)
}

/// All of our mounts, alive or dead.
pub fn ours() -> Result<Vec<PathBuf>, MountError> {
    Ok(table()?.into_iter().map(|mount| mount.at).collect())
}

/// One of our mounts.
struct Ours {
    at: PathBuf,
    /// Who has mounted it.
    user: Option<u32>,
}

/// The lines of the mount table that are ours.
fn table() -> Result<Vec<Ours>, MountError> {
    let table =
        fs::read_to_string(MOUNTS).map_err(|error| MountError::Unusable(MOUNTS.into(), error))?;
    Ok(table.lines().filter_map(of_ours).collect())
}

/// A line of the mount table, where it is one of ours. `proc_pid_mountinfo(5)`: the fifth field is the
/// mountpoint; type, source and options follow a lone hyphen.
fn of_ours(line: &str) -> Option<Ours> {
    let (mount, kind) = line.split_once(" - ")?;
    let at = mount.split(' ').nth(4).map(unescape)?.into();
    let mut options = kind.rsplit(' ').next().unwrap_or("").split(',');
    let user = options.find_map(|option| option.strip_prefix("user_id=")?.parse().ok());
    (kind.split(' ').next() == Some(TYPE)).then_some(Ours { at, user })
}

/// Reads the kernel's octal escapes (`\040` for a space) in a path of its mount table.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| *first == b'\\');
        let value = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The absolute form of a path without links, as the mount table has it. What is in a mount of ours is taken
/// as it was typed and not asked: it may be dead, hang, or be another user's, which nobody else may enter.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    let ours = ours().map_err(io::Error::other)?;
    let mut plain = PathBuf::new();
    let mut rest = std::path::absolute(path)?;
    for _ in 0..MOST_LINKS {
        let mut components = rest.components();
        let link = components.by_ref().find_map(|component| {
            match component {
                Component::ParentDir => drop(plain.pop()),
                Component::CurDir => {}
                other => plain.push(other),
            }
            if ours.iter().any(|at| plain.starts_with(at)) {
                return None;
            }
            match fs::read_link(&plain) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => None,
                other => Some(other),
            }
        });
        let Some(target) = link.transpose()? else { return Ok(plain) };
        plain.pop();
        rest = target.join(components.as_path());
    }
    Err(Errno::ELOOP.into())
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn the_kernels_escapes_are_read() {
        assert_eq!(unescape(r"/home/a\040b\134c"), r"/home/a b\c");
        assert_eq!(unescape(r"/plain\9"), r"/plain\9");
    }
}
