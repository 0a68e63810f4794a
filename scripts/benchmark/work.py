"""What is timed in a process of its own, so that it can be given up on. It prints one JSON object; the bytes
are compared with the truth when the clock has stopped.

    read PATH TRUTH             reads a file from its first byte to its last
    random PATH TRUTH           reads 4 KiB at 20 places
    slices PATH TRUTH COUNT     reads a file with COUNT readers, each its share
    crowd PATH TRUTH COUNT      does the same, and then lets each reader read at random places
    raw URL TRUTH COUNT         downloads a file with COUNT connections, each its share: the raw client
"""

import json
import mmap
import os
import random
import socket
import sys
import threading
import time
from urllib.parse import urlsplit

STEP = 1 << 20
PLACES = 20
PLACE = 4096
# What each reader of a crowd reads at random, and after how many reads the kernel forgets the file again.
CROWD_READS = 1500
CROWD_PLACE = 100_000
CROWD_FORGETS = 20


def places(size):
    """Where `random` reads, the same for everybody."""
    chance = random.Random(1)
    return [chance.randrange(size // PLACE) * PLACE for _ in range(PLACES)]


def buffer_of(size):
    """Memory that was touched: the clock is not to see page faults."""
    memory = mmap.mmap(-1, size)
    memory.write(bytes(size))
    return memoryview(memory)


def check(got, truth):
    with open(truth, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        with memoryview(whole) as wanted:
            if got != wanted:
                sys.exit("the bytes are not those of the server")


def fill(file, buffer, start, end):
    at = start
    while at < end:
        got = os.preadv(file, [buffer[at : min(at + STEP, end)]], at)
        if got == 0:
            sys.exit(f"the file ends at byte {at}")
        at += got


def read(path, truth):
    buffer = buffer_of(os.path.getsize(truth))
    start = time.monotonic()
    file = os.open(path, os.O_RDONLY)
    fill(file, buffer, 0, len(buffer))
    at_end = os.read(file, 1) if os.lseek(file, len(buffer), os.SEEK_SET) else b""
    seconds = time.monotonic() - start
    if at_end:
        sys.exit("the file goes on beyond its end")
    check(buffer, truth)
    return {"seconds": seconds, "bytes": len(buffer)}


def random_reads(path, truth):
    with open(truth, "rb") as file:
        wanted = [os.pread(file.fileno(), PLACE, at) for at in places(os.path.getsize(truth))]
    file = os.open(path, os.O_RDONLY)
    took, got = [], []
    for at in places(os.path.getsize(truth)):
        start = time.monotonic()
        got.append(os.pread(file, PLACE, at))
        took.append(time.monotonic() - start)
    if got != wanted:
        sys.exit("the bytes are not those of the server")
    return {"took": took}


def side_by_side(count, size, work):
    """Runs `work(start, end)` in `count` threads, each with its share; gives the seconds."""
    share = -(-size // count)
    failures = []

    def one(number):
        try:
            work(number * share, min((number + 1) * share, size))
        except BaseException as error:  # noqa: BLE001  (whatever ends a thread, all must fail)
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    if failures:
        sys.exit(str(failures[0]))
    return seconds


def slices(path, truth, count):
    buffer = buffer_of(os.path.getsize(truth))

    def work(start, end):
        fill(os.open(path, os.O_RDONLY), buffer, start, end)

    seconds = side_by_side(int(count), len(buffer), work)
    check(buffer, truth)
    return {"seconds": seconds, "bytes": len(buffer)}


def crowd(path, truth, count):
    done = slices(path, truth, count)
    size = os.path.getsize(truth)

    def work(start, end):
        chance = random.Random(start)
        file = os.open(path, os.O_RDONLY)
        for turn in range(CROWD_READS):
            if turn % CROWD_FORGETS == 0:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            at = chance.randrange(size)
            if os.pread(file, CROWD_PLACE, at) != os.pread(wanted.fileno(), CROWD_PLACE, at):
                raise RuntimeError("the bytes are not those of the server")

    with open(truth, "rb") as wanted:
        side_by_side(int(count), size, work)
    return done


def raw(url, truth, count):
    buffer = buffer_of(os.path.getsize(truth))
    where = urlsplit(url)

    def work(start, end):
        with socket.create_connection((where.hostname, where.port)) as connection:
            connection.sendall(
                f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
                f"Range: bytes={start}-{end - 1}\r\nConnection: close\r\n\r\n".encode()
            )
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            head, _, body = head.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 206"):
                raise RuntimeError(head.decode(errors="replace").splitlines()[0])
            buffer[start : start + len(body)] = body
            at = start + len(body)
            while at < end:
                got = connection.recv_into(buffer[at : min(at + STEP, end)])
                if got == 0:
                    raise RuntimeError("the connection ended early")
                at += got

    seconds = side_by_side(int(count), len(buffer), work)
    check(buffer, truth)
    return {"seconds": seconds, "bytes": len(buffer)}


if __name__ == "__main__":
    WORK = {"read": read, "random": random_reads, "slices": slices, "crowd": crowd, "raw": raw}
    print(json.dumps(WORK[sys.argv[1]](*sys.argv[2:])))
