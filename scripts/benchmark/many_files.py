"""Scenes with a directory of many small files: listing, searching and copying them."""

import hashlib
import os
import re
from pathlib import Path

from .ground import Failed, run, say, timed
from .peers import HTTPDIRFS, RCLONE, REELFS
from .rows import LIMIT, Cell, Row, at_most, no_slower, requests_at_most


def same_logs(bench, directory):
    """Fails unless a directory holds the logs, all of them and nothing else."""

    def bytes_of(at):
        return sorted(hashlib.sha256((at / name).read_bytes()).digest() for name in os.listdir(at))

    if bytes_of(directory) != bytes_of(bench.logs):
        raise Failed("the logs are not those of the server")


def list_and_grep(bench):
    """`ls -l` twice, then `grep -r` twice, on one mount: what somebody does who looks for a call."""
    listing = Row(
        "ls-l", "far, ls -l of 1,000 logs, sizes unknown", "s", "<= 2.5 s, <= 1,010 requests"
    )
    listing_again = Row("ls-l-again", "the same ls -l again", "s", "no request")
    search = Row(
        "grep", "far, grep -r over them, cold, with that ls -l", "s", "<= 3 s, <= 1,010 requests in all"
    )
    search_again = Row("grep-again", "the same grep -r again", "s", "<= 0.1 s, no request")
    rows = [listing, listing_again, search, search_again]
    wanted = grep(bench.logs)[0]

    def visit(peer):
        server = bench.far
        with peer.mounted(bench.ground, server) as mount:
            directory = mount.day("logs", bench.log_day)
            server.forget()
            first, _ = timed(["ls", "-l", str(directory)], LIMIT)
            requests, moved = server.asked()
            yield listing, first, requests, moved
            server.forget()
            seconds, _ = timed(["ls", "-l", str(directory)], LIMIT)
            yield listing_again, seconds, *server.asked()
            server.forget()
            found, seconds = grep(directory)
            if found != wanted:
                raise Failed(f"grep finds {found} lines, not {wanted}")
            more, moved_more = server.asked()
            yield search, first + seconds, requests + more, moved + moved_more
            server.forget()
            found, seconds = grep(directory)
            yield search_again, seconds, *server.asked()
            # Read through the mount by this very process: by now it is known not to hang.
            same_logs(bench, directory)

    for turn in range(bench.runs):
        for peer in bench.having(RCLONE, HTTPDIRFS, REELFS):
            if turn and peer is not REELFS:
                continue  # They take a minute or more, and differ by far more than noise.
            try:
                for row, value, requests, moved in visit(peer):
                    row.cells.setdefault(peer.name, Cell()).add(value, requests, moved)
            except (Failed, OSError) as error:
                say(f"    {peer.name}: {error}")
                for row in rows:
                    row.cells.setdefault(peer.name, Cell()).failed = str(error)
    listing.judge(at_most(2.5, "s"))
    listing.judge(requests_at_most(1010))
    listing_again.judge(requests_at_most(0))
    search.judge(at_most(3, "s"))
    search.judge(requests_at_most(1010))
    search_again.judge(at_most(0.1, "s"))
    search_again.judge(requests_at_most(0))
    return rows


def remount_listing(bench):
    row = Row("remount-ls-l", "far, ls -l of 1,000 logs after a remount", "s", "no request")

    def remounted():
        cache = bench.ground.directory("cache")
        for _ in range(2):
            with REELFS.mounted(bench.ground, bench.far, cache=cache) as mount:
                bench.far.forget()
                seconds, _ = timed(["ls", "-l", str(mount.day("logs", bench.log_day))], LIMIT)
                asked = bench.far.asked()
        return seconds, *asked

    bench.each(row, {"reelfs": remounted})
    row.judge(requests_at_most(0))
    return [row]


def grep(directory):
    """How many lines `grep -r` finds, and the seconds that it takes."""
    seconds, found = timed(["grep", "-r", "ERROR", str(directory)], LIMIT)
    return found.count(b"\n"), seconds


