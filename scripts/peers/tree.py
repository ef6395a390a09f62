"""The memory of a process with all that it has started."""

import os
import pathlib
import threading

EVERY_SECONDS = 0.05
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class TreeMemory:
    """Adds up, now and then, the resident memory of a process and its descendants; what they share counts once each."""

    def __init__(self, pid):
        self.pid, self.peak_bytes = pid, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        while not self.ended.wait(EVERY_SECONDS):
            self.peak_bytes = max(self.peak_bytes, sum(resident_bytes(pid) for pid in descendants(self.pid)))

    def stop(self):
        self.ended.set()
        self.thread.join()
        return self.peak_bytes


def descendants(pid):
    """The process itself first."""
    found = [pid]
    for parent in found:
        for children in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found.extend(int(child) for child in children.read_text().split())
            except OSError:
                continue
    return found


def resident_bytes(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0
