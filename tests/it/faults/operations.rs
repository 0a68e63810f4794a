//! The operations of the table, each as a program does it, and what they gave.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::errno::Errno;

use super::injection::ramp;
use super::scene::SIZE;
use super::table::Given;
use crate::ground::is_object;

/// Where a random read begins: in a block that nobody touched.
const RANDOM: usize = 400_000;

/// Maps a file, waits for a line, and looks at a page.
const MAPPER: &str = "import mmap,sys
f=open(sys.argv[1],'rb')
m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)
print('ready',flush=True)
sys.stdin.readline()
at,seed=int(sys.argv[2]),int(sys.argv[3])
print('right' if all(m[i]==(seed+i)%251 for i in range(at,at+4096)) else 'wrong',flush=True)";

/// What came of an operation: one of what a table can promise, or something that none promises.
pub(super) type Outcome = Result<Given, String>;

fn failed(error: &io::Error) -> Outcome {
    let errno = error.raw_os_error().ok_or_else(|| error.to_string())?;
    Ok(Given::Errno(Errno::from_raw(errno)))
}

/// The size that `stat` reports.
pub(super) fn stat(path: &Path) -> Outcome {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == SIZE as u64 => Ok(Given::Right),
        Ok(metadata) if metadata.len() == SIZE as u64 + 1 => Ok(Given::AsTold),
        Ok(metadata) => Err(format!("{} bytes", metadata.len())),
        Err(error) => failed(&error),
    }
}

/// Opens a file, and looks at its size then.
pub(super) fn open(path: &Path) -> Outcome {
    match File::open(path) {
        Ok(_file) => stat(path),
        Err(error) => failed(&error),
    }
}

/// Reads an open file to its end: all that comes before an error must be right, too.
pub(super) fn whole(mut file: &File, seed: u8) -> Outcome {
    let (mut bytes, right) = (Vec::new(), ramp(seed));
    let outcome = file.read_to_end(&mut bytes);
    if !right.starts_with(&bytes) {
        return Err("other bytes".to_owned());
    }
    match outcome {
        Ok(_) if bytes.len() == SIZE => Ok(Given::Right),
        Ok(_) => Err(format!("{} bytes and no error", bytes.len())),
        Err(error) => failed(&error),
    }
}

/// Reads 4 KiB somewhere in an open file.
pub(super) fn random(file: &File, seed: u8) -> Outcome {
    let mut bytes = [0; 4096];
    match file.read_exact_at(&mut bytes, RANDOM as u64) {
        Ok(()) if bytes[..] == ramp(seed)[RANDOM..RANDOM + 4096] => Ok(Given::Right),
        Ok(()) => Err("other bytes".to_owned()),
        Err(error) => failed(&error),
    }
}

/// A program that has mapped a file and not yet looked at it.
pub(super) struct Mapped {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Mapped {
    pub(super) fn start(path: &Path, seed: u8) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", MAPPER]).arg(path).args([RANDOM.to_string(), seed.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, lines }
    }

    /// Lets it look.
    pub(super) fn look(mut self) -> Outcome {
        self.child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        let _ = self.lines.read_line(&mut line);
        let status = self.child.wait().unwrap();
        match (line.as_str(), status.signal()) {
            ("right\n", None) => Ok(Given::Right),
            ("", Some(libc::SIGBUS)) => Ok(Given::Sigbus),
            _ => Err(format!("{line:?}, {status}")),
        }
    }
}

/// The paths of what a directory holds, in order.
pub(super) fn list(day: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(day)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| is_object(path));
    paths.sort();
    Ok(paths)
}

/// Lists a directory that holds so many files.
pub(super) fn listing(day: &Path, count: usize) -> Outcome {
    match list(day) {
        Ok(paths) if paths.len() == count => Ok(Given::Right),
        Ok(paths) => Err(format!("{} names", paths.len())),
        Err(error) => failed(&error),
    }
}
