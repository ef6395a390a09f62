"""Whether the simulated coasts are a test worth passing: what must not solve them, and how they answer to their knobs.

Called by scripts/accept-coasts.sh; writes the report. Needs numpy, scipy, scikit-learn, tifffile and imagecodecs.
"""

import argparse
import csv
import datetime
import pathlib
import shlex
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import tifffile
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

GROUPS = ["summer-clear", "summer-cloudy", "winter-clear", "winter-cloudy"]
BLUE, GREEN, RED, NIR, SWIR1, SWIR2 = range(6)
PERCENTILES = [2, 10, 25, 50, 75, 90, 98]
# EuroSAT's Level-1C patches, mean and deviation of DN, as published with TorchGeo.
EUROSAT = {
    "B01": (1354, 246), "B02": (1118, 333), "B03": (1043, 395), "B04": (948, 594), "B05": (1199, 566),
    "B06": (2000, 861), "B07": (2369, 1087), "B08": (2297, 1118), "B8A": (2594, 1232), "B09": (732, 405),
    "B10": (12, 5), "B11": (1819, 1003), "B12": (1119, 761),
}


class Set:
    """A simulated set: its rows, and features of its tiles made once."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        with open(self.folder / "manifest.csv", newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.label = self.column("clean_label").astype(float).astype(int)
        self.group = np.array([f"{row['season']}-{row['cloud']}" for row in self.rows])
        self.split = self.column("split")
        self.is_train = self.split == "train"
        self.is_test = np.isin(self.split, ["calibration", "measurement"])
        self.made = {}

    def column(self, name):
        return np.array([row[name] for row in self.rows])

    def features(self, make):
        """`make(tile)` of every tile, in the order of the rows."""
        if make not in self.made:
            paths = [self.folder / row["path"] for row in self.rows]
            with ProcessPoolExecutor() as pool:
                self.made[make] = list(pool.map(Reader(make), paths, chunksize=64))
        return self.made[make]


class Reader:
    """Reads a tile as reflectance, `[bands, rows, columns]`, and makes features of it."""

    def __init__(self, make):
        self.make = make

    def __call__(self, path):
        return self.make(tifffile.imread(path).astype(np.float32) / 1e4)


def indices(tile):
    """NDVI, NDWI, NDBI, NDSI and brightness."""
    def normalised(a, b):
        return (tile[a] - tile[b]) / (tile[a] + tile[b] + 1e-6)

    return np.stack([
        normalised(NIR, RED), normalised(GREEN, NIR), normalised(SWIR1, NIR), normalised(GREEN, SWIR1), tile[:3].mean(0),
    ])


def spread(planes):
    """Mean, deviation and percentiles of each plane."""
    flat = planes.reshape(len(planes), -1)
    return np.concatenate([flat.mean(1)[None], flat.std(1)[None], np.percentile(flat, PERCENTILES, axis=1)])


def image_statistics(tile):
    """What the "91 % baseline" sees: statistics of bands and indices, and how bands go together."""
    correlations = np.corrcoef(tile.reshape(6, -1))[np.triu_indices(6, 1)]
    return np.concatenate([spread(tile).ravel(), spread(indices(tile)).ravel(), correlations])


def texture(tile):
    """Statistics of what every pixel differs from its neighbours by: gone when pixels are shuffled."""
    contrast = tile - np.stack([ndimage.uniform_filter(band, 5) for band in tile])
    return spread(contrast).ravel()


def shuffled_texture(tile):
    order = np.random.default_rng(int(tile.sum() * 1e4) % 2**32).permutation(tile[0].size)
    return texture(tile.reshape(6, -1)[:, order].reshape(tile.shape))


def candidates(tile):
    """Bright spots within 120 m of water: spectrum, surroundings, distance. The classical detector's view."""
    index = indices(tile)
    water = ndimage.binary_opening(index[1] > 0.05, iterations=1)
    distance = ndimage.distance_transform_edt(~water) if water.any() else np.full(water.shape, 99.0)
    around = np.stack([ndimage.uniform_filter(band, 9) for band in tile])
    near = np.stack([ndimage.uniform_filter(band, 3) for band in tile])
    contrast = (tile - around)[:4].mean(0)
    peaks = (ndimage.maximum_filter(contrast, 3) == contrast) & (distance > 0) & (distance < 12)
    rows, columns = np.nonzero(peaks)
    best = np.argsort(contrast[rows, columns])[::-1][:12]
    rows, columns = rows[best], columns[best]
    at = lambda planes: planes[:, rows, columns].T
    shape = tile / tile.mean(0)
    return np.concatenate([
        at(tile), at(near), at(around), at(shape), at(index), distance[rows, columns][:, None],
        contrast[rows, columns][:, None],
    ], 1).astype(np.float32)


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced"))


