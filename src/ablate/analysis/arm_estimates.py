"""What the values of an ablation say of its arms, whatever the audit holds against them."""

from collections.abc import Sequence
from functools import cached_property

import pandas as pd

from ablate.analysis import families
from ablate.analysis.arms import arms_table
from ablate.analysis.estimates import (
    DETERMINISTIC,
    Estimate,
    Estimates,
    arms_whose_seeds_change_nothing,
    estimated,
)
from ablate.analysis.families import FEWEST_SEEDS, Pair
from ablate.analysis.frames import AblationFrames
from ablate.analysis.resolution import examples_of
from ablate.analysis.verdicts import Tested


class ArmEstimates:
    """The arms of an ablation as their values alone show them; each part is computed once."""

    def __init__(self, frames: AblationFrames) -> None:
        self.frames = frames
        self._beside: dict[tuple[str, str], list[tuple[Pair, Tested]]] = {}

    @cached_property
    def table(self) -> pd.DataFrame:
        """The arms table (`arms_table`)."""
        return arms_table(self.frames)

    @cached_property
    def examples(self) -> dict[str, int | None]:
        """The number of examples that each metric is a share of, None if it is not known."""
        values = self.frames.values_read
        return {
            metric: examples_of(values.loc[values["name"] == metric, "value"])
            for metric in self.frames.definition.metrics
        }

    @cached_property
    def estimates(self) -> Estimates:
        """The estimates by metric and arm."""
        return estimated(self.frames, self.table, self.examples)

    @cached_property
    def idle(self) -> dict[str, int]:
        """The arms whose seeds change nothing, with how many seeds these are."""
        return arms_whose_seeds_change_nothing(self.frames)

    def beside(self, floor: Estimate) -> Sequence[tuple[Pair, Tested]]:
        """Test every declared arm beside a floor on its metric, in declared order, each alone."""
        key = floor.metric, floor.arm
        if key not in self._beside:
            arms = [arm.name for arm in self.frames.definition.trained]
            pairs = [self._pair(self.estimates[floor.metric, arm], floor) for arm in arms]
            self._beside[key] = list(zip(pairs, families.compare_each(pairs), strict=True))
        return self._beside[key]

    def _pair(self, arm: Estimate, floor: Estimate) -> Pair:
        values = arm.values
        fixed = floor.interval == DETERMINISTIC
        of_floor = dict.fromkeys(values, floor.mean) if fixed else floor.values
        return Pair(
            arm=values,
            comparator=of_floor,
            direction=self.frames.definition.metrics[arm.metric],
            paired=fixed or len(values.keys() & of_floor.keys()) >= FEWEST_SEEDS,
            scale=arm.metric,
            examples=self.examples[arm.metric],
        )
