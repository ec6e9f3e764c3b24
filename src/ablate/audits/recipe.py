"""The recipe of a training as it was observed: optimizers, schedules, length, clipping."""

from dataclasses import dataclass
from typing import Literal

Setting = bool | float | str | None
Pace = Literal["step", "epoch", "never"]
Reduction = Literal["mean", "sum"]


@dataclass(frozen=True)
class ParameterGroup:
    """What an optimizer does with some parameters: its class, its settings, their names."""

    optimizer: str
    settings: dict[str, Setting]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Schedule:
    """A schedule of the learning rate: its class, and how often it is stepped.

    `steps` says how often in the whole run, `rates` are its rates at the beginning, after each
    quarter and at the end, as shares of the highest; without a known length there are none.
    """

    kind: str
    pace: Pace | None
    steps: int | None = None
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How an arm is trained, as observed in a few steps; what was not seen is None or empty.

    `steps` are those of the configured run, `examples` as many as a step is made of. `clip` is the
    norm at which gradients are clipped, `norm` the least norm of a step's gradient before it.
    `dtypes` are those of values within the module while it trains.
    """

    groups: tuple[ParameterGroup, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    steps: int | None = None
    epochs: int | None = None
    examples: int | None = None
    accumulation: int | None = None
    clip: float | None = None
    norm: float | None = None
    dtypes: tuple[str, ...] = ()
    reduction: Reduction | None = None
