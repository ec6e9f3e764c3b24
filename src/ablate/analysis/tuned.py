"""Arms as declared beside the same arms with their own best hyper-parameters."""

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Any

import pandas as pd

from ablate.analysis.arms import arms_table, tuned_arms
from ablate.analysis.frames import AblationFrames
from ablate.analysis.noise import noise_floor
from ablate.spec import Status

COLUMNS = [
    *("arm", "metric", "direction", "inherited", "inherited_n", "tuned", "tuned_n"),
    *("gain", "noise_floor", "study", "trial", "trials", "complete"),
]


def tuned_table(frames: AblationFrames) -> pd.DataFrame:
    """Return one row per arm and metric of a study that tunes its arms, in declared order.

    Columns: arm, metric, direction, inherited and tuned (means over the runs that count, NaN
    without any), with their n, gain (how much better the tuned mean is, over the seeds that
    count for both; negative if it is worse), noise_floor (what chance alone makes of a gain),
    study and trial (where the values come from, None if nothing was tuned), trials (spent) and
    complete (of these).
    """
    searches = frames.definition.tuned
    metrics = frames.definition.metrics if searches else {}
    found = arms_table(frames, metrics)
    rows = {(row["arm"], row["metric"]): row for row in found.to_dict("records")}
    names = {inherited: name for name, inherited in tuned_arms(frames).items()}
    compared = []
    for arm, search in searches.items():
        for metric, direction in metrics.items():
            before, after = rows[arm, metric], rows.get((names.get(arm), metric))
            gain, noise = _gain(before, after)
            compared.append(
                {
                    "arm": arm,
                    "metric": metric,
                    "direction": direction,
                    "inherited": before["mean"],
                    "inherited_n": before["n"],
                    "tuned": after["mean"] if after else math.nan,
                    "tuned_n": after["n"] if after else 0,
                    "gain": gain,
                    "noise_floor": noise,
                    "study": search.study,
                    "trial": search.trial,
                    "trials": sum(search.counts.values()),
                    "complete": search.counts.get(Status.COMPLETE, 0),
                }
            )
    return pd.DataFrame(compared, columns=COLUMNS).astype({"trial": "Int64"})


def _gain(before: Mapping[Any, Any], after: Mapping[Any, Any] | None) -> tuple[float, float]:
    """Return the gain of tuning and its noise floor."""
    inherited, tuned = _values(before), _values(after) if after else {}
    shared = inherited.keys() & tuned.keys()
    if not shared:
        return math.nan, math.nan
    gain = fmean(tuned[seed] for seed in shared) - fmean(inherited[seed] for seed in shared)
    return before["direction"].gain(gain, over=0.0), noise_floor(
        [*inherited.values()], [*tuned.values()], len(shared)
    )


def _values(row: Mapping[Any, Any]) -> dict[int, float]:
    return {cell.seed: cell.value for cell in row["cells"] if cell.counted}
