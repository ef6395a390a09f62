#!/usr/bin/env python3
"""Compares the statistics with scikit-learn, scipy, MAPIE and crepes on random data of a fixed seed.

    scripts/cross-check-statistics.py [--output TABLE.md]

Makes target/statistics-venv from scripts/requirements/statistics.txt, builds the example `statistics`, computes every
figure with both and prints a Markdown table. Exit status 1 where a difference exceeds the tolerance of its row.
Where no package has a figure, its definition is written out with numpy (the column says so).
"""

import argparse
import itertools
import json
import os
import pathlib
import subprocess
import sys
import venv
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = ROOT / "target" / "statistics-venv"
REQUIREMENTS = ROOT / "scripts" / "requirements" / "statistics.txt"
PYTHON = VENV / "bin" / "python"

if pathlib.Path(sys.prefix) != VENV:
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS], check=True)
    os.execv(PYTHON, [str(PYTHON), *sys.argv])

import crepes
import numpy as np
import sklearn.metrics as metrics
from mapie.metrics.calibration import expected_calibration_error
from mapie.risk_control import BinaryClassificationController
from scipy import optimize, stats
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

SEED = 20250101
# Closed forms and sums; fits by two optimisers; random permutations against all of them (five standard errors).
EXACT, FITTED, PERMUTATIONS = 1e-9, 1e-5, 20_000
RECALL, MISS_SHARE, MISS = 0.8, 0.2, 0.1

rng = np.random.default_rng(SEED)


