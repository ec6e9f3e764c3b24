"""What the trials of a search have to keep to be any good: constraints, and how far a value is off.

A value on the wrong side of a bound is infeasible, as in constrained optimization: Gardner et al.,
Bayesian Optimization with Inequality Constraints (ICML 2014).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ablate.errors import quoted
from ablate.spec.direction import Direction
from ablate.spec.goals import MEASURED, Bounded, Comparison

_LONGEST = 400
"""Characters of a metric: Optuna stores the constraint under it, in a column of 512."""


class Constraint(Bounded):
    """What a metric of a trial is to be, over its seeds on average."""

    metric: str = Field(min_length=1, max_length=_LONGEST)
    """The name under which the module logs it; `success` and `steps_to_success` are logged with a
    success criterion, `seconds_per_step` and `memory_gb` (10^9 bytes) are measured."""
    at: Literal["last", "best"] = "last"
    """Whether it is read at its last report, or at the one that is nearest to the wanted side."""

    @property
    def direction(self) -> Direction:
        """Which way the wanted side lies."""
        wants_more = self.comparison in {Comparison.ABOVE, Comparison.AT_LEAST}
        return Direction.MAXIMIZE if wants_more else Direction.MINIMIZE

    @property
    def text(self) -> str:
        """The constraint in words, such as `best accuracy at least 0.9`; it names it as well."""
        return f"{'best ' if self.at == 'best' else ''}{self.metric} {self.side}"

    def read(self, values: Sequence[float]) -> float:
        """Read the metric off its values in one run, in their order; NaN if there is none."""
        if self.at == "last":
            return values[-1] if values else math.nan
        told = [value for value in values if not math.isnan(value)]
        return self.direction.best(told) if told else math.nan

    def excess(self, value: float) -> float:
        """Return how far a value is beyond the bound: above 0 where the constraint does not hold.

        Infinite for NaN. A strict bound is one unit in the last place of a float away.
        """
        if math.isnan(value):
            return math.inf
        bound, comparison = self.bound, self.comparison
        if comparison is Comparison.ABOVE:
            bound = math.nextafter(bound, math.inf)
        elif comparison is Comparison.BELOW:
            bound = math.nextafter(bound, -math.inf)
        return self.direction.gain(bound, over=value)


def _each_once(constraints: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
    texts = [constraint.text for constraint in constraints]
    for text in texts:
        if texts.count(text) > 1:
            raise ValueError(f"{quoted(text)} is there twice")
    return constraints


Constraints = Annotated[tuple[Constraint, ...], AfterValidator(_each_once)]


def excesses(
    constraints: Sequence[Constraint], runs: Sequence[Mapping[str, Sequence[float]]]
) -> dict[str, float]:
    """Return by constraint how far the mean over runs is beyond its bound.

    `runs` hold the values of every metric by its name, in their order; a run without a value of the
    metric makes it infinite.
    """
    found: dict[str, float] = {}
    for constraint in constraints:
        read = [constraint.read(run.get(constraint.metric, ())) for run in runs]
        found[constraint.text] = constraint.excess(sum(read) / len(read) if read else math.nan)
    return found


def unknown(constraints: Sequence[Constraint]) -> dict[str, float]:
    """Return what stands for a trial that was given up, which nobody knows to be feasible."""
    return {constraint.text: math.inf for constraint in constraints}


def broken(excess: Mapping[str, float]) -> str:
    """Say which constraints a trial does not keep, and by how much; nothing if it keeps all."""
    return "; ".join(
        f"{text}: {'no finite value' if math.isinf(value) else f'off by {value:.4g}'}"
        for text, value in excess.items()
        if value > 0
    )


def counted_infeasible(infeasible: int) -> str:
    """Say how many complete trials are infeasible."""
    trials = "1 complete trial breaks" if infeasible == 1 else f"{infeasible} complete trials break"
    return f"{trials} a constraint"


def none_feasible(infeasible: int) -> str:
    """Say that so many complete trials of a search are all infeasible."""
    if infeasible == 1:
        return "its only complete trial breaks a constraint"
    return f"all of its {infeasible} complete trials break a constraint"


def measured(constraints: Sequence[Constraint]) -> tuple[str, ...]:
    """Name what runs have to measure of themselves for constraints."""
    named = {constraint.metric for constraint in constraints}
    return tuple(name for name in MEASURED if name in named)
