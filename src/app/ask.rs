//! Asks the mount that a path is in, where the answer has many lines.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::control::{Answer, Question};
use super::problem::Problem;
use super::status::{absolute, around, mounts, nobody};

/// Where a path stands in a mount of this user.
pub(super) struct Asked {
    /// The mount's socket.
    pub(super) socket: PathBuf,
    pub(super) mountpoint: PathBuf,
    /// With slashes; empty for all of the mount.
    pub(super) below: String,
}

impl Asked {
    /// Of a mount that answers.
    pub(super) fn about(path: &Path) -> Result<Self, Problem> {
        let path = absolute(path);
        let (socket, status) = around(&path, mounts()).ok_or_else(|| nobody(&path))?;
        let below = path.strip_prefix(&status.mountpoint).unwrap_or(&path);
        let below = below.to_string_lossy().into_owned();
        Ok(Self { socket, mountpoint: status.mountpoint, below })
    }
}

/// Asks a mount; its answers, line by line, as they come.
pub(super) fn lines(
    socket: &Path,
    question: &Question,
) -> io::Result<impl Iterator<Item = io::Result<Answer>> + use<>> {
    let mut stream = UnixStream::connect(socket)?;
    let question = serde_json::to_string(question)? + "\n";
    stream.write_all(question.as_bytes())?;
    let lines = BufReader::new(stream).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}

/// Where a file is that a mount tells of. Another user's may tell root anything, but not of what is elsewhere.
pub(super) fn place(mountpoint: &Path, told: &str) -> io::Result<PathBuf> {
    let mut parts = Path::new(told).components();
    let is_in_it = parts.all(|part| matches!(part, Component::Normal(_)));
    if is_in_it && !told.contains(char::is_control) {
        return Ok(mountpoint.join(told));
    }
    Err(io::Error::other("it tells of a file that is none of its own"))
}

/// Answers with a line.
pub(super) async fn tell(to: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    to.write_all(&line).await
}
