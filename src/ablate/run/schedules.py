"""Learning-rate schedules that know the length of the run.

A schedule is a factor of the optimizer's own learning rate. Those over steps take it as a function
of training progress (1 / steps at the first step, 1 at the last) and are stepped after every
optimizer step; `EpochCosine` is stepped after every epoch. With `total_steps` or `total_epochs`
left out, ablate sets it to what the trainer will make.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class Schedule(LRScheduler, ABC):
    """The base of schedules: the rate is the optimizer's own times `scale` times a factor.

    `length` is the run's in intervals, None until it is known. `scale` lets a published rate stay
    as it is, with the factor that a model needs written beside it. Raises ValueError unless it is
    positive and finite.
    """

    interval: ClassVar[Literal["step", "epoch"]]

    def __init__(self, optimizer: Optimizer, length: int | None, scale: float) -> None:
        if not 0 < scale < math.inf:
            raise ValueError(f"scale is a positive factor of the learning rate, not {scale}")
        self.length = length
        self.scale = scale
        super().__init__(optimizer)

    @abstractmethod
    def current_factor(self) -> float:
        """Return the factor at the current interval; `length` is known from the second one on."""

    def get_lr(self) -> list[Any]:
        """Return the learning rate of every parameter group at the current interval."""
        if self.length is None and self.last_epoch > 0:
            raise ValueError(
                f"{type(self).__name__} needs total_{self.interval}s: "
                "ablate sets it; elsewhere pass it"
            )
        factor = self.current_factor()
        return [rate * self.scale * factor for rate in self.base_lrs]

    def get_last_lr(self) -> list[Any]:
        """Return the rates that the optimizer uses now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def fit_to(self, length: int) -> None:
        """Set the length of the run if it was left open, and the first rate with it."""
        if self.length is None:
            self.length = length
            for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
                group["lr"] = rate


class StepSchedule(Schedule):
    """The base of schedules over steps: a rise to 1 over the warm-up, then a decay to `final`.

    `warmup` is a share of the run in [0, 1) if it is a float, a number of optimizer steps if it is
    an int; a run that is shorter than its warm-up never reaches the full rate. Raises ValueError
    for any other warm-up.
    """

    interval = "step"

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: int | float = 0.0,
        final: float = 0.0,
        total_steps: int | None = None,
        *,
        scale: float = 1.0,
    ) -> None:
        if not _is_count(warmup) and not (isinstance(warmup, float) and 0 <= warmup < 1):
            raise ValueError(
                "warmup is a share of the run in [0, 1) as a float "
                f"or a number of optimizer steps as an int, not {warmup!r}"
            )
        self.warmup = warmup
        self.final = final
        super().__init__(optimizer, total_steps, scale)

    def rise(self, share: float) -> float:
        """Return the factor at a share in [0, 1] of the warm-up: a straight line from 0."""
        return share

    @abstractmethod
    def decay(self, share: float) -> float:
        """Return the factor at a share in [0, 1] of what follows the warm-up."""

    def factor(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1] of the whole run."""
        warmup = self.warmup
        if isinstance(warmup, int):
            warmup = warmup / (self.length or warmup or 1)
        if progress < warmup or warmup == 1:
            return self.rise(progress / warmup)
        return self.decay((progress - warmup) / (1 - warmup))

    def current_factor(self) -> float:
        """Return the factor at the current step."""
        # With the first step at 1/total a warm-up never trains at a rate of exactly 0.
        progress = min((self.last_epoch + 1) / self.length, 1.0) if self.length else 0.0
        return self.factor(progress)


class Cosine(StepSchedule):
    """Half a cosine from 1 to `final` (Loshchilov and Hutter 2017, without restarts)."""

    def decay(self, share: float) -> float:
        """Return final + (1 - final)(1 + cos(pi s)) / 2."""
        return _half_cosine(1.0, self.final, share)


class Linear(StepSchedule):
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
        warmup: int | float = 0.3,
        div: float = 25.0,
        final: float = 4e-6,
        total_steps: int | None = None,
        *,
        scale: float = 1.0,
    ) -> None:
        self.div = div
        super().__init__(optimizer, warmup, final, total_steps, scale=scale)

    def rise(self, share: float) -> float:
        """Return half a cosine from 1/div to 1."""
        return _half_cosine(1 / self.div, 1.0, share)


class EpochCosine(Schedule):
    """A straight rise over `warmup` epochs, then half a cosine to `final`, stepped per epoch.

    In epoch e, counted from 0, of E with W epochs of warm-up the factor is (e + 1) / W before
    epoch W and final + (1 - final)(1 + cos(pi (e - W) / (E - W))) / 2 from there on (Loshchilov
    and Hutter 2017, without restarts). Raises ValueError unless 0 <= W < E.
    """

    interval = "epoch"

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: int = 0,
        final: float = 0.0,
        total_epochs: int | None = None,
        *,
        scale: float = 1.0,
    ) -> None:
        if not _is_count(warmup):
            raise ValueError(f"warmup is a number of epochs, not {warmup!r}")
        self.warmup = warmup
        self.final = final
        self._refuse_too_short(total_epochs)
        super().__init__(optimizer, total_epochs, scale)

    def fit_to(self, length: int) -> None:
        """Set the number of epochs if it was left open, and the first rate with it."""
        if self.length is None:
            self._refuse_too_short(length)
        super().fit_to(length)

    def _refuse_too_short(self, length: int | None) -> None:
        if length is not None and length <= self.warmup:
            raise ValueError(
                f"a warm-up of {self.warmup} epochs leaves none of the run's {length}: "
                "lower warmup or raise trainer.max_epochs"
            )

    def current_factor(self) -> float:
        """Return the factor in the current epoch."""
        if self.last_epoch < self.warmup:
            return (self.last_epoch + 1) / self.warmup
        done = (self.last_epoch - self.warmup) / (self.length - self.warmup) if self.length else 0.0
        return _half_cosine(1.0, self.final, min(done, 1.0))


def _is_count(value: int | float) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
