"""Processes, mounts and servers. Whatever is started here is ended by its own pid, also after an error
or Ctrl-C, and whatever is mounted is unmounted lazily: a dead mount must not hang the benchmark."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """A step that did not work; the row says so and the benchmark goes on."""


def run(command, limit, **options):
    """Runs a command to its end, at most `limit` seconds; gives what it printed."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, start_new_session=True, **options
    )
    try:
        out, error = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as late:
        os.killpg(process.pid, signal.SIGKILL)
        # Not waited for: a process that hangs in a mount ends when that is unmounted.
        raise Failed(f"not done within {limit} s") from late
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.returncode != 0:
        last = error.decode(errors="replace").strip().splitlines()[-1:]
        raise Failed(f"{Path(command[0]).name} failed: {' '.join(last)}")
    return out


def timed(command, limit, **options):
    """The seconds that a command takes, and what it printed."""
    start = time.monotonic()
    out = run(command, limit, **options)
    return time.monotonic() - start, out


class Daemon:
    """A program in the background, in a process group of its own."""

    def __init__(self, command, log, environment=None):
        self.log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True, env={**os.environ, **(environment or {})},
            )

    def wait_for(self, condition, what, limit=30):
        """Waits until `condition` gives something, and gives that."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if found := condition():
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        tail = Path(self.log).read_text(errors="replace").strip().splitlines()[-1:]
        raise Failed(f"{what} does not start: {' '.join(tail)}")

    def stop(self):
        for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            if self.process.poll() is not None:
                return
            os.killpg(self.process.pid, number)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue


def mounted_at(path):
    """Whether something is mounted at `path`. Reads the kernel's table, and touches no mount."""
    with open("/proc/self/mounts") as table:
        return any(line.split()[1] == str(path) for line in table)


def unmount(path):
    """Takes a mount away, also one that is dead or in use."""
    for command in (["umount", "-l"], ["fusermount3", "-uz"], ["fusermount", "-uz"]):
        if not mounted_at(path):
            return
        if shutil.which(command[0]):
            subprocess.run([*command, str(path)], stderr=subprocess.DEVNULL, timeout=20, check=False)


class Server:
    """The stand-in server, which counts the requests that it gets."""

    def __init__(self, ground, name, *options, account="bench"):
        self.reelfs = ground.reelfs
        self.keys = ground.work / f"keys-{name}"
        log = ground.work / f"server-{name}.log"
        command = [
            str(ground.reelfs), "sandbox", "--listen", "127.0.0.1:0", "--account", account,
            "--pages", "--write-credentials", str(self.keys), *options,
        ]
        daemon = ground.start(command, log)
        found = daemon.wait_for(lambda: re.search(r"http://\S+", log.read_text()), "the sandbox")
        self.url = found.group()

    def forget(self):
        """Starts to count anew."""
        self._control("DELETE")

    def asked(self, of_files=False):
        """Requests and bytes of their bodies since the last `forget`."""
        requests = json.loads(self._control("GET"))
        if of_files:
            requests = [one for one in requests if isinstance(one["target"], dict) and "file" in one["target"]]
        return len(requests), sum(one["sent"] for one in requests)

    def page(self, path):
        """The names on one of its pages."""
        with urllib.request.urlopen(f"{self.url}/files/{path}", timeout=60) as answer:
            return [n for n in re.findall(r'href="([^"]+)"', answer.read().decode()) if n != "../"]

    def size(self, path):
        request = urllib.request.Request(f"{self.url}/files/{path}", method="HEAD")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.headers["Content-Length"])

    def days(self, area):
        """The days of an area, oldest first, as `2026/11/21`."""
        found = [area]
        for _ in range(3):
            found = [f"{path}/{name.strip('/')}" for path in found for name in self.page(f"{path}/")]
        return sorted(path.removeprefix(f"{area}/") for path in found)

    def _control(self, method):
        request = urllib.request.Request(f"{self.url}/sandbox/requests", method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


class Ground:
    """Everything that a run starts, mounts and writes. To be used as a context."""

    def __init__(self):
        self.reelfs = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "reelfs"
        self.daemons = []
        self.mounts = []

    def __enter__(self):
        self.work = Path(os.path.realpath(tempfile.mkdtemp(prefix="reelfs-bench-")))
        if not self.reelfs.exists():
            say("building reelfs")
            subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
        return self

    def __exit__(self, *_):
        # Once it ends, it ends: a second Ctrl-C must not leave mounts behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for path in reversed(self.mounts):
            unmount(path)
        for daemon in reversed(self.daemons):
            daemon.stop()
        if not any(mounted_at(path) for path in self.mounts):
            shutil.rmtree(self.work, ignore_errors=True)

    def start(self, command, log, environment=None):
        daemon = Daemon(command, log, environment)
        self.daemons.append(daemon)
        return daemon

    def directory(self, name):
        """A new directory."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.work))

    def mount(self, command, at, environment=None):
        """Starts a program that mounts something at `at` and stays in the foreground."""
        self.mounts.append(at)
        daemon = self.start(command, self.work / f"{at.name}.log", environment)
        daemon.wait_for(lambda: mounted_at(at), Path(command[0]).name)
        return daemon

    def end(self, daemon, at):
        unmount(at)
        daemon.stop()
        self.daemons.remove(daemon)


def drop_page_cache():
    """Empties the kernel's caches where that is allowed. Cold rows have fresh mounts in any case."""
    if os.geteuid() == 0:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3\n")


def say(text):
    print(text, file=sys.stderr, flush=True)
