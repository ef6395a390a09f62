"""Running a program and seeing what it cost, and the statistics of pairs."""

import math
import os
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass

from tree import TreeMemory

CONFIDENCE = 0.95


@dataclass
class Cost:
    cpu_s: float
    wall_s: float
    peak_rss_bytes: int
    maps_max: int = 0
    files_max: int = 0


class Failed(Exception):
    """A program that did not end with 0."""


def run(command, environment=None, watch=None, tree=False):
    """The cost of a command as a whole process, start-up included, and of the processes that it starts and waits for. Its
    standard output goes to last-run.out. With `tree` the memory is that of all these processes together."""
    with open("last-run.out", "wb") as output, open("last-run.log", "w+") as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=log, env={**os.environ, **(environment or {})}
        )
        seen = Watch(process.pid, watch) if watch else None
        memory = TreeMemory(process.pid) if tree else None
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if seen:
            seen.stop()
        tree_bytes = memory.stop() if memory else 0
        if process.returncode != 0:
            log.seek(0)
            raise Failed(f"{command} ended with {process.returncode}:\n{log.read()[-2000:]}")
    cost = Cost(usage.ru_utime + usage.ru_stime, wall_s, max(usage.ru_maxrss * 1024, tree_bytes))
    if seen:
        cost.maps_max, cost.files_max = seen.maps_max, seen.files_max
    return cost


class Watch:
    """Looks now and then at how many files below a folder a process has mapped and how many it has open."""

    def __init__(self, pid, folder):
        self.pid, self.folder = pid, str(folder)
        self.maps_max = self.files_max = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        while not self.ended.wait(0.25):
            try:
                with open(f"/proc/{self.pid}/maps") as maps:
                    self.maps_max = max(self.maps_max, sum(self.folder in line for line in maps))
                self.files_max = max(self.files_max, len(os.listdir(f"/proc/{self.pid}/fd")))
            except OSError:
                return

    def stop(self):
        self.ended.set()
        self.thread.join()


def first_row_s(command, environment=None):
    """Seconds from the start of a process to its first line of data on standard output, and its CPU seconds in all."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    header, row = process.stdout.readline(), process.stdout.readline()
    seconds = time.perf_counter() - started
    process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or not row:
        raise Failed(f"{command} ended with {process.returncode} after {header!r}")
    return seconds, usage.ru_utime + usage.ru_stime


def forget(paths):
    """Asks the system to drop files from its cache, as after a reboot."""
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def median_interval(values):
    """Median and its order-statistic interval: exact, whatever the distribution, with at least CONFIDENCE."""
    ordered = sorted(values)
    n = len(ordered)
    rank = 0
    outside = 0.0
    for misses in range(n // 2):
        outside += 2 * math.comb(n, misses) / 2**n
        if outside > 1 - CONFIDENCE:
            break
        rank = misses + 1
    if rank == 0:
        return statistics.median(ordered), -math.inf, math.inf
    return statistics.median(ordered), ordered[rank - 1], ordered[n - rank]