def boosted(seed=0):
    return HistGradientBoostingClassifier(max_iter=100, learning_rate=0.1, class_weight="balanced", random_state=seed)


def by_group(data, scores):
    """AUROC and average precision of every group of the test splits; `scores` are of the test rows."""
    where = np.nonzero(data.is_test)[0]
    result = {}
    for group in GROUPS:
        chosen = data.group[where] == group
        labels = data.label[where][chosen]
        result[group] = roc_auc_score(labels, scores[chosen]), average_precision_score(labels, scores[chosen])
    return result


def fitted(data, make, model):
    x = np.stack(data.features(make))
    model.fit(x[data.is_train], data.label[data.is_train])
    return model.predict_proba(x[data.is_test])[:, 1]


def best_index_rule(data):
    """The index, statistic and direction that is best on the training split, and its figures on the test splits."""
    count = (2 + len(PERCENTILES)) * 5
    x = np.stack(data.features(image_statistics))[:, -15 - count:-15]
    train, labels = x[data.is_train], data.label[data.is_train]
    names = [f"{statistic} of {index}" for statistic in ["mean", "deviation"] + [f"{p} % quantile" for p in PERCENTILES]
             for index in ["NDVI", "NDWI", "NDBI", "NDSI", "brightness"]]
    precision, column, sign = max(
        (average_precision_score(labels, sign * train[:, column]), column, sign)
        for column in range(x.shape[1]) for sign in (1, -1))
    return names[column], by_group(data, sign * x[data.is_test][:, column])


def detector(train, test, is_used):
    """Candidates scored one by one, the tile by its best: trained on the rows of `train` that `is_used` allows."""
    spots = train.features(candidates)
    used = [i for i in np.nonzero(is_used)[0] if len(spots[i])]
    x = np.concatenate([spots[i] for i in used])
    y = np.concatenate([np.full(len(spots[i]), train.label[i]) for i in used])
    model = boosted().fit(x, y)
    # Of a positive's candidates most are something else: fit again to the one that looks most like it.
    scores = model.predict_proba(x)[:, 1]
    ends = np.cumsum([len(spots[i]) for i in used])
    keep = np.concatenate([
        np.ones(len(spots[i]), bool) if not train.label[i] else
        scores[end - len(spots[i]):end] >= np.sort(scores[end - len(spots[i]):end])[-min(2, len(spots[i]))]
        for i, end in zip(used, ends)])
    model = boosted(1).fit(x[keep], y[keep])
    tested = [spot for spot, chosen in zip(test.features(candidates), test.is_test) if chosen]
    scores = model.predict_proba(np.concatenate(tested))[:, 1]
    parts = np.split(scores, np.cumsum([len(spot) for spot in tested])[:-1])
    return np.array([part.max(initial=0.0) for part in parts])


def metadata_auroc(data):
    """The label from season, cloud and region, by a model fitted to the training split."""
    columns = np.stack([data.column(name) for name in ("season", "cloud", "region")], 1)
    encoder = OneHotEncoder(handle_unknown="ignore").fit(columns)
    model = LogisticRegression(max_iter=2000).fit(encoder.transform(columns[data.is_train]), data.label[data.is_train])
    return roc_auc_score(data.label[data.is_test], model.predict_proba(encoder.transform(columns[data.is_test]))[:, 1])


def land_statistics(folder):
    """Mean and deviation of DN over the land of clear summers, band by band, of a set of 13 bands."""
    data = Set(folder)
    values = []
    for row in np.nonzero(data.group == "summer-clear")[0]:
        tile = tifffile.imread(data.folder / data.rows[row]["path"]).astype(np.float32)
        values.append(tile[:, (tile[2] - tile[7]) / (tile[2] + tile[7]) < 0.0])
    values = np.concatenate(values, 1)
    return dict(zip(EUROSAT, zip(values.mean(1), values.std(1))))


