"""Learning-rate schedules that know the length of the run.

A schedule is a factor of the optimizer's own learning rate as a function of training progress
(1 / steps at the first step, 1 at the last), stepped after every optimizer step. With `total_steps`
left out, ablate sets it to the number of optimizer steps that the trainer will make.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class Schedule(LRScheduler, ABC):
    """The base of schedules over progress: a rise to 1 over the warm-up, then a decay to `final`.

    `warmup` is a share of the run in [0, 1). Raises ValueError for any other.
    """

    interval = "step"

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: float = 0.0,
        final: float = 0.0,
        total_steps: int | None = None,
    ) -> None:
        if not 0 <= warmup < 1:
            raise ValueError(f"warmup is a share of the run in [0, 1), not {warmup}")
        self.warmup = warmup
        self.final = final
        self.total_steps = total_steps
        super().__init__(optimizer)

    def rise(self, share: float) -> float:
        """Return the factor at a share in [0, 1) of the warm-up: a straight line from 0."""
        return share

    @abstractmethod
    def decay(self, share: float) -> float:
        """Return the factor at a share in [0, 1] of what follows the warm-up."""

    def factor(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1] of the whole run."""
        if progress < self.warmup:
            return self.rise(progress / self.warmup)
        return self.decay((progress - self.warmup) / (1 - self.warmup))

    def get_lr(self) -> list[Any]:
        """Return the learning rate of every parameter group at the current step."""
        if self.total_steps is None and self.last_epoch > 0:
            raise ValueError(
                f"{type(self).__name__} needs total_steps: ablate sets it; elsewhere pass it"
            )
        # With the first step at 1/total a warm-up never trains at a rate of exactly 0.
        progress = min((self.last_epoch + 1) / self.total_steps, 1.0) if self.total_steps else 0.0
        return [rate * self.factor(progress) for rate in self.base_lrs]

    def get_last_lr(self) -> list[Any]:
        """Return the rates that the optimizer uses now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def fit_to(self, total_steps: int) -> None:
        """Set the length of the run if it was left open, and the first step's rate with it."""
        if self.total_steps is None:
            self.total_steps = total_steps
            for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
                group["lr"] = rate


class Cosine(Schedule):
    """Half a cosine from 1 to `final` (Loshchilov and Hutter 2017, without restarts)."""

    def decay(self, share: float) -> float:
        """Return final + (1 - final)(1 + cos(pi s)) / 2."""
        return _half_cosine(1.0, self.final, share)


class Linear(Schedule):
    """A straight line from 1 to `final`."""

    def decay(self, share: float) -> float:
        """Return 1 - (1 - final) s."""
        return 1 - (1 - self.final) * share


class OneCycle(Cosine):
    """A cosine rise from 1/div to 1 over the warm-up, then a cosine fall to `final`.

    The learning rate alone of Smith and Topin 2019; momentum is left as it is.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: float = 0.3,
        div: float = 25.0,
        final: float = 4e-6,
        total_steps: int | None = None,
    ) -> None:
        self.div = div
        super().__init__(optimizer, warmup, final, total_steps)

    def rise(self, share: float) -> float:
        """Return half a cosine from 1/div to 1."""
        return _half_cosine(1 / self.div, 1.0, share)


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
