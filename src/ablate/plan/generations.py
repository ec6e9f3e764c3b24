"""Batches of methods that generate: they may count prompts, or the completions of prompts."""

import math
from dataclasses import dataclass
from enum import StrEnum

from ablate.plan.nearest import multiples_near
from ablate.plan.steps import Loading, at_least_one

FEWEST_GENERATIONS = 2
"""Of a single completion nothing can be said relative to its group."""


class BatchUnit(StrEnum):
    """What the batch size of a method that generates counts."""

    PROMPTS = "prompts"
    COMPLETIONS = "completions"


@dataclass(frozen=True)
class Generating:
    """How an epoch of a group-relative method takes in its prompts.

    Every prompt gets `generations` completions. `batch_size` is that of one device and
    micro-batch; `iterations` is how often the completions of a step are trained on. Raises
    ValueError unless all counts are positive.
    """

    prompts: int
    batch_size: int
    generations: int
    accumulate: int = 1
    devices: int = 1
    iterations: int = 1

    def __post_init__(self) -> None:
        at_least_one(
            prompts=self.prompts,
            batch_size=self.batch_size,
            generations=self.generations,
            accumulate=self.accumulate,
            devices=self.devices,
            iterations=self.iterations,
        )

    def steps_per_epoch(self, unit: BatchUnit) -> int:
        """Count the optimizer steps of an epoch under one meaning of the batch size.

        Where it counts prompts, both divisions round up, as everywhere. Where it counts
        completions, floor(prompts / (batch x devices x accumulation / generations)) steps are
        trained on `iterations` times, as TRL's GRPOTrainer does: what is left of an epoch is
        dropped. Raises ValueError if completions do not fill whole groups.
        """
        if unit is BatchUnit.PROMPTS:
            loading = Loading(self.prompts, self.batch_size, self.accumulate, self.devices)
            return loading.steps_per_epoch * self.iterations
        completions = self.batch_size * self.devices * self.accumulate
        if completions % self.generations:
            raise ValueError(f"{completions} completions are no whole groups of {self.generations}")
        return self.prompts // (completions // self.generations) * self.iterations

    def prompts_per_step(self, unit: BatchUnit) -> float:
        """Return the prompts behind one optimizer step."""
        batch = self.batch_size * self.devices * self.accumulate
        return batch if unit is BatchUnit.PROMPTS else batch / self.generations


class GroupRule(StrEnum):
    """Which product of batch sizes has to hold whole groups of completions."""

    MICRO_BATCH = "micro-batch"
    """batch x devices, as in TRL up to its generation batches."""
    GENERATION_BATCH = "generation batch"
    """batch x devices x accumulation, as in TRL since then."""


@dataclass(frozen=True)
class Refused:
    """A batch that holds no whole groups, and the nearest values of either key that would do."""

    what: str
    batch_sizes: tuple[int, ...]
    accumulations: tuple[int, ...]


def refused(
    batch_size: int,
    generations: int,
    *,
    accumulate: int = 1,
    devices: int = 1,
    rule: GroupRule = GroupRule.GENERATION_BATCH,
) -> Refused | None:
    """Say why batches hold no whole groups of completions, and what would; None if they do.

    Under the older rule no accumulation helps. For an evaluation batch leave `accumulate` at 1.
    """
    at_least_one(
        batch_size=batch_size, generations=generations, accumulate=accumulate, devices=devices
    )
    if generations < FEWEST_GENERATIONS:
        return Refused(
            f"{generations} completion per prompt is no group: at least {FEWEST_GENERATIONS}",
            (),
            (),
        )
    present = rule is GroupRule.GENERATION_BATCH
    factors = {"batch": batch_size, "devices": devices}
    if present:
        factors["accumulation"] = accumulate
    total = math.prod(factors.values())
    if total % generations == 0:
        return None
    return Refused(
        f"{' x '.join(factors)} = {' x '.join(map(str, factors.values()))} = {total} is no "
        f"multiple of {generations} completions per prompt",
        multiples_near(batch_size, generations, total // batch_size),
        multiples_near(accumulate, generations, total // accumulate) if present else (),
    )