def names_only(bench):
    row = Row("ls", "far, ls (names) of 1,000 logs", "s", "no request per file")

    def names(peer):
        def measure():
            with peer.mounted(bench.ground, bench.far) as mount:
                bench.far.forget()
                seconds, _ = timed(["ls", str(mount.day("logs", bench.log_day))], LIMIT)
                return seconds, *bench.far.asked()

        return measure

    bench.each(row, {peer.name: names(peer) for peer in bench.having(RCLONE, HTTPDIRFS, REELFS)})
    row.judge(requests_at_most(10))
    return [row]


def rsync(bench):
    first = Row("rsync", "far, rsync -a of 1,000 logs, cold", "s", "<= 4 s")
    second = Row("rsync-again", "the same rsync again", "s", "moves nothing, asks for no media")

    def copy(peer):
        with peer.mounted(bench.ground, bench.far) as mount:
            to = bench.ground.directory("copy")
            command = ["rsync", "-a", "--stats", f"{mount.day('logs', bench.log_day)}/", str(to)]
            for row in (first, second):
                bench.far.forget()
                seconds, out = timed(command, LIMIT)
                requests, moved = bench.far.asked(of_files=row is second)
                yield row, seconds, requests, moved, transferred(out)
            same_logs(bench, to)

    moved_again = {}
    for turn in range(bench.runs):
        for peer in bench.having(RCLONE, HTTPDIRFS, REELFS):
            if turn and peer is not REELFS:
                continue  # They take a minute or more, and differ by far more than noise.
            try:
                for row, value, requests, moved, files in copy(peer):
                    row.cells.setdefault(peer.name, Cell()).add(value, requests, moved)
                    moved_again[peer.name] = files
            except (Failed, OSError) as error:
                say(f"    {peer.name}: {error}")
                for row in (first, second):
                    row.cells.setdefault(peer.name, Cell()).failed = str(error)
    first.judge(at_most(4, "s"))
    second.judge(requests_at_most(0))
    second.judge(lambda _: (f"{moved_again['reelfs']} files moved", moved_again["reelfs"] == 0))
    return [first, second]


def transferred(stats):
    return int(re.search(rb"regular files transferred: ([\d,]+)", stats).group(1).replace(b",", b""))


def known_sizes(bench):
    row = Row("known", "near, ls -l of 10,000 videos of known size", "s", "<= 3 x the same on tmpfs, once listed")
    again = Row("known-again", "the same ls -l again, sizes listed", "s", "<= 3 x the same on tmpfs")
    shadow = Path("/dev/shm") / bench.ground.work.name
    shadow.mkdir()
    try:
        for number in range(10_000):
            name = f"{number:06}-in-+1555{number:07}-{number + 30_000}.mp4"
            with open(shadow / name, "wb") as file:
                file.truncate(100_000 + 97 * number)
        for _ in range(bench.runs):
            with REELFS.mounted(bench.ground, bench.near) as mount:
                directory = mount.day("recordings", bench.many_day)
                run(["ls", str(directory)], LIMIT)
                for which in (row, again):
                    bench.near.forget()
                    seconds, sizes = list_sizes(directory)
                    which.cells.setdefault("reelfs", Cell()).add(seconds, *bench.near.asked())
                    seconds, wanted = list_sizes(shadow)
                    which.cells.setdefault("tmpfs", Cell()).add(seconds, 0, 0)
                    if sizes != wanted:
                        raise Failed("ls -l shows wrong sizes")
    finally:
        for file in shadow.iterdir():
            file.unlink()
        shadow.rmdir()
    for which in (row, again):
        which.judge(no_slower(3, "tmpfs"))
    return [row, again]


def list_sizes(directory):
    seconds, found = timed(["ls", "-ln", str(directory)], LIMIT)
    files = (line.split() for line in found.splitlines()[1:])
    return seconds, sorted(int(line[4]) for line in files if line[-1] != b"playlist.m3u8")
