"""Ratios and costs as the README's tables, with verdicts."""

import math
import statistics

from measure import median_interval


def verdict(low, high, bar, at_most=False):
    """Met where the whole interval is on the right side of the bar, missed where it is on the wrong one."""
    sign = "≤" if at_most else "≥"
    if bar is None or not math.isfinite(low):
        return "–"
    met, missed = (high <= bar, low > bar) if at_most else (low >= bar, high < bar)
    return f"{sign} {bar}: {'met' if met else 'missed' if missed else 'within the interval'}"


def ratio_head(name):
    """Workers are measured by the clock, all else by the processors' time."""
    unit = "second" if name == "workers" else "CPU-second"
    yield f"| against | its tiles per {unit} | s2infer's | ratio, median | 95 % interval | bar |"
    yield "| --- | --- | --- | --- | --- | --- |"


def ratio_rows(case, pairs):
    """One line of a case, and a second where the other's whole cost is asked for as well."""
    lines = [ratio_row(case.what, case, [(pair.ours, pair.theirs) for pair in pairs], case.bar)]
    if case.also_whole:
        lines.append(ratio_row(case.also_whole, case, [(pair.ours, pair.theirs_whole) for pair in pairs], None))
    return lines


def ratio_row(what, case, pairs, bar):
    median, low, high = median_interval([theirs / ours for ours, theirs in pairs])
    ours, theirs = (case.tiles / statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    met = verdict(low, high, bar, case.at_most)
    return f"| {what} | {theirs:{digits(theirs)}} | {ours:{digits(ours)}} | {median:.3f} | {interval(low, high)} | {met} |"


def cost_row(what, values, bar, digits="3f"):
    """A line of a cost that must stay under a bar."""
    median, low, high = median_interval(values)
    met = verdict(low, high, bar, at_most=True)
    return f"| {what} | {median:.{digits}} | {interval(low, high, digits)} | {met} |"


def interval(low, high, digits="3f"):
    return f"{low:.{digits}}–{high:.{digits}}" if math.isfinite(low) else "too few runs"


def digits(rate):
    return ".0f" if rate >= 100 else ".1f"
