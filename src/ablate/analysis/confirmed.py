"""How the best trials of a search do with fresh seeds."""

import math
from collections.abc import Mapping
from statistics import fmean, stdev
from typing import Any

import pandas as pd

from ablate.analysis.families import FEWEST_SEEDS
from ablate.analysis.frames import AblationFrames
from ablate.analysis.points import Reading, scores
from ablate.analysis.statistics import interval

COLUMNS = [
    *("trial", "arm", "found", "found_seeds", "runs", "n", "mean", "sd", "low", "high"),
    *("luck", "rank_found", "rank"),
]


def confirmed_table(frames: AblationFrames) -> pd.DataFrame:
    """Return one row per trial of a study that confirms a search, the best of the search first.

    Columns: trial, arm, found (its value in the search), found_seeds (a tuple of the seeds
    there), runs (asked for), n (that count), mean, sd (of n - 1), low and high (the 95 %
    interval of the mean), luck (how much better the found value is than the mean), rank_found
    and rank (by mean, NA without one). No row if the study confirms nothing.
    """
    definition = frames.definition
    confirms, objective = definition.provenance.confirms, definition.objective
    found = scores(frames, [objective.metric] if confirms else [], objective)
    rows = []
    for place, (arm, confirmed) in enumerate(confirms.items(), start=1):
        arm_rows = found[found["arm"] == arm]
        values = arm_rows.loc[arm_rows["reading"] == Reading.COUNTED, "value"].tolist()
        mean = fmean(values) if values else math.nan
        low, high = interval(values)
        rows.append(
            {
                "trial": confirmed.trial,
                "arm": arm,
                "found": confirmed.value,
                "found_seeds": confirmed.seeds,
                "runs": len({*definition.seeds, *arm_rows["seed"].tolist()}),
                "n": len(values),
                "mean": mean,
                "sd": stdev(values) if len(values) > 1 else math.nan,
                "low": low,
                "high": high,
                "luck": objective.direction.gain(confirmed.value, over=mean),
                "rank_found": place,
            }
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    ranks = (
        table["mean"]
        .astype(float)
        .rank(method="min", ascending=objective.direction.lower_is_better)
    )
    return table.assign(rank=ranks.astype("Int64"))


def contenders(table: pd.DataFrame) -> list[int]:
    """Return the trials that may be the best: the one with the best mean comes first.

    The others are those whose interval overlaps its own. Fewer than three seeds, and seeds that
    change nothing, set no trial apart.
    """
    known = table.dropna(subset="mean").sort_values(["rank", "rank_found"])
    if known.empty:
        return []
    rows = known.to_dict("records")
    unknown = table[table["mean"].isna()].to_dict("records")
    return [int(row["trial"]) for row in [*rows, *unknown] if not _apart(row, rows[0])]


def _apart(left: Mapping[Any, Any], right: Mapping[Any, Any]) -> bool:
    """Say whether two intervals that are told by the seeds share no value."""
    if any(row["n"] < FEWEST_SEEDS or row["sd"] == 0 for row in (left, right)):
        return False
    return bool(left["high"] < right["low"] or right["high"] < left["low"])