class Report:
    """Goes to its file line by line: a run that is cut short leaves what it has found."""

    def __init__(self, path):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(path, "w", buffering=1)
        self.failed = []

    def add(self, text=""):
        print(text, flush=True)
        print(text, file=self.file)

    def check(self, passes, text):
        self.add(f"**{'passed' if passes else 'FAILED'}**: {text}")
        self.add()
        if not passes:
            self.failed.append(text)

    def groups(self, title, results):
        self.add(f"| {title} | " + " | ".join(GROUPS) + " |")
        self.add("| --- |" + " --- |" * len(GROUPS))
        for name, result in results.items():
            self.add(f"| {name} | " + " | ".join("{:.3f} / {:.3f}".format(*result[group]) for group in GROUPS) + " |")
        self.add()


class Simulator:
    """Runs `s2infer simulate`; a folder that is there already is taken as it is."""

    def __init__(self, program, work):
        self.program, self.work, self.commands = program, pathlib.Path(work), []

    def __call__(self, name, *options):
        folder = self.work / name
        command = [self.program, "simulate", *map(str, options), "--out", str(folder)]
        self.commands.append(shlex.join(["s2infer", *command[1:-1], name]))
        if not folder.exists():
            subprocess.run(command, check=True)
        return folder


def statistics_stay_weak(report, data):
    report.add("## 1. Image statistics and single indices stay weak")
    report.add()
    report.add("AUROC / average precision at the sets' prevalence of 1 in 11, where chance is 0.5 / 0.09. Fitted to the "
               "training split with clean labels, judged on the sites of calibration and measurement.")
    report.add()
    linear = by_group(data, fitted(data, image_statistics, logistic()))
    rule, single = best_index_rule(data)
    report.groups("model", {
        "logistic regression on image statistics": linear,
        f"best single index in training ({rule})": single,
        "gradient boosting on image statistics (no criterion)": by_group(data, fitted(data, image_statistics, boosted())),
    })
    for name, result in [("image statistics", linear), ("single index", single)]:
        worst = max(precision for _, precision in result.values())
        report.check(worst < 0.25, f"{name}: average precision below 0.25 in every group (largest {worst:.3f})")


def shuffled_pixels_say_nothing(report, data):
    report.add("## 2. Shuffled pixels")
    report.add()
    results = {
        "local contrast, pixels in place": by_group(data, fitted(data, texture, logistic())),
        "local contrast, pixels shuffled": by_group(data, fitted(data, shuffled_texture, logistic())),
    }
    report.groups("logistic regression on", results)
    mean = np.mean([auroc for auroc, _ in results["local contrast, pixels shuffled"].values()])
    report.check(abs(mean - 0.5) < 0.05, f"shuffled pixels are at chance: mean AUROC {mean:.3f} within 0.45 to 0.55")


def metadata_says_nothing(report, data):
    report.add("## 3. Metadata")
    report.add()
    auroc = metadata_auroc(data)
    report.check(0.48 <= auroc <= 0.52, f"season, cloud and region say nothing: AUROC {auroc:.3f} within 0.48 to 0.52")


def knobs_turn_one_way(report, simulate, tiles, seed):
    report.add("## 6. Knobs turn one way")
    report.add()
    report.add("Average precision of the classical detector (bright spots near water, gradient boosting on each), mean of "
               "the groups named; it is fitted anew to every set and stands for no network.")
    report.add()
    report.add("| knob | setting | groups | average precision |")
    report.add("| --- | --- | --- | --- |")
    knobs = [
        ("--lookalikes", [0, 0.6, 2], ["summer-clear", "winter-clear"], -1),
        ("--footprint-scale", [0.6, 1, 1.6], ["summer-clear", "winter-clear"], 1),
        ("--cloud-severity", [0.3, 1, 2.5], ["summer-cloudy", "winter-cloudy"], -1),
    ]
    for flag, values, groups, direction in knobs:
        figures = []
        for value in values:
            name = f"knob{flag[1:]}-{value}"
            data = Set(simulate(name, "--tiles", tiles, "--seed", seed, flag, value, *MORE_POSITIVES))
            result = by_group(data, detector(data, data, data.is_train))
            figures.append(np.mean([result[group][1] for group in groups]))
            report.add(f"| `{flag}` | {value} | {', '.join(groups)} | {figures[-1]:.3f} |")
        steps = direction * np.diff(figures)
        report.add()
        report.check((steps > 0).all(), f"{flag}: {', '.join(f'{figure:.3f}' for figure in figures)}")
        if flag != knobs[-1][0]:
            report.add("| knob | setting | groups | average precision |")
            report.add("| --- | --- | --- | --- |")


