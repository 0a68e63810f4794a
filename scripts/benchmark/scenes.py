"""All scenes in the order of the table. A scene sets up one situation and gives the rows that come of it."""

from . import long_files, many_files, million


# Each scene with the keys of the rows that it gives.
SCENES = (
    (("far-read-16",), lambda bench: long_files.far_read(bench, 16)),
    (("far-read-32",), lambda bench: long_files.far_read(bench, 32)),
    (("near-read",), long_files.near_read),
    (("warm-read",), long_files.warm_read),
    (("remount-read",), long_files.remount_read),
    (("ls-l", "ls-l-again", "grep", "grep-again"), many_files.list_and_grep),
    (("remount-ls-l",), many_files.remount_listing),
    (("ls",), many_files.names_only),
    (("rsync", "rsync-again"), many_files.rsync),
    (("random", "random-p90"), long_files.random_reads),
    (("ffprobe",), long_files.probe),
    (("cp",), long_files.copy_one),
    (("known", "known-again"), many_files.known_sizes),
    (("memory",), long_files.memory),
    (("million-find", "million-ls", "million-find-again", "million-memory"), million.scene),
)
