"""Figures published elsewhere, beside those of the study's own runs."""

from statistics import mean
from typing import Any

import pandas as pd

from ablate.analysis.arms import arms_table
from ablate.analysis.frames import AblationFrames
from ablate.spec import Direction

COLUMNS = ["arm", "metric", "published", "published_n", "ours", "n", "difference"]


def published_table(frames: AblationFrames) -> pd.DataFrame:
    """Return one row per published arm and metric, in declared order; none if none is declared.

    Columns: arm, metric, published (the mean), published_n (of how many figures), ours (the mean
    over the runs that count, NaN without any), n, difference (ours less published).
    """
    figures_of = frames.definition.published
    declared = figures_of.values if figures_of else {}
    names = (metric for figures in declared.values() for metric in figures)
    found = arms_table(frames, dict.fromkeys(names, Direction.MAXIMIZE))
    ours = found.set_index(["arm", "metric"])[["mean", "n"]].to_dict("index")
    rows: list[dict[str, Any]] = []
    for arm, figures in declared.items():
        for metric, values in figures.items():
            reached, published = ours[arm, metric], mean(values)
            rows.append(
                {
                    "arm": arm,
                    "metric": metric,
                    "published": published,
                    "published_n": len(values),
                    "ours": reached["mean"],
                    "n": reached["n"],
                    "difference": reached["mean"] - published,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)
