#!/usr/bin/env python3
"""What sensors, members and the prefilter are worth, on a split that decided nothing.

    landslides_ablation.py MANIFEST ROW… --out TABLE.md [--split measurement] [--s2infer FILE] [--scores FOLDER] [--card FOLDER]

A ROW is NAME=FOLDER[,FOLDER…][;OPTION…]: the model's folder and options of s2infer; of several folders, which are runs of
their own, the figures are means. The first row is what the others are held against. A positive that the model abstains from
or that the prefilter spares is missed. Intervals at 95 %: percentiles of 2,000 resamples of whole sites. CPU time is that of
the whole process, user and system, on one thread. --card puts the table into that model's card. Needs numpy.
"""

import argparse
import csv
import hashlib
import json
import pathlib
import resource
import subprocess
import sys
import tempfile

import numpy as np

RESAMPLES = 2000
HEADING = "## Measured (simulated mountains)"


class Run:
    """One folder's decisions, in the order of the manifest."""

    def __init__(self, arguments, tiles, folder, options):
        with tempfile.TemporaryDirectory() as scratch:
            files, out = pathlib.Path(scratch, "files"), pathlib.Path(scratch, "out.csv")
            files.write_text("".join(f"{tile}\n" for tile in tiles))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [arguments.s2infer, "--files-from", files, "--model", folder, "--threads", "1", "--output", out, *options]
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode not in (0, 1) or not out.exists():
                sys.exit(f"{folder}: {done.stderr}")
            with open(out, newline="") as file:
                rows = {row["tile"]: row for row in csv.DictReader(file)}
        rows = [rows[str(tile)] for tile in tiles]
        if any(row["decision"] == "error" for row in rows):
            sys.exit(f"{folder}: {next(row['reason'] for row in rows if row['decision'] == 'error')}")
        self.rows = rows
        self.seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        self.alert = np.array([row["decision"] == "positive" for row in rows])
        self.abstained = np.array([row["decision"] == "abstain" for row in rows])
        self.spared = np.array(["prefilter" in row["reason"] for row in rows])


def f1(alert, positive, weight):
    hits = (weight * (alert & positive)).sum(-1)
    return 2 * hits / np.maximum((weight * alert).sum(-1) + (weight * positive).sum(-1), 1e-12)


def share(part, whole):
    return 100 * part.sum() / max(whole.sum(), 1)


def into_card(model, text):
    """Replaces the card's section of this name, and says its new hash and size in the manifest."""
    manifest = json.loads((model / "model.json").read_text())
    card = (model / "card.md").read_text().split(HEADING)[0].rstrip() + f"\n\n{HEADING}\n\n{text}"
    (model / "card.md").write_text(card)
    asset = manifest["assets"]["card"]
    asset["file:checksum"] = "1220" + hashlib.sha256(card.encode()).hexdigest()
    asset["file:size"] = len(card.encode())
    (model / "model.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def interval(values):
    return "{:.3f} to {:.3f}".format(*np.percentile(values, [2.5, 97.5]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=pathlib.Path)
    parser.add_argument("rows", nargs="+", metavar="ROW")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--split", default="measurement")
    parser.add_argument("--s2infer", default="target/release/s2infer")
    parser.add_argument("--scores", type=pathlib.Path, help="folder for the first folder's decisions of every row, as CSV")
    parser.add_argument("--card", type=pathlib.Path)
    arguments = parser.parse_args()
    with open(arguments.manifest, newline="") as file:
        patches = [row for row in csv.DictReader(file) if row["split"] == arguments.split]
    tiles = [arguments.manifest.parent / row["path"] for row in patches]
    positive = np.array([row["label"] == "1" for row in patches])
    sites, site = np.unique([row["site"] for row in patches], return_inverse=True)
    draws = np.random.default_rng(1).multinomial(len(sites), np.full(len(sites), 1 / len(sites)), RESAMPLES)
    weight = draws[:, site].astype(float)

    text = [f"{len(patches)} patches of split `{arguments.split}`, {positive.sum()} with a slide, {len(sites)} sites.", "",
            "| | F1 | 95 % | less than the first by, 95 % | precision | recall | abstained % | spared % | positives spared |"
            " CPU s per 1,000 |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    first = None
    for name, _, rest in (row.partition("=") for row in arguments.rows):
        folders, *options = rest.split(";")
        runs = [Run(arguments, tiles, folder, options) for folder in folders.split(",")]
        mean = lambda of: float(np.mean([of(run) for run in runs]))
        drawn = np.mean([f1(run.alert, positive, weight) for run in runs], axis=0)
        first = drawn if first is None else first
        text.append(
            f"| {name} | {mean(lambda r: f1(r.alert, positive, np.ones(len(positive)))):.3f} | {interval(drawn)} | "
            f"{'' if drawn is first else interval(first - drawn)} | "
            f"{mean(lambda r: share(r.alert & positive, r.alert)) / 100:.3f} | "
            f"{mean(lambda r: share(r.alert & positive, positive)) / 100:.3f} | {mean(lambda r: 100 * r.abstained.mean()):.1f} | "
            f"{mean(lambda r: 100 * r.spared.mean()):.1f} | {mean(lambda r: (r.spared & positive).sum()):g} | "
            f"{mean(lambda r: 1000 * r.seconds / len(tiles)):.1f} |")
        print(text[-1], flush=True)
        if arguments.scores:
            arguments.scores.mkdir(parents=True, exist_ok=True)
            with open(arguments.scores / f"{name.replace(' ', '-').replace(',', '')}.csv", "w", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerow(["tile", "label", "score", "decision", "reason", "site", "season", "cloud"])
                table.writerows([patch["path"], patch["label"], row["score"], row["decision"], row["reason"], patch["site"],
                                 patch["season"], patch["cloud"]] for patch, row in zip(patches, runs[0].rows))
    arguments.out.write_text("\n".join(text) + "\n")
    if arguments.card:
        into_card(arguments.card, "\n".join(text) + "\n")


if __name__ == "__main__":
    main()