# More positives in the test splits make the knobs' figures steadier; they are compared with one another alone.
MORE_POSITIVES = ["--prevalence", 0.3, "--train-prevalence", 0.3, "--train-mix", "1,1,1,1", "--label-noise", 0]


def bands_are_those_of_real_tiles(report, folder):
    report.add("## 9. Band statistics")
    report.add()
    report.add("DN of land (NDWI below 0) in clear summers against EuroSAT's published mean and deviation over all its "
               "patches, which are inland for the most part.")
    report.add()
    report.add("| band | simulated mean | σ | EuroSAT mean | σ | ratio of means |")
    report.add("| --- | ---: | ---: | ---: | ---: | ---: |")
    ratios = []
    for band, (mean, deviation) in land_statistics(folder).items():
        real_mean, real_deviation = EUROSAT[band]
        report.add(f"| {band} | {mean:.0f} | {deviation:.0f} | {real_mean} | {real_deviation} | {mean / real_mean:.2f} |")
        if band != "B10":
            ratios.append(mean / real_mean)
    report.add()
    report.check(all(0.6 < ratio < 1.6 for ratio in ratios),
                 f"means within 0.6 to 1.6 of the real ones, B10 aside ({min(ratios):.2f} to {max(ratios):.2f})")


def seasons_shift(report, data):
    report.add("## Towards 4: the shift without a network (no criterion)")
    report.add()
    clear = data.is_train & (data.group == "summer-clear")
    report.groups("classical detector trained on", {
        "clear summers alone": by_group(data, detector(data, data, clear)),
        "everything": by_group(data, detector(data, data, data.is_train)),
    })


class Scores:
    """Labelled scores of a network, as `s2train scores` writes them."""

    def __init__(self, path):
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        self.label = np.array([int(row["label"]) for row in rows])
        self.score = np.array([float(row["score"]) for row in rows])
        self.group = np.array([f"{row['season']}-{row['cloud']}" for row in rows])

    def of(self, group):
        chosen = self.group == group
        return self.label[chosen], self.score[chosen]

    def precisions(self):
        """Average precision of every group."""
        return np.array([average_precision_score(*self.of(group)) for group in GROUPS])

    def recalls(self, threshold):
        return np.array([(score[label == 1] >= threshold).mean() for label, score in map(self.of, GROUPS)])

    def recall_at_precision(self, wanted):
        """Largest recall at a precision of at least `wanted`, group by group."""
        result = []
        for label, score in map(self.of, GROUPS):
            precision, recall, _ = precision_recall_curve(label, score)
            result.append(recall[precision >= wanted].max(initial=0.0))
        return np.array(result)

    def alert_budget(self, groups=GROUPS):
        """The threshold with as many alerts as there are positives, among tiles of these groups."""
        chosen = np.isin(self.group, groups)
        return np.sort(self.score[chosen])[-self.label[chosen].sum()]


