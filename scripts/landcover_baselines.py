#!/usr/bin/env python3
"""What a land-cover model is worth: the divergence of its class shares against those of simpler answers.

    landcover_baselines.py FOLDER REPORT [--out FILE] [--model FOLDER]

FOLDER is one that `s2infer simulate --task landcover` wrote; REPORT is that of `s2infer evaluate --manifest
FOLDER/manifest.csv --out REPORT`, whose maps and distributions are read; --model puts the tables into a model's card. Printed as Markdown, on the tiles of the split
`measurement`, all of regions that nothing was fitted to:

    the mean      the mean shares of the training tiles for every tile
    a pixel alone gradient-boosted trees (scikit-learn) on the four bands of single pixels, arg-maxes counted or
                  probabilities averaged
    the network   arg-maxes counted, or soft-max averaged as s2infer writes it

Shares are raised to at least 1e-4, as s2infer raises them, but for rows that say otherwise; 1e-8 (the page) or 1e-7 (the
repository) is added to each. Intervals at 95 %: percentiles of 2,000 resamples of whole sites. Needs numpy, scikit-learn and
tifffile.
"""

import argparse
import csv
import hashlib
import json
import pathlib

import numpy as np
import tifffile
from sklearn.ensemble import HistGradientBoostingClassifier

CLASSES = 10
IGNORED = 2
FLOOR = 1e-4
PIXELS_A_TILE = 300
STRIDE = 4
RESAMPLES = 2000
HEADING = "## Against simpler answers (simulated land)"


def rows(folder, split):
    with open(folder / "manifest.csv") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


def mask(folder, row):
    return tifffile.imread(folder / row["mask"])


def pixels(folder, row):
    return tifffile.imread(folder / row["path"])


def counted(classes):
    return shares(np.bincount(classes.ravel(), minlength=256)[IGNORED:CLASSES])


def shares(values):
    values = np.asarray(values, dtype=np.float64)
    return values / values.sum(-1, keepdims=True)


def floored(values):
    return shares(np.maximum(values, FLOOR))


def kl(true, given, epsilon):
    true, given = true + epsilon, given + epsilon
    return (true * np.log(true / given)).sum(-1)


def pixel_classifier(folder, train):
    rng = np.random.default_rng(1)
    values, labels = [], []
    for row in train:
        image, classes = pixels(folder, row).reshape(-1, 4), mask(folder, row).ravel()
        chosen = rng.choice(len(classes), PIXELS_A_TILE, replace=False)
        chosen = chosen[classes[chosen] >= IGNORED]
        values.append(image[chosen])
        labels.append(classes[chosen])
    model = HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=1)
    return model.fit(np.concatenate(values), np.concatenate(labels))


def by_pixel(model, folder, test):
    """Counted arg-maxes and mean probabilities of every test tile, of one pixel in sixteen."""
    both = [[], []]
    for row in test:
        found = model.predict_proba(pixels(folder, row)[::STRIDE, ::STRIDE].reshape(-1, 4))
        probabilities = np.zeros((len(found), CLASSES))
        probabilities[:, model.classes_] = found
        both[0].append(counted(probabilities.argmax(1)))
        both[1].append(shares(probabilities.mean(0)[IGNORED:]))
    return [np.array(values) for values in both]


def of_network(report, folder, test):
    """Counted arg-maxes from the maps, and the shares that the run wrote."""
    maps = {path.name.split("-")[0]: path for path in (report / "maps-candidate").glob("*.tif")}
    with open(report / "maps-candidate" / "distributions.csv") as file:
        written = {pathlib.Path(row["tile"]).stem: list(row.values())[1 + IGNORED :] for row in csv.DictReader(file)}
    ids = [pathlib.Path(row["path"]).stem for row in test]
    arg_max = [counted(tifffile.imread(maps[name])) for name in ids]
    return np.array(arg_max), np.array([[float(cell) for cell in written[name]] for name in ids])


def interval(values, sites):
    """Mean over the tiles with percentiles over resampled sites."""
    names, index = np.unique(sites, return_inverse=True)
    sums, sizes = np.bincount(index, values), np.bincount(index)
    rng = np.random.default_rng(1)
    draws = rng.integers(0, len(names), (RESAMPLES, len(names)))
    means = sums[draws].sum(1) / sizes[draws].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean():.4f} [{low:.4f}, {high:.4f}]"


def into_card(model, text):
    """Replaces the card's section of this name, and says its new hash and size in the manifest."""
    card = (model / "card.md").read_text().split(HEADING)[0].rstrip() + f"\n\n{HEADING}\n\n{text}"
    (model / "card.md").write_text(card)
    manifest = json.loads((model / "model.json").read_text())
    asset = manifest["assets"]["card"]
    asset["file:checksum"] = "1220" + hashlib.sha256(card.encode()).hexdigest()
    asset["file:size"] = len(card.encode())
    (model / "model.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path)
    arguments = parser.parse_args()
    folder, train, test = arguments.folder, rows(arguments.folder, "train"), rows(arguments.folder, "measurement")
    true = np.array([counted(mask(folder, row)) for row in test])
    mean = np.mean([counted(mask(folder, row)) for row in train], axis=0)
    pixel_counted, pixel_mean = by_pixel(pixel_classifier(folder, train), folder, test)
    network_counted, network_mean = of_network(arguments.report, folder, test)
    answers = {
        "the mean of the training tiles": np.tile(mean, (len(test), 1)),
        "a pixel alone, arg-maxes counted": floored(pixel_counted),
        "a pixel alone, probabilities averaged": floored(pixel_mean),
        "the network, arg-maxes counted, no floor": network_counted,
        "the network, arg-maxes counted": floored(network_counted),
        "the network, soft-max averaged (as written)": network_mean,
    }
    sites = np.array([row["site"] for row in test])
    scores = {name: [kl(true, given, epsilon) for epsilon in (1e-8, 1e-7)] for name, given in answers.items()}
    regions = len({row["region"] for row in test})
    lines = [f"{len(test)} tiles of {len(set(sites))} sites in {regions} regions that nothing was fitted to.", ""]
    lines += ["| answer | KL (epsilon 1e-8) | KL (epsilon 1e-7) |", "| --- | --- | --- |"]
    lines += [f"| {name} | {interval(page, sites)} | {interval(other, sites)} |" for name, (page, other) in scores.items()]
    best = scores["the network, soft-max averaged (as written)"][0]
    lines += ["", "| soft-max averaged less … | difference (epsilon 1e-8) |", "| --- | --- |"]
    lines += [f"| {name} | {interval(best - page, sites)} |" for name, (page, _) in list(scores.items())[:-1]]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if arguments.out:
        arguments.out.write_text(f"# {HEADING.strip('# ')}\n\n{text}")
    if arguments.model:
        into_card(arguments.model, text)


if __name__ == "__main__":
    main()
