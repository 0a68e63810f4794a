//! Reads what a user named: keys, lists, certificates. Never more than was allowed, and never without
//! an end.
//!
//! A pipe is as good as a file, so that `--credentials <(pass show …)` works and no secret has to lie on
//! a disk; it is waited for as long as whoever writes it may take to type a passphrase. It is read
//! once. Devices are refused: some never end, and none holds a key.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statfs::{FsType, fstatfs};
use thiserror::Error;

/// The largest file of a key, in bytes: one is about 2 KiB.
pub const MOST_OF_A_KEY: u64 = 1 << 20;
/// How long the writer of a pipe may be silent.
const PATIENCE: Duration = Duration::from_secs(60);
/// The file system of pipes without a name (`PIPEFS_MAGIC` in `linux/magic.h`).
const PIPEFS: FsType = FsType(0x5049_5045);

/// Something that cannot be read.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum InputError {
    // Not as its source: those that show it with all of its sources would say it twice.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("is a directory, not a file")]
    Directory,
    #[error("is a device, not a file")]
    Device,
    #[error("is larger than {}", ByteSize::b(*.0).display().iec())]
    TooLarge(u64),
    #[error("is a pipe, and nobody wrote to it for {} s", .0.as_secs())]
    Silent(Duration),
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Reads all of a file or a pipe, of `most` bytes at the most. Blocks, on a pipe for as long as it is
/// being written to.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>, InputError> {
    read_within(path, most, PATIENCE)
}

/// Whether others than its owner can read a file of secrets. Where root deploys it, a group may be
/// meant to, as with a Kubernetes volume or a credential of systemd; everybody never is.
pub fn is_exposed(file: &Metadata) -> bool {
    let others = if file.uid() == 0 { 0o007 } else { 0o077 };
    file.is_file() && file.mode() & others != 0
}

/// Whether a path names something that can be read more than once.
pub fn can_be_read_again(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}

fn read_within(path: &Path, most: u64, patience: Duration) -> Result<Vec<u8>, InputError> {
    // Without waiting: the opening of a pipe would wait for whoever writes to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(InputError::Directory);
    }
    if kind.is_char_device() || kind.is_block_device() {
        return Err(InputError::Device);
    }
    let mut bytes = Vec::new();
    // One more than allowed, by which it is seen that there is more.
    let mut rest = (&file).take(most.saturating_add(1));
    // Whoever writes to a pipe with a name may not be there yet, and it looks empty until then.
    if kind.is_fifo() && !is_nameless(&file)? {
        wait(&file, patience)?;
    }
    while let Err(error) = rest.read_to_end(&mut bytes) {
        match error.kind() {
            io::ErrorKind::WouldBlock => wait(&file, patience)?,
            _ => return Err(error.into()),
        }
    }
    if bytes.len() as u64 > most {
        return Err(InputError::TooLarge(most));
    }
    Ok(bytes)
}

/// Whether a pipe is one of those that a shell makes, which had a writer from the first on.
fn is_nameless(pipe: &File) -> io::Result<bool> {
    Ok(fstatfs(pipe).map_err(io::Error::from)?.filesystem_type() == PIPEFS)
}

/// Waits until a pipe has something to read, or its end.
fn wait(pipe: &File, patience: Duration) -> Result<(), InputError> {
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    // A signal that is handled ends the waiting, too: it may be the one that ends the program.
    match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(0) => Err(InputError::Silent(patience)),
        Ok(_) => Ok(()),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;

    fn told(path: &Path) -> String {
        read_within(path, 10, Duration::from_millis(50)).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read_to_its_limit_and_no_further() {
        let directory = tempfile::Builder::new().prefix("reelfs-test-").tempdir().unwrap();
        let path = directory.path().join("key");
        assert!(told(&path).starts_with("cannot be read: No such file"));
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"0123456789");
        std::fs::write(&path, "0123456789a").unwrap();
        assert_eq!(told(&path), "is larger than 10 B");
        assert!(can_be_read_again(&path) && !can_be_read_again(directory.path()));
        assert_eq!(told(directory.path()), "is a directory, not a file");
        for device in ["/dev/zero", "/dev/null"] {
            let link = directory.path().join(&device[5..]);
            symlink(device, &link).unwrap();
            assert_eq!(told(&link), "is a device, not a file");
        }
    }

    #[test]
    fn a_pipe_is_read_to_its_end_and_not_waited_for_for_ever() {
        let directory = tempfile::Builder::new().prefix("reelfs-test-").tempdir().unwrap();
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(told(&path), "is a pipe, and nobody wrote to it for 0 s");
        assert!(!can_be_read_again(&path));
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read(&path, 10));
            // Opens when the reader has, and writes in two goes.
            let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
            for part in ["01234", "56789"] {
                writer.write_all(part.as_bytes()).unwrap();
            }
            drop(writer);
            assert_eq!(reader.join().unwrap().unwrap(), b"0123456789");
        });
    }

    #[test]
    fn what_a_shell_substitutes_is_read_also_when_its_writer_has_gone() {
        for text in ["", "secret"] {
            let (reader, mut writer) = io::pipe().unwrap();
            writer.write_all(text.as_bytes()).unwrap();
            drop(writer);
            let path = format!("/dev/fd/{}", reader.as_raw_fd());
            assert_eq!(read(path.as_ref(), 10).unwrap(), text.as_bytes());
        }
        let (reader, _writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        assert_eq!(told(path.as_ref()), "is a pipe, and nobody wrote to it for 0 s");
    }
}
