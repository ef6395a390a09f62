#!/usr/bin/env python3
"""Kills a command of s2infer at random moments, resumes it until it is done, and compares its files with those of a run
that nothing disturbed. Ends with 1 and the first difference.

    kill_and_resume.py -- s2infer scene.tif --output {}/sites.geojson
    kill_and_resume.py --kills 5 --ignore '*run.json*' -- s2infer tiles --output {}/sites.csv --record {}/run.json

`{}` stands for the folder of each run. Every run but a first one gets --resume. SIGKILL goes to the program alone; what it
has started must end by itself. After every kill, a file under a final name must be complete.
"""

import argparse
import fnmatch
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

IGNORED = ("*.journal", "*.lock")
"""What belongs to resuming, and is no result."""
ORPHANS_SECONDS = 5
ROUNDS_MAX = 200


class Different(Exception):
    """A killed and resumed run is not as good as an undisturbed one."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ignore", action="append", default=[], metavar="GLOB",
                        help="files that differ from run to run, such as the run record, and what is left of them")
    parser.add_argument("--keep", action="store_true", help="keep the folders, whatever comes out")
    parser.add_argument("command", nargs="+", help="after --")
    return parser.parse_args()


def start(command, folder):
    words = [word.replace("{}", str(folder)) for word in command]
    with open(folder.parent / "last-run.log", "wb") as log:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def finish(process, folder):
    code = process.wait()
    if code not in (0, 1):
        log = (folder.parent / "last-run.log").read_text(errors="replace")
        raise Different(f"the run ended with {code}:\n{log[-2000:]}")
    return code


def children_end(process):
    """Whatever the killed program had started is gone soon; the group is ours, from start_new_session."""
    deadline = time.monotonic() + ORPHANS_SECONDS
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    raise Different(f"a process of the killed run was still there after {ORPHANS_SECONDS} s")


def files(folder, ignored):
    """Paths below the folder, without what is ignored."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not any(fnmatch.fnmatch(pathlib.Path(name).name, glob) for glob in ignored)}


def compare(expected, folder, ignored, is_done):
    """Files that are there are complete; once all is done, they are all there and nothing else is."""
    wanted, there = files(expected, ignored), files(folder, ignored)
    for name in sorted(there & wanted):
        position = first_difference(expected / name, folder / name)
        if position is not None:
            raise Different(f"{name} differs from byte {position} on")
    if is_done and wanted - there:
        raise Different(f"{sorted(wanted - there)[0]} is missing")
    for name in sorted(there - wanted):
        if is_done or not pathlib.Path(name).name.startswith("."):
            raise Different(f"{name} is left {'at the end' if is_done else 'under no hidden name'}")


def first_difference(one, other):
    position = 0
    with open(one, "rb") as a, open(other, "rb") as b:
        while True:
            left, right = a.read(1 << 20), b.read(1 << 20)
            if left != right:
                shorter = min(len(left), len(right))
                return position + next((i for i in range(shorter) if left[i] != right[i]), shorter)
            if not left:
                return None
            position += len(left)


def kill_and_resume(command, expected, code, seconds, options, work, ignored):
    """Rounds of a first run and resumed ones, until enough were killed."""
    moments = random.Random(options.seed)
    killed = 0
    resumed = command if "--resume" in command else [*command, "--resume"]
    for number in range(ROUNDS_MAX):
        folder = work / f"round-{number}"
        folder.mkdir()
        line = command
        while True:
            moment = moments.uniform(0, seconds) if killed < options.kills else None
            process = start(line, folder)
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
                children_end(process)
                compare(expected, folder, ignored, is_done=False)
                print(f"kill {killed} after {moment:.2f} s of round {number + 1}", flush=True)
                line = resumed
                continue
            if finish(process, folder) != code:
                raise Different(f"the resumed run ended with {process.returncode}, the undisturbed one with {code}")
            compare(expected, folder, ignored, is_done=True)
            shutil.rmtree(folder)
            break
        if killed >= options.kills:
            return number + 1
    raise Different(f"only {killed} kills in {ROUNDS_MAX} rounds: the run is too short")


def main():
    options = arguments()
    command = options.command
    if not shutil.which(command[0]):
        sys.exit(f"{command[0]}: no such program")
    if not any("{}" in word for word in command):
        sys.exit("no {} in the command: write --output {}/NAME")
    ignored = [*IGNORED, *options.ignore]
    work = pathlib.Path(tempfile.mkdtemp(prefix="kill-and-resume-"))
    try:
        expected = work / "undisturbed"
        expected.mkdir()
        started = time.monotonic()
        code = finish(start(command, expected), expected)
        seconds = time.monotonic() - started
        names = sorted(files(expected, ignored))
        if not names:
            raise Different("the undisturbed run has written no file to compare")
        print(f"undisturbed: {seconds:.2f} s, {', '.join(names)}", flush=True)
        rounds = kill_and_resume(command, expected, code, seconds, options, work, ignored)
    except Different as problem:
        sys.exit(f"{problem}\nthe folders are in {work}")
    if not options.keep:
        shutil.rmtree(work)
    print(f"{options.kills} kills in {rounds} rounds: the same bytes")


if __name__ == "__main__":
    main()
