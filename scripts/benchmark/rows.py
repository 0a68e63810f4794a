"""What is measured: a row is one kind of work, with a cell for each program that did it, and says whether
reelfs reaches its target."""

import contextlib
import json
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from . import work
from .ground import Failed, run, say
from .peers import HTTPDIRFS

WORK = str(Path(work.__file__).resolve())
MB = 1_000_000
MIB = 1 << 20
# Longest that anything may take, in seconds: the slowest peer needs 160 for a row.
LIMIT = 400


@dataclass
class Cell:
    """What one program did."""

    values: list = field(default_factory=list)
    # As the server counted them: the most of all runs.
    requests: int | None = None
    moved: int | None = None
    failed: str | None = None

    def add(self, value, requests, moved):
        self.values.append(value)
        self.requests = max(requests, self.requests or 0)
        self.moved = max(moved, self.moved or 0)

    @property
    def value(self):
        return statistics.median(self.values)


@dataclass
class Row:
    key: str
    title: str
    unit: str
    target: str
    cells: dict = field(default_factory=dict)
    # Each condition of the target, as a text and whether it holds.
    verdicts: list = field(default_factory=list)
    note: str = ""

    @property
    def more_is_better(self):
        return self.unit == "MB/s"

    def judge(self, condition):
        """Adds a verdict, where all that it needs was measured. `condition` gives a text and a truth."""
        with contextlib.suppress(KeyError, statistics.StatisticsError, TypeError):
            self.verdicts.append(condition(self.cells))


@dataclass
class Day:
    """The day with the long files: its path, and their names on the pages."""

    path: str
    names: dict


class Bench:
    """The servers, the truth, and how often to measure."""

    def __init__(self, ground, far, near, peers, runs):
        self.ground, self.far, self.near = ground, far, near
        self.peers, self.runs = peers, runs
        many, long = near.days("recordings")
        self.many_day, self.log_day = many, near.days("logs")[-1]
        by_size = {near.size(f"recordings/{long}/{name}"): name for name in near.page(f"recordings/{long}/")}
        kinds = {"long": 200 * MB, "usual": 1_200_000, "video": 180 * MB}
        self.long_day = Day(long, {kind: by_size[size] for kind, size in kinds.items()})
        self.truth = {kind: self._fetch(f"recordings/{long}/{self.long_day.names[kind]}") for kind in kinds}
        logs = [f"{near.url}/files/logs/{self.log_day}/{name}" for name in near.page(f"logs/{self.log_day}/")]
        self.logs = self._fetch_all(logs)

    def url(self, server, kind):
        return f"{server.url}/files/recordings/{self.long_day.path}/{self.long_day.names[kind]}"

    def _fetch(self, path):
        to = self.ground.work / f"truth-{path.rsplit('/', 1)[1]}"
        run(["curl", "-sf", "-o", str(to), f"{self.near.url}/files/{path}"], LIMIT)
        return to

    def _fetch_all(self, urls):
        """The directory of the logs' true bytes."""
        to = self.ground.directory("logs")
        config = self.ground.work / "logs.curl"
        config.write_text("".join(f'url = "{url}"\noutput = "{to}/{url.rsplit("/", 1)[1]}"\n' for url in urls))
        run(["curl", "-sfK", str(config)], LIMIT)
        return to

    def having(self, *peers):
        """Those of `peers` that are here and wanted."""
        return [peer for peer in peers if peer in self.peers]

    def worker(self, *arguments):
        return json.loads(run([sys.executable, WORK, *map(str, arguments)], LIMIT))

    def each(self, row, programs):
        """Lets every program do the work as often as asked, in turns, so that a noisy moment hits all of
        them. `programs`: by name, what gives (value, requests, moved). httpdirfs, which takes minutes,
        does it once."""
        for turn in range(self.runs):
            for name, program in programs.items():
                cell = row.cells.setdefault(name, Cell())
                if cell.failed or (turn and name == HTTPDIRFS.name):
                    continue
                try:
                    cell.add(*program())
                except (Failed, OSError, ValueError) as error:
                    cell.failed = str(error)
                    say(f"    {name}: {error}")
        return row


def rate(outcome):
    return outcome["bytes"] / MB / outcome["seconds"]


def at_least(factor, of, name="reelfs"):
    def condition(cells):
        ratio = cells[name].value / cells[of].value
        return f"{ratio:.2f} x {of}", ratio >= factor

    return condition


def at_most(limit, unit, name="reelfs"):
    return lambda cells: (f"{cells[name].value:.3g} {unit}", cells[name].value <= limit)


def requests_at_most(limit, name="reelfs"):
    return lambda cells: (f"{cells[name].requests} requests", cells[name].requests <= limit)


def moved_at_most(limit, name="reelfs"):
    return lambda cells: (f"{cells[name].moved / MIB:.2f} MiB moved", cells[name].moved <= limit)


def no_slower(factor, than):
    def condition(cells):
        ratio = cells["reelfs"].value / cells[than].value
        return f"{ratio:.2f} x {than}", ratio <= factor

    return condition
