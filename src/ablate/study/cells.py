"""Cells of the matrix of arms and seeds that a command is about."""

from collections.abc import Collection
from dataclasses import dataclass

from ablate.errors import NotFoundError, RequestError, nearest
from ablate.spec import AblationStudy


@dataclass(frozen=True)
class Cells:
    """The arms and the seeds that are asked for; none named stands for all of them."""

    arms: Collection[str] = ()
    seeds: Collection[int] = ()

    def has_arm(self, arm: str) -> bool:
        """Say whether an arm is asked for."""
        return not self.arms or arm in self.arms

    def seeds_of(self, study: AblationStudy) -> tuple[int, ...]:
        """Return the seeds of a study that are asked for."""
        return tuple(seed for seed in study.seeds if not self.seeds or seed in self.seeds)

    def check(self, study: AblationStudy) -> None:
        """Raise RequestError for an arm or a seed that the study does not declare."""
        for arm in self.arms:
            if arm not in study.arm_names:
                near = nearest(arm, study.arm_names)
                raise NotFoundError(f"{study.name} has no arm {arm!r}: {near}")
        for seed in self.seeds:
            if seed not in study.seeds:
                declared = ", ".join(map(str, study.seeds))
                raise RequestError(
                    f"{study.name} has no seed {seed}: it declares {declared}; "
                    "add the seed to the study"
                )


ALL = Cells()
