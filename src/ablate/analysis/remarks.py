"""What is to be known of the metrics of a study before their numbers are read."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ablate.analysis.arms import ARM
from ablate.analysis.estimates import Estimate, Estimates, constant
from ablate.analysis.frames import AblationFrames
from ablate.spec import Direction

_NEAR_BOUND = 0.01


class RemarkKind(StrEnum):
    """What is remarked."""

    RESOLUTION = "resolution"
    SATURATED = "saturated"
    ZERO_SPREAD = "zero spread"
    SEEDS_CHANGE_NOTHING = "seeds change nothing"


@dataclass(frozen=True)
class Remark:
    """A remark on a metric, on all of them if `metric` is empty.

    `value` is of a resolution the number of examples that the metric is a share of, of a saturated
    metric its bound; NaN otherwise. `arms` are those that it is true of.
    """

    kind: RemarkKind
    metric: str
    arms: tuple[str, ...] = ()
    value: float = math.nan


def remarks(
    frames: AblationFrames,
    estimates: Estimates,
    examples: Mapping[str, int | None],
    idle: Collection[str],
) -> Iterator[Remark]:
    """Remark on the metrics of a study; `idle` are the arms whose seeds change nothing.

    A metric is saturated where the means of two arms or more lie within 0.01 of the best value
    that it can have: 1 if it lies between 0 and 1, 0 for a share of examples that is minimized.
    """
    if idle:
        yield Remark(RemarkKind.SEEDS_CHANGE_NOTHING, "", tuple(idle))
    for metric, direction in frames.definition.metrics.items():
        rows = [e for e in estimates.values() if e.metric == metric and e.kind == ARM and e.n]
        count = examples[metric]
        if count is not None:
            yield Remark(RemarkKind.RESOLUTION, metric, value=float(count))
        bound = _bound(frames, metric, direction, count)
        near = tuple(row.arm for row in rows if abs(row.mean - bound) <= _NEAR_BOUND)
        if len(near) > 1:
            yield Remark(RemarkKind.SATURATED, metric, near, bound)
        if still := tuple(row.arm for row in rows if _is_still(row) and row.arm not in idle):
            yield Remark(RemarkKind.ZERO_SPREAD, metric, still)


def _is_still(row: Estimate) -> bool:
    return row.n > 1 and constant([*row.values.values()])


def _bound(
    frames: AblationFrames, metric: str, direction: Direction, examples: int | None
) -> float:
    """Return the best value that a metric can have, NaN if it is not known."""
    if direction.lower_is_better:
        return 0.0 if examples is not None else math.nan
    values = frames.values_read.loc[frames.values_read["name"] == metric, "value"].dropna()
    return 1.0 if not values.empty and values.between(0, 1).all() else math.nan
