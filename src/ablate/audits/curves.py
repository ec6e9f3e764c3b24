"""What the curves of runs say: do their metrics move, hold up, and look possible?"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from ablate.audits.codes import finding
from ablate.audits.differences import listed
from ablate.audits.findings import Finding
from ablate.audits.recorded import (
    Curve,
    MetricCurves,
    RecordedRuns,
    arms_of,
    grouped,
    several,
    trials_of,
)
from ablate.spec import Direction
from ablate.store import RunRecord

_EPOCHS_DOWN = 3
_FEWEST_EPOCHS = 3
_FALL, _FALL_OF_PEAK = 0.5, 0.25
_AT_ONCE = 0.01
_SAME = 1e-6
_ERRORS = 3.0
_LEARNED, _STEADY = 0.2, 0.8


def _curves(
    recorded: RecordedRuns,
    runs: Iterable[RunRecord],
    suspect: Callable[[MetricCurves], NDArray[np.bool_]],
) -> Iterator[tuple[str, RunRecord, Curve]]:
    """Yield by metric the curves of runs that are suspect at a first glance at all of them."""
    for metric in recorded.metrics:
        if (curves := recorded.by_metric.get(metric)) is None:
            continue
        chosen = curves.runs(suspect(curves))
        for run in runs:
            if run.id in chosen:
                yield metric, run, curves.curve(run.id)


def check_finiteness(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find metrics that are no finite number."""
    seen: dict[str, list[tuple[RunRecord, str]]] = {}
    for metric, run, curve in _curves(recorded, recorded.runs, lambda found: ~found.finite):
        bad = [epoch for epoch, value in curve if not math.isfinite(value)]
        if bad:
            text = f"{len(bad)} of {len(curve)} from epoch {bad[0]}"
            seen.setdefault(metric, []).append((run, text))
    for metric, found in seen.items():
        text = "; ".join(f"{run.arm} seed {run.seed}: {what}" for run, what in found[:4])
        yield finding(
            "non-finite",
            arms_of(run for run, _ in found),
            f"{metric} is not finite in {several(len(found), 'run')}: {text}",
            trials_of(run for run, _ in found),
            "find the batch that makes it so; nothing chosen by this metric can be trusted",
        )


