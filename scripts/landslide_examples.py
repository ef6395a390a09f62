#!/usr/bin/env python3
"""Picks the eight example patches of a simulated set: landslide_examples.py SET OUT

SET is what `s2infer simulate --task landslides --tiles 300 --seed 2 --out SET` wrote; OUT gets eight GeoTIFFs of its split
`measurement` and their rows as tiles.csv. Four have a slide: the largest that all sensors see, the median, the smallest, and
one that clouds hide from the optics. Four have none: three with little cloud, and the cloudiest.
"""

import csv
import pathlib
import shutil
import sys


def choose(rows):
    slides = [row for row in rows if row["label"] == "1"]
    others = [row for row in rows if row["label"] == "0"]
    seen = sorted((row for row in slides if float(row["visible_optical"]) > 0.9), key=lambda row: float(row["scar_px"]))
    hidden = min(slides, key=lambda row: float(row["visible_optical"]))
    clear = [row for row in others if float(row["cloud_cover_percent"]) < 10]
    cloudy = max(others, key=lambda row: float(row["cloud_cover_percent"]))
    return [
        ("slide-large", seen[-1]),
        ("slide-median", seen[len(seen) // 2]),
        ("slide-small", seen[0]),
        ("slide-hidden", hidden),
        *((f"none-{index + 1}", clear[index * len(clear) // 3]) for index in range(3)),
        ("none-cloudy", cloudy),
    ]


def main(folder, out):
    with open(folder / "manifest.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "measurement"]
    out.mkdir(parents=True, exist_ok=True)
    chosen = choose(rows)
    with open(out / "tiles.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        for name, row in chosen:
            path = f"simulated_{name}.tif"
            shutil.copyfile(folder / row["path"], out / path)
            writer.writerow(row | {"path": path})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(pathlib.Path, sys.argv[1:]))
