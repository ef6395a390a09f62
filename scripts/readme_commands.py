#!/usr/bin/env python3
"""Runs the commands of the README for real.

Every fenced block marked `sh` is a script that must succeed. Lines in front of a block, as HTML comments that a reader
of the page does not see, change that:

    <!-- readme: in-repository -->       run in the repository itself, not in a scratch folder
    <!-- readme: exit 3 -->              this exit code is what the text promises
    <!-- readme: needs S2INFER_PYTHON -->  only where that variable is set
    <!-- readme: not run: WHY -->        for a person or another machine

Blocks run in the order of the page and share one scratch folder with `s2infer` on the PATH; `models`, `calibration` and
`scripts` linked in; `tiles`, a copy of the built-in model's example tiles; and, where S2INFER_PYTHON is set,
`my-model.onnx`. What one block writes the next may read.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"((?:^<!-- readme: [^\n]* -->\n+)*)^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOTE = re.compile(r"^<!-- readme: ([^\n]*) -->$", re.MULTILINE)
TIMEOUT_S = 600


def scratch_folder(parent):
    """What the README takes for granted: some tiles, and the program on the PATH."""
    folder = pathlib.Path(parent)
    for name in ("models", "calibration", "scripts"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "models/construction/examples", folder / "tiles")
    python = os.environ.get("S2INFER_PYTHON")
    if python:
        subprocess.run([python, ROOT / "scripts/peers/resnet.py", folder / "my-model.onnx", "3"], check=True)
    return folder


def run_block(script, notes, folder):
    """None if the block did what the page says, else what it did instead."""
    expected = next((int(note.split()[1]) for note in notes if note.startswith("exit ")), 0)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = f"{target / 'release'}{os.pathsep}{os.environ['PATH']}"
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT if "in-repository" in notes else folder,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"still running after {TIMEOUT_S} s"
    output = done.stdout.decode(errors="replace")
    print(output, end="")
    if done.returncode != expected:
        return f"exit code {done.returncode}, expected {expected}\n{output}"
    return None


def main(page):
    text = pathlib.Path(page).read_text()
    blocks = [(NOTE.findall(match[1]), match[2], text[: match.start(2)].count("\n") + 1) for match in BLOCK.finditer(text)]
    if len(blocks) != len(re.findall(r"^```sh$", text, re.MULTILINE)):
        sys.exit(f"{page}: a block marked sh is not closed")
    failures = run = 0
    with tempfile.TemporaryDirectory(prefix="s2infer-readme-") as parent:
        folder = scratch_folder(parent)
        for notes, script, line in blocks:
            where = f"{page}:{line}: {script.splitlines()[0]}"
            why_not = next((note for note in notes if note.startswith("not run: ")), None)
            missing = [note.split()[1] for note in notes if note.startswith("needs ") and not os.environ.get(note.split()[1])]
            if why_not or missing:
                print(f"{where}\n    {why_not or 'SKIPPED: ' + missing[0] + ' is not set'}")
                continue
            print(where, flush=True)
            started = time.monotonic()
            failure = run_block(script, notes, folder)
            run += 1
            print(f"    {time.monotonic() - started:.1f} s", flush=True)
            if failure:
                failures += 1
                print(f"    FAILED: {failure}")
    print(f"{run} of {len(blocks)} blocks run, {failures} failed")
    return 1 if failures or not run else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