def check_movement(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find metrics that stay the same after the first epoch of a run that trains."""
    for metric in recorded.metrics:
        zero: list[RunRecord] = []
        still: dict[float, list[RunRecord]] = {}
        for name, run, curve in _curves(recorded, recorded.compared, lambda found: found.still):
            values = [value for _, value in curve]
            if name != metric or not run.parameters or len(values) < _FEWEST_EPOCHS:
                continue
            if not any(values):
                zero.append(run)
            elif len(set(values[1:])) == 1 and math.isfinite(values[-1]):
                still.setdefault(values[-1], []).append(run)
        if zero:
            yield finding(
                "zero-metric",
                arms_of(zero),
                f"{metric} is exactly 0 in every epoch of {several(len(zero), 'run')}",
                trials_of(zero),
                "see that it is measured and not a default, and choose a metric that can move",
            )
        for value, runs in still.items():
            yield from _constant(recorded, metric, value, runs)


def _constant(
    recorded: RecordedRuns, metric: str, value: float, runs: Sequence[RunRecord]
) -> Iterator[Finding]:
    """Word that a metric does not move; that of one seed alone may be a coarse metric's chance."""
    arms = grouped(runs, lambda run: run.arm)
    total = grouped(recorded.compared, lambda run: run.arm)
    whole = [arm for arm, of_arm in arms.items() if len(of_arm) == len(total[arm])]
    like = _like_floor(recorded, metric, value)
    yield finding(
        "constant-metric",
        arms_of(runs),
        f"{metric} is {value:.6g} in every epoch after the first of "
        f"{several(len(runs), 'run')}{like}",
        trials_of(runs),
        "look at the predictions: does the arm answer the same to every question?",
        severity=None if whole or like else "note",
    )


def _like_floor(recorded: RecordedRuns, metric: str, value: float) -> str:
    same = [
        row.arm
        for row in recorded.results
        if row.metric == metric and row.kind == "floor" and abs(row.mean - value) <= _SAME
    ]
    return f", as that of {' and '.join(same)}" if same else ""


def check_collapse(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find metrics that fall and stay down, by more than a few examples' change."""
    down: dict[str, list[tuple[RunRecord, str]]] = {}
    for metric, run, curve in _curves(recorded, recorded.compared, _may_be_down):
        if recorded.metrics[metric].lower_is_better or (epoch := collapse_epoch(curve)) is None:
            continue
        finite = [(at, value) for at, value in curve if math.isfinite(value)]
        peak, last = max(value for _, value in finite), finite[-1][1]
        after = fmean(value for at, value in finite if at >= epoch)
        examples = recorded.examples.get(metric)
        if examples is None or beyond_chance(peak, after, examples):
            text = f"from {peak:.4g} at epoch {epoch} to {last:.4g} at the end"
            down.setdefault(metric, []).append((run, f"{run.arm} seed {run.seed} {text}"))
    for metric, found in down.items():
        shown = listed((text for _, text in found), most=4)
        yield finding(
            "collapse",
            arms_of(run for run, _ in found),
            f"{metric} falls and stays down in {several(len(found), 'run')}: {shown}",
            trials_of(run for run, _ in found),
            "look at the loss and the learning rate at this epoch; a best value from before "
            "says nothing about the trained model",
        )


def beyond_chance(before: float, after: float, examples: int) -> bool:
    """Say whether two shares of as many examples lie further apart than chance brings them.

    The test of two proportions: they differ by more than three standard errors of their
    difference, with the variance of the pooled share (Fleiss, Statistical Methods for Rates and
    Proportions, 3rd ed., section 3.2). Three, since the peak of a curve is its luckiest epoch.
    """
    pooled = (before + after) / 2
    error = math.sqrt(2 * pooled * (1 - pooled) / examples)
    return abs(before - after) > _ERRORS * error


def collapse_epoch(curve: Curve) -> int | None:
    """Return the epoch from which a metric that is to rise has fallen and stays down.

    It has collapsed if it lies below its peak by more than half of its range, and by more than a
    quarter of the peak, to the end and for three epochs at least.
    """
    finite = [(epoch, value) for epoch, value in curve if math.isfinite(value)]
    if len(finite) <= _EPOCHS_DOWN:
        return None
    values = [value for _, value in finite]
    peak = max(values)
    line = peak - max(_FALL * (peak - min(values)), _FALL_OF_PEAK * abs(peak))
    down = 0
    while down < len(finite) and finite[-1 - down][1] < line:
        down += 1
    return finite[-down][0] if down >= _EPOCHS_DOWN else None


def _may_be_down(curves: MetricCurves) -> NDArray[np.bool_]:
    """Say of which runs the last value lies where one that has collapsed does."""
    with np.errstate(invalid="ignore"):
        peaks = np.maximum.reduceat(curves.values, curves.starts)
        lows = np.minimum.reduceat(curves.values, curves.starts)
        lines = peaks - np.maximum(_FALL * (peaks - lows), _FALL_OF_PEAK * np.abs(peaks))
    down: NDArray[np.bool_] = curves.values[curves.starts + curves.lengths - 1] < lines
    return ~curves.finite | down


def check_suspicion(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find arms that after one epoch are far better than any other that has learned ever is."""
    for metric, direction in recorded.metrics.items():
        firsts: dict[str, list[float]] = {}
        if (curves := recorded.by_metric.get(metric)) is None:
            continue
        values = curves.firsts
        for run in recorded.compared:
            first = values.get(run.id, math.nan)
            if run.arm and run.parameters and math.isfinite(first):
                firsts.setdefault(run.arm, []).append(first)
        means = {arm: median(values) for arm, values in firsts.items()}
        ordered = sorted(means.values())
        for arm, value in means.items():
            if len(means) < 2 or not too_good(value, [_median_without(ordered, value)], direction):
                continue
            others = [
                curves.curve(run.id)
                for run in recorded.compared
                if run.arm in means and run.arm != arm and run.id in values
            ]
            reached = [
                direction.best([v for _, v in curve])
                for curve in others
                if has_learned(curve, value, direction)
            ]
            if reached and too_good(value, reached, direction):
                yield finding(
                    "too-good-too-soon",
                    [arm],
                    f"{metric} is {value:.4g} after the first epoch; the other arms reach "
                    f"{median(reached):.4g} at their best, in the median",
                    f"{metric} at the first epoch",
                    "see that the arm does not see what it is to predict",
                )


def has_learned(curve: Curve, goal: float, direction: Direction) -> bool:
    """Say whether a run has learned enough to show what a metric can reach, and by when.

    It has come a fifth of the way from its first value to the goal, and has slowed down at its
    end: an arm that is merely slow is still on its way. Of fewer than three epochs nobody can tell.
    """
    values = [value for _, value in curve if math.isfinite(value)]
    if len(values) < _FEWEST_EPOCHS:
        return bool(values)
    sign = -1 if direction.lower_is_better else 1
    way = sign * (goal - values[0])
    gained = sign * (direction.best(values) - values[0])
    if way <= 0 or gained < _LEARNED * way:
        return way <= 0
    tail = max(1, (len(values) - 1) // 4)
    late = sign * (values[-1] - values[-1 - tail]) / tail
    return late < _STEADY * gained / (len(values) - 1)


def _median_without(ordered: Sequence[float], value: float) -> float:
    """Return the median of sorted values, two at least, without one of them."""
    place, half = bisect_left(ordered, value), (len(ordered) - 1) // 2
    others = [ordered[at if at < place else at + 1] for at in range(max(0, half - 1), half + 1)]
    return others[-1] if len(ordered) % 2 == 0 else sum(others) / 2


def too_good(value: float, others: Sequence[float], direction: Direction) -> bool:
    """Say whether a first value is out of all proportion to the first values of other arms.

    For a metric to be minimised it is below a hundredth of their median; for one to be maximised,
    which is taken for a share, it leaves less than a hundredth of what their median leaves to 1.
    """
    typical = median(others)
    if direction.lower_is_better:
        return 0 <= value < _AT_ONCE * typical
    return value <= 1 and typical < 1 and 1 - value < _AT_ONCE * (1 - typical)
