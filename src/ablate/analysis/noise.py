"""Effects beside the noise floor: what chance alone makes of a difference."""

import math
from collections.abc import Collection, Iterable, Sequence
from statistics import fmean, variance
from typing import Any

import pandas as pd

from ablate.analysis.arms import arms_table
from ablate.analysis.frames import AblationFrames
from ablate.store import FindingRow

CONFIDENCE = 0.95
_REPLICATES = {"same-function", "same-config"}
"""Codes of findings whose arms differ by nothing but chance."""


def noise_floor(replicates: Sequence[float], arm_values: Sequence[float], n: int) -> float:
    """Return how far apart chance alone brings the mean of an arm and that of the reference.

    `replicates` are runs of the reference function, `arm_values` those of the arm; an arm without a
    spread of its own has that of the reference. In 95 of 100 cases two means of `n` runs each,
    of arms that differ by nothing but these spreads, lie closer together: Welch's half width,
    t * sqrt((s^2 + s_own^2) / n), with Satterthwaite's degrees of freedom. NaN for fewer than
    two replicates.
    """
    if len(replicates) < 2 or n < 1:
        return math.nan
    of_reference = variance(replicates) / n
    if len(arm_values) < 2:
        total, freedom = 2 * of_reference, len(replicates) - 1.0
    else:
        of_arm = variance(arm_values) / n
        total = of_reference + of_arm
        parts = of_reference**2 / (len(replicates) - 1) + of_arm**2 / (len(arm_values) - 1)
        freedom = total**2 / parts if parts else 1.0
    from scipy.stats import t  # noqa: PLC0415 - slow to import

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(total)


def replicates_of(reference: str, findings: Iterable[FindingRow]) -> frozenset[str]:
    """Return the reference with all arms that findings say are the same function."""
    found = {reference}
    groups = [set(row.arms) for row in findings if row.code in _REPLICATES]
    while joined := [group for group in groups if group & found and not group <= found]:
        found |= set().union(*joined)
    return frozenset(found)


def with_effects(table: pd.DataFrame, same: Collection[str]) -> pd.DataFrame:
    """Add the columns effect and noise_floor to an arms table.

    The effect is the arm's mean less the reference's, over the seeds that count for both; a tuned
    arm is compared with the tuned reference, if there is one. The runs of all arms in `same`, the
    reference and those that are the same function, measure its noise floor together with the
    arm's own. Both are NaN where there is nothing to compare.
    """
    names = set(table.loc[table["reference"] & table["tuned"], "arm"])
    metrics = {}
    for metric, rows in table.groupby("metric", sort=False):
        inherited = _Metric(rows[~rows["tuned"]], same)
        metrics[metric, False] = inherited
        metrics[metric, True] = _Metric(rows[rows["tuned"]], names) if names else inherited
    pairs = [
        metrics[row["metric"], row["tuned"]].effect_of(row) for row in table.to_dict("records")
    ]
    return table.assign(
        effect=[effect for effect, _ in pairs], noise_floor=[floor for _, floor in pairs]
    )


def compared_arms(frames: AblationFrames, findings: Iterable[FindingRow] = ()) -> pd.DataFrame:
    """Return the arms table of the study's metrics, with effects beside their noise floor.

    Of `findings` those count that say which arms are the same function.
    """
    reference = frames.definition.reference
    same = replicates_of(reference, findings) if reference else ()
    return with_effects(arms_table(frames), same)


class _Metric:
    """The values of the reference on one metric, and those that measure its noise."""

    def __init__(self, rows: pd.DataFrame, same: Collection[str]) -> None:
        self._same = same
        self._reference = next(
            (_values(row) for row in rows.to_dict("records") if row["reference"]), {}
        )
        alike = [_values(row) for row in rows.to_dict("records") if row["arm"] in same]
        # A copy that gave the very same value with the same seed says nothing about chance.
        self._replicates = [
            v for _, v in dict.fromkeys(p for values in alike for p in values.items())
        ]

    def effect_of(self, row: dict[Any, Any]) -> tuple[float, float]:
        """Return the effect of an arm and its noise floor."""
        values = _values(row)
        shared = values.keys() & self._reference.keys()
        if row["reference"] or not shared:
            return math.nan, math.nan
        effect = fmean(values[seed] for seed in shared) - fmean(
            self._reference[seed] for seed in shared
        )
        own_spread = [] if row["arm"] in self._same else list(values.values())
        return effect, noise_floor(self._replicates, own_spread, len(shared))


def _values(row: dict[Any, Any]) -> dict[int, float]:
    return {cell.seed: cell.value for cell in row["cells"] if cell.counted}
