"""The curves of the arms, metric by metric."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.analysis import Conclusions, Estimate
from ablate.analysis.frames import Values
from ablate.reports import numbers
from ablate.reports.blocks import Block, Figure, Folded, Section
from ablate.reports.figures import HIGHLIGHTED, Curve, Level, draw_curves
from ablate.reports.listed import rank
from ablate.reports.parts import data_read, drawn

MOST_CURVES = 68
"""Arms beyond so many are not drawn: the last of them are grey lines among grey lines."""


def sections(concluded: Conclusions) -> tuple[Section, ...]:
    """Draw the curves of every metric that has some, the primary one first."""
    metrics = dict.fromkeys([concluded.primary, *concluded.frames.definition.metrics])
    drawings = [found for metric in metrics if (found := _figure(concluded, metric))]
    if not drawings:
        return ()
    blocks: list[Block] = [*drawings[:1]]
    if others := drawings[1:]:
        said = f"Curves of {numbers.plural(len(others), 'secondary metric')}"
        blocks.append(Folded((said,), tuple(others)))
    return (Section("Curves", tuple(blocks)),)


def _figure(concluded: Conclusions, metric: str) -> Figure | None:
    frames = concluded.frames
    values = frames.values_of(metric)
    if (values.starts == values.ends).all():
        return None  # a single value of each run has no course
    arm_of = frames.current["arm"].to_numpy()
    known = {*arm_of[values.run[values.starts]].tolist()}
    rows = [row for row in concluded.estimates.values() if row.metric == metric]
    arms = sorted(
        (row for row in rows if row.kind != "floor" and row.arm in known),
        key=lambda row: rank(concluded, row),
    )
    by_arm = _by_arm(values, arm_of, [row.arm for row in arms[:MOST_CURVES]])
    trial_of = frames.current["trial"].to_numpy()
    # An arm without a value may have no line: then the next one stands out.
    bright = HIGHLIGHTED + sum(not row.n for row in arms)
    levels = [Level(row.arm, row.mean) for row in rows if row.kind == "floor" and row.n]
    drawing = draw_curves(
        [
            _curve(row, of_arm, trial_of, bright=place < bright)
            for place, (row, of_arm) in enumerate(zip(arms, by_arm, strict=False))
        ],
        levels,
        ("epoch", metric),
        title=f"{metric} by epoch",
        log=frames.definition.metrics[metric].lower_is_better,
    )
    caption = f"{metric} on the {data_read(frames, metric)}: mean over the seeds that count"
    caption += "; trivial predictors dashed." if levels else "."
    if len(arms) > MOST_CURVES:
        caption += f" {len(arms) - MOST_CURVES} further arms are in curves.csv."
    return drawn("curves", metric, drawing, caption)


def _by_arm(values: Values, arm_of: NDArray[Any], arms: list[str]) -> list[Values]:
    """Return the values of each of some arms; `arm_of` names the arm of every run."""
    places = {arm: place for place, arm in enumerate(arms)}
    of_run = np.array([places.get(arm, len(arms)) for arm in arm_of.tolist()], np.int32)
    of_value = of_run[values.run]
    order = np.argsort(of_value, kind="stable")
    edges = np.searchsorted(of_value[order], np.arange(len(arms) + 1))
    return [values.take(order[start:end]) for start, end in pairwise(edges.tolist())]


def _curve(row: Estimate, values: Values, trial_of: NDArray[Any], *, bright: bool) -> Curve:
    """Draw the mean of the seeds that count where all have a value, and if bright every seed.

    A mean over fewer and fewer seeds would jump where one of them ends.
    """
    counted = [cell.trial for cell in row.cells if cell.counted and cell.trial is not None]
    epochs, at_epoch = np.unique(values.epoch, return_inverse=True)
    trials, of_trial = np.unique(trial_of[values.run], return_inverse=True)
    wide = np.full((len(epochs), len(trials)), np.nan)
    wide[at_epoch, of_trial] = values.value  # the last of an epoch stays
    averaged = np.compress(np.isin(trials, counted), wide, axis=1)
    complete = np.isfinite(averaged).all(axis=1)
    mean = _pairs(epochs[complete], averaged[complete].mean(axis=1)) if counted else []
    seeds = wide.T if bright or not mean else ()
    return Curve(row.arm, mean, tuple(_pairs(epochs, seed) for seed in seeds))


def _pairs(epochs: NDArray[Any], values: NDArray[Any]) -> list[tuple[float, float]]:
    return list(zip(epochs.tolist(), values.tolist(), strict=True))
