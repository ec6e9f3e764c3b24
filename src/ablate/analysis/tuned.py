"""Arms as declared beside the same arms with their own best hyper-parameters."""

import math
from typing import Any

import pandas as pd

from ablate.analysis.conclusions import Conclusions
from ablate.analysis.verdicts import Comparison, Relation
from ablate.spec import Status

COLUMNS = [
    *("arm", "metric", "direction", "inherited", "inherited_n", "tuned", "tuned_n"),
    *("gain", "low", "high", "n", "p_holm", "verdict", "reason"),
    *("study", "trial", "trials", "complete"),
]


def tuned_table(conclusions: Conclusions) -> pd.DataFrame:
    """Return one row per arm and metric of a study that tunes its arms, in declared order.

    Columns: arm, metric, direction, inherited and tuned (means over the runs that count, NaN
    without any), with their n, gain (how much better the tuned mean is, over the seeds that
    count for both; negative if it is worse), its interval low and high, n, p_holm, verdict and
    reason (of the comparison of the two), study and trial (where the values come from, None if
    nothing was tuned), trials (spent) and complete (of these).
    """
    definition = conclusions.frames.definition
    compared = {
        (row.metric, row.comparator): row
        for row in conclusions.comparisons
        if row.relation is Relation.TUNED
    }
    rows = []
    for arm, search in definition.tuned.items():
        for metric, direction in definition.metrics.items():
            inherited = conclusions.estimates[metric, arm]
            tuned = conclusions.estimates.get((metric, search.arm or ""))
            rows.append(
                {
                    "arm": arm,
                    "metric": metric,
                    "direction": direction,
                    "inherited": inherited.mean,
                    "inherited_n": inherited.n,
                    "tuned": tuned.mean if tuned else math.nan,
                    "tuned_n": tuned.n if tuned else 0,
                    **_gain(compared.get((metric, arm))),
                    "study": search.study,
                    "trial": search.trial,
                    "trials": sum(search.counts.values()),
                    "complete": search.counts.get(Status.COMPLETE, 0),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS).astype({"trial": "Int64"})


def _gain(row: Comparison | None) -> dict[str, Any]:
    """Return the comparison of a tuned arm with its own inherited one, as gains."""
    if row is None:
        nothing = dict.fromkeys(("gain", "low", "high", "p_holm"), math.nan)
        return {**nothing, "n": 0, "verdict": "", "reason": ""}
    ends = sorted(row.direction.gain(end, over=0.0) for end in (row.low, row.high))
    return {
        "gain": row.direction.gain(row.difference, over=0.0),
        "low": ends[0],
        "high": ends[1],
        "n": row.n,
        "p_holm": row.p_holm,
        "verdict": row.verdict,
        "reason": row.reason,
    }