class Ours:
    """The example program, one line a call."""

    def __enter__(self):
        command = ["cargo", "run", "--quiet", "--release", "--example", "statistics"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def __call__(self, function, **arguments):
        plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in arguments.items()}
        self.process.stdin.write(json.dumps({"function": function, **plain}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the example refused {function}")
        return json.loads(line)


class Table:
    """Rows of the comparison."""

    def __init__(self):
        self.lines = ["statistic | ours | theirs | package | difference", "--- | ---: | ---: | --- | ---:"]
        self.failures = 0

    def add(self, statistic, ours, theirs, package, tolerance=EXACT):
        """The largest difference of the elements counts; of several, the first is shown."""
        ours, theirs = np.atleast_1d(np.asarray(ours, float)), np.atleast_1d(np.asarray(theirs, float))
        difference = np.abs(ours - theirs).max() if ours.shape == theirs.shape else np.inf
        mark = "" if difference <= tolerance else f" **beyond {tolerance:g}**"
        self.failures += difference > tolerance
        more = f" … ({ours.size})" if ours.size > 1 else ""
        self.lines.append(
            f"{statistic} | {ours[0]:.9g}{more} | {theirs[0]:.9g}{more} | {package} | {difference:.1e}{mark}"
        )

    def __str__(self):
        return "\n".join(f"| {line} |" for line in self.lines)


def scores_of_two_models(n=600, share=0.2, steps=200):
    """Single-precision scores with ties, of positives and negatives, and clusters."""
    positives = rng.random(n) < share
    shift = np.where(positives, 1.2, -0.8)
    draw = lambda: (np.round(expit(shift + rng.normal(0, 1.3, n)) * steps) / (steps + 1) + 0.002).astype(np.float32)
    return positives, draw(), draw(), rng.integers(0, 40, n)


def intervals(ours, table):
    cases = [(0, 9), (74, 85), (53, 60), (14, 14), (1, 1000), (79_321, 100_000), (999_000, 1_000_000)]
    for hits, n in cases:
        theirs = stats.binomtest(hits, n).proportion_ci(0.95, "exact")
        found = ours("clopper_pearson", hits=hits, n=n, confidence=0.95)
        table.add(f"Clopper–Pearson 95 %, {hits} of {n}", found, theirs, "scipy binomtest")
    bounds = [ours("lower_bound", hits=h, n=n, confidence=0.9) for h, n in cases[1:]]
    theirs = [stats.binomtest(h, n, alternative="greater").proportion_ci(0.9, "exact").low for h, n in cases[1:]]
    table.add("one-sided 90 % bounds", bounds, theirs, "scipy binomtest")
    misses = [ours("recall_p", misses=m, n=85, recall=RECALL) for m in range(30)]
    table.add("p of recall ≥ 0.8, 0–29 missed of 85", misses, stats.binom.cdf(range(30), 85, 0.2), "scipy binom")
    hits = [ours("precision_p", hits=h, n=60, precision=0.7) for h in range(61)]
    table.add("p of precision ≥ 0.7, 0–60 of 60", hits, stats.binom.sf(np.arange(61) - 1, 60, 0.7), "scipy binom")


def ranking(ours, table):
    y, s, second, clusters = scores_of_two_models()
    table.add("average precision", ours("average_precision", scores=s, positives=y),
              metrics.average_precision_score(y, s), "scikit-learn")
    table.add("AUROC", ours("auroc", scores=s, positives=y), metrics.roc_auc_score(y, s), "scikit-learn")
    weights = rng.integers(0, 4, 40)
    weighted = dict(scores=s, positives=y, clusters=clusters, weights=weights)
    row = weights[clusters]
    table.add("average precision, clusters weighted, negatives ×7",
              ours("weighted_average_precision", negatives_factor=7.0, **weighted),
              metrics.average_precision_score(y, s, sample_weight=row * np.where(y, 1, 7)), "scikit-learn")
    table.add("AUROC, clusters weighted", ours("weighted_auroc", **weighted),
              metrics.roc_auc_score(y, s, sample_weight=row), "scikit-learn")
    precision, recall, threshold = metrics.precision_recall_curve(y, s)
    precision, recall = precision[:-1], recall[:-1]
    best = max(np.flatnonzero(recall >= RECALL), key=lambda i: (precision[i], recall[i]))
    found = ours("max_precision_at_recall", scores=s, positives=y, recall=RECALL)
    table.add("most precise threshold of recall ≥ 0.8", found,
              [threshold[best], recall[best], precision[best]], "scikit-learn", 1e-7)
    best = max(np.flatnonzero(precision >= 0.6), key=lambda i: (recall[i], precision[i]))
    found = ours("max_recall_at_precision", scores=s, positives=y, precision=0.6)
    table.add("threshold of most recall, precision ≥ 0.6", found,
              [threshold[best], recall[best], precision[best]], "scikit-learn", 1e-7)
    delong(ours, table, y, s, second)


def delong(ours, table, y, s, second):
    def placements(scores):
        wins = (scores[y][:, None] > scores[~y]) + 0.5 * (scores[y][:, None] == scores[~y])
        return wins.mean(1), wins.mean(0)

    (a, b), (c, d) = placements(s), placements(second)
    variance = np.var(a - c, ddof=1) / len(a) + np.var(b - d, ddof=1) / len(b)
    z = (a.mean() - c.mean()) / np.sqrt(variance)
    theirs = [metrics.roc_auc_score(y, s), metrics.roc_auc_score(y, second), variance, z, 2 * stats.norm.sf(abs(z))]
    table.add("DeLong: areas, variance, z, p", ours("delong", scores=s, second=second, positives=y), theirs,
              "scikit-learn; definition in numpy")


def probabilities(ours, table):
    s = scores_of_two_models(n=900)[1].astype(float)
    # Too low in the lower half, too high in the upper one, so that errors of bins do not add up to that of all.
    y = rng.random(len(s)) < np.clip(s + 0.15 * np.sin(2 * np.pi * s), 0, 1)
    arguments = dict(scores=s, positives=y)
    table.add("Brier score", ours("brier", **arguments), metrics.brier_score_loss(y, s), "scikit-learn")
    table.add("log loss", ours("log_loss", **arguments), metrics.log_loss(y, s), "scikit-learn")
    # MAPIE splits scores in the order given and parts ties by value; its equal widths are one bin fewer than asked for.
    order = np.argsort(s, kind="stable")
    apart, labels = s[order] + np.arange(len(s)) * 1e-9, y[order].astype(int)
    table.add("ECE, 15 bins of equal mass", ours("ece_equal_mass", scores=apart, positives=y[order], bins=15),
              expected_calibration_error(labels, apart, num_bins=15, split_strategy="array split"), "MAPIE")
    table.add("ECE, 15 bins of equal width", ours("ece_equal_width", scores=apart, positives=y[order], bins=15),
              expected_calibration_error(labels, apart, num_bins=16, split_strategy="uniform"), "MAPIE")
    calibrators(ours, table, y, s)
    p = stats.beta.rvs(0.4, 3, size=400, random_state=rng)
    target = source = 1 / 11
    for _ in range(100_000):
        moved = p * target / source / (p * target / source + (1 - p) * (1 - target) / (1 - source))
        target, before = moved.mean(), target
        if abs(target - before) < 1e-13:
            break
    table.add("prevalence by EM", ours("prevalence_by_em", scores=p, source=source), target, "definition in numpy")


def calibrators(ours, table, y, s):
    arguments = dict(scores=s, positives=y)
    z = logit(s)
    inverse = optimize.brentq(lambda k: (z * (expit(k * z) - y)).sum(), 1e-3, 1e2, xtol=1e-15)
    found = ours("temperature", **arguments)
    table.add("temperature", 1 / found[0], 1 / inverse, "scipy brentq", FITTED)

    def regression(features, targets):
        # A smoothed target is both classes in shares.
        x, t = np.vstack([features, features]), np.r_[np.ones(len(y)), np.zeros(len(y))]
        fitted = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
        fitted.fit(x, t, sample_weight=np.r_[targets, 1 - targets] + 1e-300)
        return [*fitted.coef_[0], fitted.intercept_[0]]

    hard = y.astype(float)
    smoothed = np.where(y, (y.sum() + 1) / (y.sum() + 2), 1 / ((~y).sum() + 2))
    for name, targets in [("platt", hard), ("platt_smoothed", smoothed)]:
        a, _, c, _ = ours(name, **arguments)
        table.add(f"{name}: a, c", [a, c], regression(z[:, None], targets), "scikit-learn LogisticRegression", FITTED)
    a, b, c, loss = ours("beta", **arguments)
    theirs = regression(np.c_[np.log(s), -np.log1p(-s)], hard)
    table.add("beta calibration: a, b, c", [a, b, c], theirs, "scikit-learn LogisticRegression", FITTED)
    mapped = expit(theirs[0] * np.log(s) - theirs[1] * np.log1p(-s) + theirs[2])
    table.add("log loss after beta calibration", loss, metrics.log_loss(y, mapped), "scikit-learn")
    start, level = np.array(ours("isotonic", **arguments)).T
    # A score that has gone through text and back may be off by its last bit.
    found = level[np.searchsorted(start, s + 1e-9, side="right") - 1]
    theirs = IsotonicRegression().fit_transform(s, y)
    table.add("isotonic levels of every score", found, theirs, "scikit-learn IsotonicRegression")


def resamples(ours, table):
    sample = rng.lognormal(size=60)
    run = stats.bootstrap((sample,), np.mean, n_resamples=1999, method="BCa", rng=rng)
    keep = lambda method: stats.bootstrap((sample,), np.mean, n_resamples=0, bootstrap_result=run, method=method)
    values, left_out = run.bootstrap_distribution, np.array([np.delete(sample, i).mean() for i in range(60)])
    table.add("BCa interval of a mean, scipy's own resamples",
              ours("bca_interval", values=values, estimate=sample.mean(), jackknife=left_out, confidence=0.95),
              keep("BCa").confidence_interval, "scipy bootstrap", 1e-8)
    table.add("percentile interval", ours("percentile_interval", values=values, confidence=0.95),
              keep("percentile").confidence_interval, "scipy bootstrap")
    ascending = np.sort(values)
    shares = [0.0, 0.013, 0.5, 0.977, 1.0]
    table.add("quantiles", [ours("quantile", values=ascending, share=q) for q in shares],
              np.quantile(ascending, shares), "numpy")
    clusters = rng.integers(0, 25, 120)
    values = rng.normal(size=25)[clusters] + rng.normal(size=120)
    groups = [values[clusters == c] for c in np.unique(clusters)]
    sizes = np.array([len(g) for g in groups])
    size = (120 - (sizes**2).sum() / 120) / (len(groups) - 1)
    f = stats.f_oneway(*groups).statistic
    table.add("intraclass correlation", ours("intraclass", values=values, clusters=clusters),
              (f - 1) / (f + size - 1), "scipy f_oneway")


def pairs(ours, table):
    for b, c in [(18, 6), (5, 1), (31, 12), (6, 18), (400, 350)]:
        two, one = stats.binomtest(b, b + c).pvalue, stats.binomtest(b, b + c, alternative="greater").pvalue
        chi2 = (abs(b - c) - 1) ** 2 / (b + c)
        theirs = [two, one, two - stats.binom.pmf(b, b + c, 0.5), chi2, stats.chi2.sf(chi2, 1)]
        table.add(f"McNemar {b}:{c}: exact, one-sided, mid-p, χ², its p", ours("mcnemar", b=b, c=c), theirs, "scipy")
    p = rng.random(12) ** 3
    order = np.argsort(p)
    theirs = np.empty(12)
    theirs[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(12, 0, -1)), 1)
    table.add("Holm's adjusted p", ours("holm", values=p), theirs, "definition in numpy")
    swaps = [np.array(swap) for swap in itertools.product([False, True], repeat=10)]
    alerts = rng.integers(1, 9, (10, 4)) + [0, 3, 2, 0]

    def precision(swap):
        first, second = np.where(swap[:, None], np.roll(alerts, 2, 1), alerts).sum(0).reshape(2, 2)
        return second[0] / second.sum() - first[0] / first.sum()

    y, s, second, _ = scores_of_two_models(n=120)
    clusters = rng.integers(0, 10, 120)
    ranks = np.c_[stats.rankdata(s), stats.rankdata(second)]

    def average_precision(swap):
        first, second = np.where(swap[clusters][:, None], ranks[:, ::-1], ranks).T
        return metrics.average_precision_score(y, second) - metrics.average_precision_score(y, first)

    arguments = {
        "precision_permutation": dict(alerts=alerts.ravel()),
        "average_precision_permutation": dict(first=s, second=second, positives=y, clusters=clusters),
    }
    tests = [
        ("precision_permutation", precision, "definition in numpy"),
        ("average_precision_permutation", average_precision, "scikit-learn, scipy rankdata"),
    ]
    for name, difference, package in tests:
        all_of_them = np.array([difference(swap) for swap in swaps])
        observed, slack = all_of_them[0], 1e-12
        p = [(all_of_them >= observed - slack).mean(), (abs(all_of_them) >= abs(observed) - slack).mean()]
        found = ours(name, permutations=PERMUTATIONS, **arguments[name])
        label = name.replace("_", " ")
        table.add(f"{label}: difference", found[0], observed, package)
        table.add(f"{label}: p of 20,000 swaps against all 1,024", found[1:], p, "all swaps in numpy",
                  5 * np.sqrt(0.25 / PERMUTATIONS))


def groups(ours, table):
    sizes = rng.integers(5, 90, 12)
    hits = rng.binomial(sizes, rng.beta(9, 2, 12))

    def loss(t):
        mean, k = expit(t[0]), np.exp(t[1])
        return -stats.betabinom.logpmf(hits, sizes, mean * k, (1 - mean) * k).sum()

    options = {"xatol": 1e-10, "fatol": 1e-13, "maxiter": 9999}
    best = optimize.minimize(loss, [1, 2], method="Nelder-Mead", options=options).x
    found = ours("prior", groups=np.c_[hits, sizes].ravel())
    table.add("beta-binomial prior: mean, ln concentration", [found[0], np.log(found[1])], [expit(best[0]), best[1]],
              "scipy betabinom", FITTED)
    posterior = stats.beta(0.87 * 20 + 36, 0.13 * 20 + 4)
    table.add("posterior of 36 of 40: P(R ≥ 0.8), 10 % quantile",
              ours("posterior", mean=0.87, concentration=20.0, hits=36, n=40, recall=RECALL),
              [posterior.sf(0.8), posterior.ppf(0.1)], "scipy beta")


def made_group(seed, n, spread, negatives_spread):
    """Scores of n positives and 10 n negatives from a linear congruential generator, the same in every language."""

    def uniform(state, count):
        for _ in range(count):
            state = (1664525 * state + 1013904223) % 2**32
            yield state / 2**32

    positives = np.array([1 - spread * u * u for u in uniform(seed, n)])
    return np.sort(positives), np.array([negatives_spread * v**3 for v in uniform(seed + 100, 10 * n)])


GROUPS = {
    "summer clear": (11, 85, 0.6, 0.55),
    "summer cloudy": (22, 60, 0.9, 0.75),
    "winter clear": (33, 40, 0.8, 0.65),
    "winter cloudy": (44, 14, 1.0, 0.85),
    "tiny": (55, 9, 1.0, 0.85),
}


def thresholds(ours, table):
    grid = np.linspace(0, 0.99, 100)
    notes = []
    for name, made in GROUPS.items():
        positives, negatives = made_group(*made)
        n = len(positives)
        mean_rank = ours("rank", n=n, recall=RECALL)
        fine = np.arange(0, 1, 5e-6)
        conformal = crepes.ConformalClassifier().fit(1 - positives)
        p = conformal.predict_p((1 - fine)[:, None], smoothing=False).ravel()
        table.add(f"threshold of mean recall 0.8, {name}", positives[mean_rank - 1], fine[p > MISS_SHARE].min(),
                  "crepes ConformalClassifier, grid of 5e-6", 5.1e-6)
        rank = ours("rank", n=n, recall=RECALL, miss=MISS)
        on_grid = grid[grid <= positives[rank - 1]] if rank else grid[:0]
        theirs = mapie_thresholds(positives, negatives)
        misses = np.array([(positives < t).sum() for t in grid])
        table.add(f"exact 90 %, {name}, on MAPIE's grid (−1: none)", shown(on_grid), shown(grid[passing(misses, n)]),
                  "scipy binom")
        # MAPIE rounds n·R̂ upwards after it has become a float, which can count one missed positive too many.
        recalls = np.array([metrics.recall_score(np.ones(n), positives >= t) for t in grid])
        rounded = np.ceil(n * (1 - recalls))
        valid = grid[passing(rounded, n)]
        table.add(f"exact 90 %, {name}, as MAPIE rounds (−1: none)", shown(valid), shown(theirs), "MAPIE")
        if len(valid) < passing(misses, n).sum():
            i = len(valid)
            at = float(n * (1 - recalls[i]))
            notes.append(
                f"- {name}: whole counts allow the threshold {on_grid.max():.2f} of the grid (rank {rank}, score "
                f"{positives[rank - 1]:.9f}), MAPIE {theirs.max():.2f}. At {grid[i]:.2f} exactly {misses[i]} of {n} are "
                f"missed; MAPIE takes ⌈n·R̂⌉ of {at!r} and counts {int(rounded[i])}: safe, but lower.")
    return notes


def shown(thresholds):
    """The highest."""
    return max(thresholds, default=-1)


def passing(misses, n):
    """Thresholds of a grid that pass when tested from the lowest up, until the first that does not."""
    return np.logical_and.accumulate(stats.binom.cdf(misses, n, MISS_SHARE) <= MISS)


def mapie_thresholds(positives, negatives):
    """The thresholds of MAPIE's grid that keep recall 0.8 with 90 %, tested from the lowest up."""
    x, y = np.r_[positives, negatives], np.r_[np.ones(len(positives), int), np.zeros(len(negatives), int)]
    controller = BinaryClassificationController(
        lambda scores: np.c_[1 - np.asarray(scores), scores], risk="recall", target_level=RECALL,
        confidence_level=1 - MISS, fwer_method="fixed_sequence")
    with warnings.catch_warnings(action="ignore"):
        controller.calibrate(x, y)
    return np.asarray(controller.valid_predict_params, float)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, help="file for the table")
    arguments = parser.parse_args()
    table = Table()
    with Ours() as ours:
        for part in [intervals, ranking, probabilities, resamples, pairs, groups]:
            part(ours, table)
        notes = thresholds(ours, table)
    report = "\n".join([str(table), "", "Where MAPIE's threshold differs:", "", *notes])
    print(report)
    if arguments.output:
        arguments.output.write_text(report + "\n")
    sys.exit(1 if table.failures else 0)


if __name__ == "__main__":
    main()
