"""Figures published elsewhere, beside those of the study's own runs."""

import math
from statistics import mean
from typing import Any

import pandas as pd

from ablate.analysis import Frames, arms_table
from ablate.report import numbers
from ablate.report.blocks import Code, Inline, Section, table, text

COLUMNS = ["arm", "metric", "published", "published_n", "ours", "n", "difference"]


def compare(frames: Frames) -> pd.DataFrame:
    """Return one row per published arm and metric, in declared order; none if none is declared.

    Columns: arm, metric, published (the mean), published_n (of how many figures), ours (the mean
    over the runs that count, NaN without any), n, difference (ours less published).
    """
    declared = (frames.definition.get("published") or {}).get("values") or {}
    metrics = dict.fromkeys((m for figures in declared.values() for m in figures), "maximize")
    found = arms_table(frames, metrics, frames.definition["objective"])
    ours = found.set_index(["arm", "metric"])[["mean", "n"]].to_dict("index")
    rows: list[dict[str, Any]] = []
    for arm, figures in declared.items():
        for metric, values in figures.items():
            mine, published = ours[arm, metric], mean(values)
            rows.append(
                {
                    "arm": arm,
                    "metric": metric,
                    "published": published,
                    "published_n": len(values),
                    "ours": mine["mean"],
                    "n": mine["n"],
                    "difference": mine["mean"] - published,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def sections(frames: Frames) -> tuple[Section, ...]:
    """Set the published figures beside ours, if the study declares any."""
    rows: list[tuple[Inline, ...]] = [
        (
            Code(row["arm"]),
            Code(row["metric"]),
            numbers.number(row["published"]),
            str(row["published_n"]),
            numbers.statistic(row["ours"]),
            str(row["n"]),
            _signed(row["difference"]),
        )
        for row in compare(frames).to_dict("records")
    ]
    if not rows:
        return ()
    source = frames.definition["published"]["source"]
    said = text(
        f"Source: {source}. Means over the published figures and over the runs that count, with "
        "how many each; the difference is ours less the published one."
    )
    heads = ["arm", "metric", "published", "of", "ours", "n", "difference"]
    return (Section("Published figures", (said, table(heads, rows, set(heads[2:])))),)


def _signed(difference: float) -> str:
    shown = numbers.statistic(difference)
    return f"+{shown}" if difference > 0 and math.isfinite(difference) else shown