def row(report, name, values):
    report.add(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


def networks(report, paths, budget):
    """Tests 4, 5 and 7, on the split `measurement`. `paths` names the scores of each network."""
    report.add("## 4, 5 and 7: with the network")
    report.add()
    if not paths:
        report.add("Not run: `scripts/reproduce.sh` trains the networks and passes their scores on.")
        report.add()
        return
    nets = {name: Scores(path) for name, path in paths.items()}
    incumbent, candidate = nets["incumbent"], nets["candidate"]
    pooled, threshold = Scores(budget).alert_budget(), Scores(budget).alert_budget(["summer-clear"])
    report.add("ResNet-18, 16 channels wide, at full resolution with GeM pooling, six bands; the split `measurement` "
               f"({incumbent.label.sum()} positives of {incumbent.label.size} tiles), D4. `incumbent` saw clear summers "
               "alone; the others start from its weights. `own-weather`: clear summers with the trainer's clouds and "
               "winters. `generators-weather`: all training tiles as they are, the generator's own weather among them. "
               "`candidate`: all training tiles and the trainer's weather.")
    report.add()
    report.add("| average precision | " + " | ".join(GROUPS) + " |")
    report.add("| --- |" + " ---: |" * len(GROUPS))
    for name, net in nets.items():
        row(report, f"`{name}`", net.precisions())
    for name, value in [("all tiles", pooled), ("clear summers", threshold)]:
        row(report, f"recall of `incumbent` at one threshold by the alert budget of {name} ({value:.3f})",
            incumbent.recalls(value))
    for name in ("incumbent", "candidate"):
        row(report, f"recall of `{name}` at precision 0.5", nets[name].recall_at_precision(0.5))
    report.add()
    report.add("The budget is as many alerts as there are positives among the calibration tiles. On all tiles clouds and "
               "winters take the alerts, and clear summers fall below the threshold as well; the criteria are judged at "
               "the budget of what `incumbent` was made for.")
    report.add()
    clear, worst = GROUPS.index("summer-clear"), GROUPS.index("winter-cloudy")
    recalls, precisions = incumbent.recalls(threshold), incumbent.precisions()
    report.check(recalls[clear] >= 0.85, f"4: `incumbent` catches at least 0.85 in summer-clear ({recalls[clear]:.3f})")
    report.check(recalls[worst] <= 0.65, f"4: … and at most 0.65 in winter-cloudy ({recalls[worst]:.3f})")
    drop = precisions[clear] - precisions[worst]
    report.check(drop >= 0.3, f"4: its average precision drops by at least 0.3 ({drop:.3f})")
    gain = candidate.precisions().min() - precisions.min()
    report.check(gain >= 0.1, f"4: training on everything lifts the worst group by at least 0.10 ({gain:+.3f})")
    ceiling = candidate.recall_at_precision(0.5).min()
    report.check(ceiling <= 0.95, f"5: the strongest network's recall at precision 0.5 is at most 0.95 in its worst group "
                                  f"({ceiling:.3f}); labels of this split are clean")
    if "own-weather" in nets and "generators-weather" in nets:
        report.add("7, the tautology's size: average precision gained over `incumbent` by the trainer's own weather, which "
                   "differs from the generator's in kind and range, and by the generator's:")
        report.add()
        report.add("| gain | " + " | ".join(GROUPS) + " |")
        report.add("| --- |" + " ---: |" * len(GROUPS))
        for name in ("own-weather", "generators-weather", "candidate"):
            report.add(f"| `{name}` | " + " | ".join(f"{value:+.3f}" for value in nets[name].precisions() - precisions) + " |")
        report.add()


def named(text):
    name, _, path = text.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"{text}: write it as NAME=CSV")
    return name, path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="the s2infer executable")
    parser.add_argument("--work", required=True, help="folder for the simulated sets")
    parser.add_argument("--report", required=True, help="where the report goes")
    parser.add_argument("--tiles", type=int, default=25_000, help="tiles of the large set")
    parser.add_argument("--knob-tiles", type=int, default=4_000, help="tiles of each set that a knob is turned for")
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--networks", nargs="*", type=named, default=[], metavar="NAME=CSV",
                        help="labelled scores of the measurement split; `incumbent` and `candidate` are needed")
    parser.add_argument("--budget", help="the incumbent's labelled calibration scores")
    arguments = parser.parse_args()
    pathlib.Path(arguments.work).mkdir(parents=True, exist_ok=True)
    simulate, report = Simulator(arguments.program, arguments.work), Report(arguments.report)
    report.add("# Acceptance of the simulated coasts")
    report.add()
    report.add("Everything here is **simulated**: no figure says anything about real coasts. Numbers are those of the "
               f"list of acceptance tests. Seed {arguments.seed}; {datetime.date.today()}; command: "
               "`scripts/accept-coasts.sh`.")
    report.add()
    data = Set(simulate("large", "--tiles", arguments.tiles, "--seed", arguments.seed))
    positives = int(data.label[data.is_test].sum())
    report.add(f"{len(data.rows)} tiles; {int(data.is_train.sum())} train, {int(data.is_test.sum())} test with {positives} "
               f"positives, {positives // 4} in each group.")
    report.add()
    statistics_stay_weak(report, data)
    shuffled_pixels_say_nothing(report, data)
    metadata_says_nothing(report, data)
    seasons_shift(report, data)
    networks(report, dict(arguments.networks), arguments.budget)
    knobs_turn_one_way(report, simulate, arguments.knob_tiles, arguments.seed + 1)
    bands_are_those_of_real_tiles(
        report, simulate("thirteen", "--tiles", 1000, "--seed", arguments.seed + 2, "--bands", 13))
    report.add("## Sets")
    report.add()
    for command in simulate.commands:
        report.add(f"- `{command}`")
    if report.failed:
        sys.exit(f"{len(report.failed)} failed: " + "; ".join(report.failed))


if __name__ == "__main__":
    main()
