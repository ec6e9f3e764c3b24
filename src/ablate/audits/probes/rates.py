"""A schedule of the learning rate, followed to the end of the configured run and beyond."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ablate.audits.evidence import Fault
from ablate.run.recipe import Pace, Schedule

MOST = 20_000
SECONDS = 1.0
"""How many steps of a schedule are followed, and for how long."""

_QUARTERS = 4
_HIGHER = 1.1
_GONE = 1e-4
_HALF = 2
_CYCLES = 3


@dataclass(frozen=True)
class Plan:
    """The length of a configured run, None where it is not known."""

    steps: int | None
    epochs: int | None


@dataclass(frozen=True)
class Rates:
    """The learning rates of a run, in order, and those that would follow if it went on."""

    run: tuple[float, ...]
    beyond: tuple[float, ...]


class Followed:
    """A schedule whose steps are counted as they are made; `rates` are those before each step."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.rates: list[float] = []
        self._step = config.scheduler.step
        config.scheduler.step = self._counted

    @property
    def steps(self) -> int:
        """How many steps have been made."""
        return len(self.rates)

    def _counted(self, *args: Any, **kwargs: Any) -> Any:
        self.rates.append(self._rate())
        return self._step(*args, **kwargs)

    def _rate(self) -> float:
        return max(float(group["lr"]) for group in self.config.scheduler.optimizer.param_groups)

    def to_the_end(self, pace: Pace | None, plan: Plan) -> tuple[Schedule, Rates | None]:
        """Describe the schedule, and step it to the end of the run if that is known."""
        kind = type(self.config.scheduler).__name__
        length = plan.steps if pace == "step" else plan.epochs if pace == "epoch" else None
        if length is None or self.config.reduce_on_plateau:
            return Schedule(kind, pace), None
        steps = max(length // max(1, int(self.config.frequency)), 1)
        rates = self._followed(steps) if steps <= MOST else None
        if rates is None:
            return Schedule(kind, pace, steps), None
        return Schedule(kind, pace, steps, _shares(rates.run)), rates

    def _followed(self, steps: int) -> Rates | None:
        """Step to the end of the run, and as far again."""
        rates = [*self.rates]
        until = time.monotonic() + SECONDS
        # A schedule may come to its end, or need to be told more.
        with contextlib.suppress(Exception):
            while len(rates) < 2 * steps and time.monotonic() < until:
                rates.append(self._rate())
                self._step()
        return Rates(tuple(rates[:steps]), tuple(rates[steps:])) if len(rates) >= steps else None


def rate_faults(schedule: Schedule, rates: Rates) -> list[Fault]:
    """Judge the rates of a whole run."""
    where = f"lr_scheduler ({schedule.kind})"
    pace = f"{schedule.steps} steps of the schedule, one per {schedule.pace}"
    peak, later = max(rates.run), max(rates.beyond, default=0.0)
    rises = all(b >= a for a, b in pairwise(rates.run))
    if rises and later > _HIGHER * peak:
        what = (
            f"the learning rate is still rising when the run ends: it reaches {peak:.3g} in "
            f"{pace}, and the schedule goes on to {later:.3g} at least"
        )
        return [Fault("full-rate-never-reached", what, where)]
    gone = [rate for rate in rates.run if rate < _GONE * peak]
    if len(gone) * _HALF > len(rates.run) and len(rates.run) > _QUARTERS:
        what = (
            f"the learning rate is below a ten-thousandth of its peak, {peak:.3g}, in {len(gone)} "
            f"of {pace}"
        )
        return [Fault("rate-off-schedule", what, where)]
    if schedule.kind == "CosineAnnealingLR" and (turns := _turns(rates.run)) >= _CYCLES:
        what = (
            f"the learning rate falls to its end and rises again, {turns} times in {pace}: the "
            "schedule is shorter than the run"
        )
        return [Fault("rate-off-schedule", what, where)]
    return []


def _shares(rates: Sequence[float]) -> tuple[float, ...]:
    """Return the rates at the beginning, after each quarter and at the end, by the highest."""
    peak = max(rates)
    places = [number * (len(rates) - 1) // _QUARTERS for number in range(_QUARTERS + 1)]
    return tuple(rates[place] / peak if peak > 0 else 0.0 for place in places)


def _turns(rates: Sequence[float]) -> int:
    """Count how often rates rise again after they fell."""
    moves = [b > a for a, b in pairwise(rates) if a != b]
    return sum(rising and not rose for rose, rising in pairwise(moves))
