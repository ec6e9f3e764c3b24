"""Learning-rate schedules that know the length of the run.

A schedule is a factor of the optimizer's own learning rate as a function of training progress
(1 / steps at the first step, 1 at the last), stepped after every optimizer step. With `total_steps`
left out, ablate sets it to the number of optimizer steps that the trainer will make.
"""

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class Schedule(LRScheduler):
    """The base of schedules over progress.

    `warmup` is the share of the run, in [0, 1), over which the factor rises linearly to 1.
    """

    interval = "step"

    def __init__(
        self, optimizer: Optimizer, warmup: float = 0.0, total_steps: int | None = None
    ) -> None:
        if not 0 <= warmup < 1:
            raise ValueError(f"warmup is a share of the run in [0, 1), not {warmup}")
        self.warmup = warmup
        self.total_steps = total_steps
        super().__init__(optimizer)

    def decay(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1] of the part after the warm-up."""
        raise NotImplementedError

    def factor(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1] of the whole run."""
        if progress < self.warmup:
            return progress / self.warmup
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

    def fit_to(self, total_steps: int) -> None:
        """Set the length of the run if it was left open, and the first step's rate with it."""
        if self.total_steps is None:
            self.total_steps = total_steps
            self._last_lr = self.get_lr()
            for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
                group["lr"] = rate


class Cosine(Schedule):
    """Half a cosine from 1 to `final` (Loshchilov and Hutter 2017, without restarts)."""

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: float = 0.0,
        final: float = 0.0,
        total_steps: int | None = None,
    ) -> None:
        self.final = final
        super().__init__(optimizer, warmup, total_steps)

    def decay(self, progress: float) -> float:
        """Return final + (1 - final)(1 + cos(pi p)) / 2."""
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2


class Linear(Schedule):
    """A straight line from 1 to `final`."""

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: float = 0.0,
        final: float = 0.0,
        total_steps: int | None = None,
    ) -> None:
        self.final = final
        super().__init__(optimizer, warmup, total_steps)

    def decay(self, progress: float) -> float:
        """Return 1 - (1 - final) p."""
        return 1 - (1 - self.final) * progress


class OneCycle(Schedule):
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
        self.final = final
        super().__init__(optimizer, warmup, total_steps)

    def factor(self, progress: float) -> float:
        """Return the factor at `progress` of the whole run, both flanks half a cosine."""
        if progress < self.warmup:
            low, high, share = 1 / self.div, 1.0, 1 - progress / self.warmup
        else:
            low, high = self.final, 1.0
            share = (progress - self.warmup) / (1 - self.warmup)
        return low + (high - low) * (1 + math.cos(math.pi * share)) / 2
