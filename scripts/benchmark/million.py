"""An account with 1,000,000 objects: how soon a mount of it answers, what a walk over all of them takes, and
how much memory."""

import time

from . import long_files
from .ground import Failed, Server, run, timed
from .peers import REELFS_QUARTER
from .rows import LIMIT, Cell, Row, at_most, requests_at_most

# What the stand-in server has: see src/sandbox/crowd.rs.
OBJECTS = 1_000_403


def scene(bench):
    walk = Row("million-find", "near, find over 1,000,000 objects, no day listed before", "s", "")
    first = Row(
        "million-ls", "mount to first ls of a day of 5,820 recordings, 1,000,000 objects in the catalogue",
        "s", "<= 0.5 s, ls asks for nothing",
    )
    again = Row("million-find-again", "find over the 1,000,000 objects after a remount", "s", "")
    memory = Row(
        "million-memory", "memory of the daemon, 32 readers of two long files, in order and at random, 1,000,000 known objects", "MiB",
        "<= the memory budget (256 MiB) + 64 MiB",
    )
    server = Server(bench.ground, "million", account="million")
    cache = bench.ground.directory("cache")

    def find(row, mount):
        server.forget()
        command = ["sh", "-c", 'find "$0/logs" "$0/recordings" -type f ! -name playlist.m3u8 | wc -l', str(mount.at)]
        seconds, found = timed(command, LIMIT)
        if int(found) != OBJECTS:
            raise Failed(f"find finds {int(found)} files, not {OBJECTS}")
        row.cells["reelfs"] = Cell([seconds], *server.asked())
        row.note = f"memory at its end: {mount.peak():.0f} MiB at the most"

    with REELFS_QUARTER.mounted(bench.ground, server, cache=cache) as mount:
        days = run(["sh", "-c", 'cd "$0/recordings" && ls -d */*/*', str(mount.at)], LIMIT).decode().split()
        find(walk, mount)
    for _ in range(bench.runs):
        cells = []
        # A day in the middle, which only the catalogue knows, and the root.
        for place in (f"recordings/{days[len(days) // 2]}", "."):
            with REELFS_QUARTER.mounted(bench.ground, server, cache=cache) as mount:
                # A mount asks whether its key is taken, before it answers.
                server.forget()
                names = run(["ls", str(mount.at / place)], LIMIT).split()
                cells.append((time.monotonic() - mount.started, *server.asked()))
                # With the playlist.
                if len(names) not in (4, 5_821):
                    raise Failed(f"ls shows {len(names)} names")
        first.cells.setdefault("reelfs", Cell()).add(*cells[0])
        first.cells.setdefault("ls of the root", Cell()).add(*cells[1])
    with REELFS_QUARTER.mounted(bench.ground, server, cache=cache) as mount:
        find(again, mount)
        long_files.many_readers(bench, mount)
        memory.cells["reelfs"] = Cell([mount.peak()])
    first.judge(at_most(0.5, "s"))
    first.judge(requests_at_most(0))
    memory.judge(at_most(256 + 64, "MiB"))
    return [walk, first, again, memory]
