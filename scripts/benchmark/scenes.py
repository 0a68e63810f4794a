"""All scenes in the order of the table. A scene sets up one situation and gives the rows that come of it."""

from . import long_files, many_files
from .rows import Row


def not_yet(key, title, target):
    row = Row(key, title, "", target, note="not in this version: it needs the cache on disk")
    return lambda _: [row]


# Each scene with the keys of the rows that it gives.
SCENES = (
    (("far-read-16",), lambda bench: long_files.far_read(bench, 16)),
    (("far-read-32",), lambda bench: long_files.far_read(bench, 32)),
    (("near-read",), long_files.near_read),
    (("warm-read",), long_files.warm_read),
    (("remount-read",), not_yet(
        "remount-read", "after a remount, from the cache on disk", ">= 0.8 x the same read of a local file")),
    (("ls-l", "ls-l-again", "grep", "grep-again"), many_files.list_and_grep),
    (("remount-ls-l",), not_yet("remount-ls-l", "far, ls -l of 1,000 logs after a remount", "no request")),
    (("ls",), many_files.names_only),
    (("rsync", "rsync-again"), many_files.rsync),
    (("random", "random-p90"), long_files.random_reads),
    (("ffprobe",), long_files.probe),
    (("cp",), long_files.copy_one),
    (("known", "known-again"), many_files.known_sizes),
    (("memory",), long_files.memory),
    (("million-ls",), not_yet(
        "million-ls", "mount to first ls, 1,000,000 objects in the catalogue", "<= 0.5 s")),
)
