"""Scenes with one long file: reading it whole, again, at random, in parts, and by many at once."""

import json
import statistics
import subprocess
import sys

from . import work
from .ground import Failed, drop_page_cache, run, say, timed
from .peers import HTTPDIRFS, RCLONE, RCLONE_16, REELFS
from .rows import (
    LIMIT, MB, MIB, WORK, Cell, Row, at_least, at_most, moved_at_most, no_slower, rate, requests_at_most,
)


def cold_read(bench, server, peer, *options):
    """Reads the long recording through a fresh mount, after `ls -l` of its directory: those who mount pages
    have learned its size with the listing, so all may know it when the clock starts."""

    def measure():
        with peer.mounted(bench.ground, server, *options) as mount:
            path = mount.listed(bench.long_day, "-l")["long"]
            server.forget()
            outcome = bench.worker("read", path, bench.truth["long"])
            return rate(outcome), *server.asked(of_files=True)

    return measure


def raw(bench, server, connections):
    def measure():
        drop_page_cache()
        server.forget()
        outcome = bench.worker("raw", bench.url(server, "long"), bench.truth["long"], connections)
        return rate(outcome), *server.asked(of_files=True)

    return measure


def far_read(bench, connections):
    row = Row(
        f"far-read-{connections}", f"far, 200 MB, cold, {connections} connections", "MB/s",
        ">= 0.9 x the raw client",
    )
    programs = {f"raw {connections}": raw(bench, bench.far, connections)}
    if connections == 16:
        programs["curl"] = raw(bench, bench.far, 1)
        for peer in bench.having(RCLONE, RCLONE_16):
            programs[peer.name] = cold_read(bench, bench.far, peer)
        row.note = "curl: one connection"
    programs["reelfs"] = cold_read(bench, bench.far, REELFS, "--connections", str(connections))
    bench.each(row, programs)
    row.judge(at_least(0.9, f"raw {connections}"))
    if "rclone 16" in row.cells:
        row.judge(at_least(1, "rclone 16"))
    return [row]


def near_read(bench):
    row = Row("near-read", "near, 200 MB, cold", "MB/s", ">= 0.8 x curl")

    def curl(to):
        def measure():
            command = ["curl", "-sf", "-o", str(to), "-w", "%{speed_download}", bench.url(bench.near, "long")]
            return float(run(command, LIMIT)) / MB, 1, 200 * MB

        return measure

    copy = bench.ground.work / "copy"
    programs = {"curl": curl("/dev/null"), "curl to a file": curl(copy), "raw 1": raw(bench, bench.near, 1)}
    for peer in bench.having(RCLONE, RCLONE_16, HTTPDIRFS):
        programs[peer.name] = cold_read(bench, bench.near, peer)
    programs["reelfs"] = cold_read(bench, bench.near, REELFS)
    bench.each(row, programs)
    if copy.read_bytes() != bench.truth["long"].read_bytes():
        raise Failed("curl's copy is not what the server has")
    row.judge(at_least(0.8, "curl"))
    row.note = "curl: to /dev/null, and to a file; raw 1: one connection, into memory as the readers of mounts do"
    return [row]


def warm_read(bench):
    row = Row("warm-read", "near, the same 200 MB again, warm", "MB/s", ">= 0.9 x the same read of a local file")
    truth = bench.truth["long"]

    def again(peer):
        def measure():
            with peer.mounted(bench.ground, bench.near) as mount:
                path = mount.listed(bench.long_day)["long"]
                bench.worker("read", path, truth)
                bench.near.forget()
                return rate(bench.worker("read", path, truth)), *bench.near.asked(of_files=True)

        return measure

    def local():
        bench.worker("read", truth, truth)
        return rate(bench.worker("read", truth, truth)), 0, 0

    programs = {"local file": local}
    programs |= {peer.name: again(peer) for peer in bench.having(RCLONE, RCLONE_16)}
    programs["reelfs"] = again(REELFS)
    bench.each(row, programs)
    row.judge(at_least(0.9, "local file"))
    row.judge(requests_at_most(0))
    return [row]


def remount_read(bench):
    """The same file through a second mount, which has the first one's cache; nothing is in the kernel's."""
    row = Row(
        "remount-read", "after a remount, 200 MB from the cache on disk", "MB/s",
        ">= 0.8 x the same read of a local file",
    )
    truth = bench.truth["long"]

    def remounted():
        cache = bench.ground.directory("cache")
        with REELFS.mounted(bench.ground, bench.near, cache=cache) as mount:
            bench.worker("read", mount.listed(bench.long_day)["long"], truth)
        with REELFS.mounted(bench.ground, bench.near, cache=cache) as mount:
            path = mount.listed(bench.long_day)["long"]
            bench.near.forget()
            return rate(bench.worker("read", path, truth)), *bench.near.asked(of_files=True)

    def local():
        drop_page_cache()
        return rate(bench.worker("read", truth, truth)), 0, 0

    bench.each(row, {"local file": local, "reelfs": remounted})
    row.judge(at_least(0.8, "local file"))
    row.judge(requests_at_most(0))
    return [row]


