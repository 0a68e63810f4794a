"""The command line of scripts/bench."""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from . import report
from .ground import Failed, Ground, Server, say
from .peers import ALL, HTTPDIRFS, REELFS
from .rows import Bench, Row
from .scenes import SCENES

TOOLS = {
    "curl": "curl", "ffprobe": "ffmpeg", "rsync": "rsync", "grep": "grep",
    "fusermount3": "fuse3",
}
ABOUT = """\
Measures reelfs beside rclone, httpdirfs, curl and a raw client: the stand-in
server (reelfs sandbox) serves the same bytes to all of them, one after another,
far (50 ms before each first byte, 20 MB/s a connection) and near. Every byte
that is read is compared with the server's, and the server counts the requests.

Values are medians; what is compared within a row runs in turns. Nothing stays
mounted or running when it ends, however it ends."""


def arguments():
    keys = [key for scene, _ in SCENES for key in scene]
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=ABOUT, epilog=f"rows: {', '.join(keys)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(peer.name for peer in ALL if peer is not REELFS)
    parser.add_argument("--rows", metavar="ROW,ROW", type=lambda text: text.split(","), help="only these")
    parser.add_argument(
        "--peers", metavar="NAME,NAME", type=lambda text: text.split(","), help=f"only these of {names}"
    )
    parser.add_argument("--runs", metavar="N", type=int, default=3, help="how often to measure [default: 3]")
    parser.add_argument("--quick", action="store_true", help="once, and without httpdirfs, which takes minutes")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table to FILE, between its marks where it has them")
    parser.add_argument("--svg", metavar="FILE", type=Path, help="write a chart to FILE")
    parser.add_argument("--headline", metavar="FILE", type=Path, help="write a chart of the rows that tell most to FILE")
    asked = parser.parse_args()
    for row in asked.rows or []:
        if row not in keys:
            parser.error(f"there is no row {row}; rows: {', '.join(keys)}")
    for name in asked.peers or []:
        if name not in [peer.name for peer in ALL]:
            parser.error(f"there is no peer {name}; peers: {names}")
    if asked.runs < 1:
        parser.error("--runs is at least 1")
    return asked


def peers_here(asked):
    """The peers that are wanted and installed; says how to get those that are missing."""
    here = [REELFS]
    for peer in ALL:
        wanted = asked.peers is None or peer.name in asked.peers
        if peer is REELFS or not wanted or (asked.quick and peer is HTTPDIRFS):
            continue
        if peer.program():
            here.append(peer)
        else:
            say(f"{peer.name} is missing: {peer.install}")
    return here


def machine():
    """One line about the machine, for the report."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(": ")[1] for line in info.splitlines() if line.startswith("model name")), "?")
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} cores ({model.strip()}), {gib:.0f} GiB, Linux {kernel}"


def measure(bench, asked):
    """Measures scene by scene and prints each row as it comes."""
    rows = []
    for keys, scene in SCENES:
        if asked.rows and not set(keys) & set(asked.rows):
            continue
        say(f"==> {', '.join(keys)}")
        try:
            found = scene(bench)
        except (Failed, OSError, subprocess.SubprocessError) as error:
            found = [Row(keys[0], keys[0], "", "", note=f"failed: {error}")]
            say(f"    failed: {error}")
        for row in found:
            print(report.terminal(row), flush=True)
        rows += found
    return rows


def ended(number, _frame):
    """Ends as after an error: what was started is ended, what was mounted is unmounted."""
    sys.exit(128 + number)


def main():
    asked = arguments()
    missing = [f"{tool} (apt install {package})" for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        say(f"error: missing: {', '.join(missing)}")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ended)
    peers = peers_here(asked)
    with Ground() as ground:
        far = Server(ground, "far", "--latency", "50ms", "--rate", "20MB")
        near = Server(ground, "near")
        rows = measure(Bench(ground, far, near, peers, 1 if asked.quick else asked.runs), asked)
    if asked.markdown:
        report.write(asked.markdown, f"{machine()}.\n\n{report.markdown(rows)}")
    if asked.svg:
        asked.svg.write_text(report.svg(rows))
    if asked.headline:
        asked.headline.write_text(report.headline(rows))
    missed = [row.key for row in rows if any(not holds for _, holds in row.verdicts)]
    print(f"not reached: {', '.join(missed)}" if missed else "every target that was measured is reached")
    return 0
