"""Commands of s2infer and its peers, and interleaved pairs of them."""

import csv
import os
import pathlib
from dataclasses import dataclass, field

from measure import Failed, run

HERE = pathlib.Path(__file__).resolve().parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass
class Side:
    """One of the two that are compared: a command, and one whose cost is taken off, such as the start alone."""

    command: list
    without: list | None = None


@dataclass
class Case:
    """What is compared, and the bar for the ratio of the other's cost to s2infer's."""

    what: str
    ours: Side
    theirs: Side
    tiles: int
    bar: float | None = None
    tolerance: float | None = None
    """By how much scores may differ; None: they are not compared (no scores) or only shown."""
    table: str | None = None
    """The file that the peer writes its scores to."""
    at_most: bool = False
    """Whether the ratio must stay under the bar."""
    unit: str = "cpu_s"
    also_whole: str | None = None
    """The name of a second row, in which nothing is taken off the other."""


@dataclass
class Pair:
    ours: float
    theirs: float
    theirs_whole: float


@dataclass
class Bench:
    """Where the programs are."""

    s2infer: pathlib.Path
    floor: pathlib.Path
    quantize: pathlib.Path
    python: pathlib.Path
    environment: dict = field(default_factory=dict)

    def ours(self, model, engine, tiles, *flags, threads=1):
        """The table goes to standard output: with --output the tiles would be hashed for the resume journal, and a
        tile met twice, as hard links are, would be decided once."""
        command = [self.s2infer, tiles, "--model", model, "--threshold", "0.5", "--engine", engine]
        return [*command, "--threads", threads, "--quiet", *flags]

    def maps(self, model, engine, tiles):
        """Of a segmentation model, which has no threshold: the shares of its classes."""
        command = [self.s2infer, tiles, "--model", model, "--engine", engine, "--threads", 1, "--quiet"]
        return [*command, "--distributions", "ours.csv"]

    def peer(self, script, model, tiles, *flags):
        return [self.python, HERE / f"{script}.py", model, tiles, "peer.csv", *flags]

    def run(self, command, watch=None):
        return run([str(part) for part in command], {**ONE_THREAD, **self.environment}, watch)

    def cost(self, side, unit):
        """What a side cost, and what it cost with nothing taken off."""
        whole = getattr(self.run(side.command), unit)
        return whole - (getattr(self.run(side.without), unit) if side.without else 0), whole

    def pairs(self, case, count):
        """One right after the other, the order swapped from pair to pair."""
        found = []
        for number in range(count):
            if number % 2 == 0:
                ours, _ = self.cost(case.ours, case.unit)
                theirs, whole = self.cost(case.theirs, case.unit)
            else:
                theirs, whole = self.cost(case.theirs, case.unit)
                ours, _ = self.cost(case.ours, case.unit)
            print(f"pair {number + 1}: {ours:.2f} s, {case.what} {theirs:.2f} s, ratio {theirs / ours:.3f}", flush=True)
            found.append(Pair(ours, theirs, whole))
        return found

    def check_agreement(self, case):
        """Whoever is timed does the same work."""
        is_map = "ours.csv" in case.ours.command
        self.run(case.ours.command)
        ours = numbers("ours.csv" if is_map else "last-run.out")
        self.run(case.theirs.command)
        theirs = numbers(case.table)
        if [len(row) for row in ours] != [len(row) for row in theirs]:
            raise Failed(f"{case.what}: {len(theirs)} rows, s2infer has {len(ours)}, or they have other columns")
        worst = max(abs(a - b) for mine, other in zip(ours, theirs) for a, b in zip(mine, other))
        if case.tolerance is not None and worst > case.tolerance:
            raise Failed(f"{case.what} and s2infer differ by {worst:.1e}")
        print(f"{case.what}: largest difference of a score {worst:.1e}", flush=True)


def numbers(table):
    """The score of each row, or the share of every class."""
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and "score" in rows[0]:
        return [[float(row["score"])] for row in rows]
    # Of class shares the first column names the tile, whatever it is called.
    return [[float(value) for value in list(row.values())[1:]] for row in rows]


def load():
    """The system's load average of the last minute."""
    return os.getloadavg()[0]