def random_reads(bench):
    middle = Row("random", "far, 20 random reads of 4 KiB in 200 MB: median", "ms", "<= 1.2 x curl, <= 8 MiB moved")
    worst = Row("random-p90", "the same reads: 90th percentile", "ms", "<= 1.5 x curl")

    def curl():
        took = []
        for at in work.places(200 * MB):
            span = f"{at}-{at + work.PLACE - 1}"
            command = ["curl", "-sf", "-o", "/dev/null", "-r", span, "-w", "%{time_total}"]
            took.append(float(run([*command, bench.url(bench.far, "long")], LIMIT)))
        return took

    def mounted(peer):
        def measure():
            with peer.mounted(bench.ground, bench.far) as mount:
                path = mount.listed(bench.long_day)["long"]
                bench.far.forget()
                return bench.worker("random", path, bench.truth["long"])["took"]

        return measure

    programs = {"curl": curl} | {p.name: mounted(p) for p in bench.having(RCLONE, REELFS)}
    for _ in range(bench.runs):
        for name, program in programs.items():
            bench.far.forget()
            try:
                took = sorted(program())
            except Failed as error:
                say(f"    {name}: {error}")
                continue
            requests, moved = bench.far.asked(of_files=True)
            # The 18th of 20 is the 90th percentile.
            for row, value in ((middle, statistics.median(took)), (worst, took[17])):
                row.cells.setdefault(name, Cell()).add(1000 * value, requests, moved)
    middle.judge(no_slower(1.2, "curl"))
    middle.judge(moved_at_most(8 * MIB))
    worst.judge(no_slower(1.5, "curl"))
    return [middle, worst]


def on_a_long_file(bench, row, kind, command, peers):
    """Runs a command on one of the long files of a fresh mount, far away."""

    def mounted(peer):
        def measure():
            with peer.mounted(bench.ground, bench.far) as mount:
                path = mount.listed(bench.long_day)[kind]
                bench.far.forget()
                seconds, _ = timed(command(str(path)), LIMIT)
                return seconds, *bench.far.asked(of_files=True)

        return measure

    bench.each(row, {peer.name: mounted(peer) for peer in bench.having(*peers)})


def probe(bench):
    row = Row(
        "ffprobe", "far, ffprobe of a 180 MB mp4 with its index at the end, cold", "s",
        "<= 4 requests, <= 2 MiB, no slower than rclone",
    )
    command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json"]
    truth = json.loads(run([*command, str(bench.truth["video"])], LIMIT))["streams"]

    def checked(path):
        # Also warms ffprobe itself up, after the kernel's caches were emptied.
        if json.loads(run([*command, str(bench.truth["video"])], LIMIT))["streams"] != truth:
            raise Failed("ffprobe is not sure of itself")
        return [*command, path]

    on_a_long_file(bench, row, "video", checked, (RCLONE, REELFS))
    row.judge(requests_at_most(4))
    row.judge(moved_at_most(2 * MIB))
    if "rclone" in row.cells:
        row.judge(no_slower(1, "rclone"))
    return [row]


def copy_one(bench):
    row = Row("cp", "far, cp of one recording of 1.2 MB, cold", "s", "<= 2 requests, <= 1.05 x its bytes")
    to = bench.ground.work / "cp"
    on_a_long_file(bench, row, "usual", lambda path: ["cp", path, str(to)], (RCLONE, REELFS))
    if to.read_bytes() != bench.truth["usual"].read_bytes():
        raise Failed("the copy is not what the server has")
    row.judge(requests_at_most(2))
    row.judge(moved_at_most(1_200_000 * 1.05))
    return [row]


def memory(bench):
    row = Row(
        "memory", "memory of the daemon, 32 readers of two long files, in order and at random, 11,003 known objects", "MiB",
        "<= the memory budget (256 MiB) + 64 MiB",
    )
    with REELFS.mounted(bench.ground, bench.near) as mount:
        run(["ls", "-lR", str(mount.at)], LIMIT)
        many_readers(bench, mount)
        row.cells["reelfs"] = Cell(values=[mount.peak()])
    row.judge(at_most(256 + 64, "MiB"))
    return [row]


def many_readers(bench, mount):
    """Reads two long files with 16 readers each, side by side, in order and then at random."""
    paths = mount.listed(bench.long_day)
    readers = [
        subprocess.Popen(
            [sys.executable, WORK, "crowd", str(paths[kind]), str(bench.truth[kind]), "16"],
            stdout=subprocess.PIPE, start_new_session=True,
        )
        for kind in ("long", "video")
    ]
    try:
        for reader in readers:
            reader.communicate(timeout=LIMIT)
            if reader.returncode:
                raise Failed("a reader failed")
    finally:
        for reader in readers:
            reader.kill()
