"""Figures published elsewhere, beside those of the study's own runs."""

import math
from statistics import mean
from typing import Any

import pandas as pd

from ablate.analysis import AblationFrames, arms_table
from ablate.reports import numbers
from ablate.reports.blocks import Code, Inline, Section, table, text
from ablate.spec import Direction

COLUMNS = ["arm", "metric", "published", "published_n", "ours", "n", "difference"]


def compare(frames: AblationFrames) -> pd.DataFrame:
    """Return one row per published arm and metric, in declared order; none if none is declared.

    Columns: arm, metric, published (the mean), published_n (of how many figures), ours (the mean
    over the runs that count, NaN without any), n, difference (ours less published).
    """
    published = frames.definition.published
    declared = published.values if published else {}
    names = (metric for figures in declared.values() for metric in figures)
    found = arms_table(frames, dict.fromkeys(names, Direction.MAXIMIZE))
    ours = found.set_index(["arm", "metric"])[["mean", "n"]].to_dict("index")
    rows: list[dict[str, Any]] = []
    for arm, figures in declared.items():
        for metric, values in figures.items():
            mine, theirs = ours[arm, metric], mean(values)
            rows.append(
                {
                    "arm": arm,
                    "metric": metric,
                    "published": theirs,
                    "published_n": len(values),
                    "ours": mine["mean"],
                    "n": mine["n"],
                    "difference": mine["mean"] - theirs,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def sections(frames: AblationFrames) -> tuple[Section, ...]:
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
    if not rows or frames.definition.published is None:
        return ()
    source = frames.definition.published.source
    said = text(
        f"Source: {source}. Means over the published figures and over the runs that count, with "
        "how many each; the difference is ours less the published one."
    )
    heads = ["arm", "metric", "published", "of", "ours", "n", "difference"]
    return (Section("Published figures", (said, table(heads, rows, set(heads[2:])))),)


def _signed(difference: float) -> str:
    shown = numbers.statistic(difference)
    return f"+{shown}" if difference > 0 and math.isfinite(difference) else shown
