"""The learning rate over a run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MILESTONES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of a run at which its learning rate is shown."""
GRID = 101
"""At how many evenly spaced moments of a run its rate is kept."""
_BARS = " ▁▂▃▄▅▆▇█"
_FULL = len(_BARS) - 1


@dataclass(frozen=True)
class Rates:
    """What one schedule does to the rate of its first parameter group.

    `interval` is what it is stepped after, `length` how many intervals it had in the run, `values`
    the rates at `GRID` evenly spaced moments. `peak_at` is the first interval with the highest
    rate. `refused` is what the schedule raised, and `refused_at` when, if it did not last; `unread`
    says why there are no values. `arguments` are the schedule's own numbers.
    """

    scheduler: str
    interval: Literal["step", "epoch"]
    frequency: int
    length: int
    values: tuple[float, ...] = ()
    peak_at: int = 0
    rises_at_end: bool = False
    refused: str | None = None
    refused_at: int | None = None
    unread: str | None = None
    arguments: dict[str, float] | None = None

    def at(self, share: float) -> float:
        """Return the rate at a share in [0, 1] of the run."""
        return self.values[round(share * (len(self.values) - 1))]

    @property
    def milestones(self) -> dict[float, float]:
        """The rates at the milestones of the run; nothing if they are not known."""
        return {share: self.at(share) for share in MILESTONES} if self.values else {}

    @property
    def warmup_share(self) -> float:
        """The share of the run before the highest rate; 1 if the rate only ever rises."""
        if not self.values or not self.length:
            return 0.0
        return 1.0 if self.rises_at_end else self.peak_at / self.length


def rates_over(
    scheduler: str,
    interval: Literal["step", "epoch"],
    frequency: int,
    values: Sequence[float],
    *,
    length: int,
    refused: str | None = None,
    arguments: dict[str, float] | None = None,
) -> Rates:
    """Summarise the rates of a run, one per interval, of which `length` were wanted."""
    last = len(values) - 1
    grid = tuple(values[round(place * last / (GRID - 1))] for place in range(GRID))
    top = max(values)
    # A rate that has reached its height but for rounding has reached it.
    peak = next(i for i, value in enumerate(values) if value >= top * (1 - 1e-9))
    rises = peak == last and last > 0 and values[last] > values[0]
    return Rates(
        scheduler, interval, frequency, length, grid, peak, rises and refused is None, refused,
        len(values) if refused is not None else None, arguments=arguments,
    )  # fmt: skip


def plot(values: Sequence[float], width: int = 60, height: int = 5) -> str:
    """Draw values over a run as lines of text, the highest value on the top line."""
    top = max(values)
    last = len(values) - 1
    columns = [values[round(place * last / max(width - 1, 1))] for place in range(width)]
    if not 0 < top < math.inf or min(columns) < 0:
        return ""
    eighths = [round(value / top * height * _FULL) for value in columns]
    lines = [
        "".join(_BARS[min(_FULL, max(0, bar - row * _FULL))] for bar in eighths)
        for row in reversed(range(height))
    ]
    label = f"{top:.3g}"
    blank = " " * len(label)
    return "\n".join(f"{label if not row else blank} |{line}" for row, line in enumerate(lines))
