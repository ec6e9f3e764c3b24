"""Figures published elsewhere, beside those of the study's own runs."""

import math
from collections.abc import Iterable
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd

from ablate.analysis.arms import arms_table
from ablate.analysis.frames import AblationFrames
from ablate.analysis.points import at_best, at_last
from ablate.spec import Cause, Direction, Status

COLUMNS = ["arm", "metric", "published", "published_n", "ours", "n", "difference"]
ALIKE = ["alike", "alike_n", "alike_difference"]


def published_table(frames: AblationFrames) -> pd.DataFrame:
    """Return one row per published arm and metric, in declared order; none if none is declared.

    Columns: arm, metric, published (the mean), published_n (of how many figures), ours (the mean
    over the runs that count, NaN without any), n, difference (ours less published). Where the study
    says how the figures were read also alike, alike_n, alike_difference: ours read the same way, in
    every complete run and in those that diverged, over the epochs that they had.
    """
    figures_of = frames.definition.published
    declared = figures_of.values if figures_of else {}
    names = list(dict.fromkeys(metric for figures in declared.values() for metric in figures))
    found = arms_table(frames, dict.fromkeys(names, Direction.MAXIMIZE))
    ours = found.set_index(["arm", "metric"])[["mean", "n"]].to_dict("index")
    at = figures_of.at if figures_of else None
    alike = _read_alike(frames, names, at) if at else {}
    rows: list[dict[str, Any]] = []
    for arm, figures in declared.items():
        for metric, values in figures.items():
            reached, published = ours[arm, metric], mean(values)
            row = {
                "arm": arm,
                "metric": metric,
                "published": published,
                "published_n": len(values),
                "ours": reached["mean"],
                "n": reached["n"],
                "difference": reached["mean"] - published,
            }
            if at:
                read = alike.get((arm, metric), [])
                average = mean(read) if read else math.nan
                row |= dict(zip(ALIKE, (average, len(read), average - published), strict=True))
            rows.append(row)
    return pd.DataFrame(rows, columns=[*COLUMNS, *ALIKE] if at else COLUMNS)


def _read_alike(
    frames: AblationFrames, metrics: Iterable[str], at: str
) -> dict[tuple[str, str], list[float]]:
    """Return by arm and metric the values of each run where this metric itself is best, or last."""
    definition, runs = frames.definition, frames.current
    ended = (runs["status"] == Status.COMPLETE) | (runs["cause"] == Cause.DIVERGED)
    arm_of = runs[ended].set_index("run_id")["arm"].to_dict()
    directions = {definition.objective.metric: definition.objective.direction} | dict(
        definition.metrics
    )
    found: dict[tuple[str, str], list[float]] = {}
    for metric in metrics:
        if at == "best":
            read = at_best(frames, metric, directions[metric])
        else:
            read = at_last(frames, metric)
        own = read[(read["name"] == metric) & np.isfinite(read["value"].astype(float))]
        for run, value in zip(own["run_id"].tolist(), own["value"].tolist(), strict=True):
            if run in arm_of:
                found.setdefault((arm_of[run], metric), []).append(value)
    return found
