"""Axes as numbers: where a value lies between two ends, and what is written at the ticks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")

LOG_FROM = 100.0
"""A logarithmic axis has to span more than this factor."""
LARGEST, SMALLEST = 1e300, 1e-300
"""Beyond these a float can't be told from infinity or zero on paper."""


def plottable(value: float | None) -> bool:
    """Say whether a value has a place on an axis: finite, and not beyond 1e300."""
    return value is not None and abs(value) <= LARGEST  # neither is NaN, nor infinity


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high` with labelled ticks; it runs backwards if `low` is above."""

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False

    def fraction(self, value: float) -> float:
        """Return where a value lies: 0 at the low end, 1 at the high end, outside beyond."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return (math.log(max(value, SMALLEST)) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def holds(self, value: float) -> bool:
        """Say whether a value lies on the axis."""
        return -1e-9 <= self.fraction(value) <= 1 + 1e-9

    def flipped(self) -> "Scale":
        """Return the axis run backwards."""
        return Scale(self.high, self.low, self.ticks, self.labels, self.log)


def scale_of(
    values: Iterable[float],
    *,
    log: bool = False,
    whole: bool = False,
    ticks: int = 6,
    pad: float = 0.04,
    log_from: float = LOG_FROM,
) -> Scale:
    """Make the axis that holds all plottable values, with about `ticks` round ticks.

    `log` asks for a logarithmic axis where all values are positive and span more than `log_from`;
    `whole` allows whole ticks only; `pad` is the share left free at each end.
    """
    found = [float(value) if abs(value) > SMALLEST else 0.0 for value in values if plottable(value)]
    if not found:
        return Scale(0.0, 1.0, (), ())
    low, high = min(found), max(found)
    if log and low > 0 and high / low > log_from:
        room = pad * (math.log10(high) - math.log10(low))
        ends = math.log10(low) - room, math.log10(high) + room
        return _log_scale(10 ** max(ends[0], -305.0), 10 ** min(ends[1], 305.0), ticks)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = max(0.5, 1e-8 * abs(low)) if whole else 0.05 * abs(low) or 0.5
        low, high = low - room, high + room
    else:
        room = pad * (high - low)
        low, high = low - room, high + room
    marks = _round_ticks(low, high, ticks, whole=whole)
    return Scale(low, high, marks, tick_labels(marks))


def categories(names: Sequence[str], pad: float = 0.5) -> Scale:
    """Make the axis of categories at 0, 1, 2 .., in the order given."""
    return Scale(
        -pad, max(0, len(names) - 1) + pad, tuple(map(float, range(len(names)))), tuple(names)
    )


def tick_labels(ticks: Sequence[float]) -> tuple[str, ...]:
    """Write ticks with as few digits as tell each exactly, all with equally many."""
    if not ticks:
        return ()
    largest = max(map(abs, ticks))
    gaps = [after - before for before, after in pairwise(ticks)]
    off = 1e-6 * min([*map(abs, gaps), *(largest for _ in ticks[:1])])
    plain = largest < 1e6 and min(map(abs, gaps), default=largest) >= 1e-6
    for digits in range(17):
        kind = "f" if plain else "e"
        written = [f"{tick:.{digits}{kind}}" for tick in ticks]
        if all(abs(float(text) - tick) <= off for text, tick in zip(written, ticks, strict=True)):
            break
    return tuple(text if plain else _short(text) for text in written)


def _short(text: str) -> str:
    """Write `1.50e+06` as `1.50e6`."""
    mantissa, _, exponent = text.partition("e")
    return "0" if float(text) == 0 else f"{mantissa}e{int(exponent)}"


def _round_ticks(low: float, high: float, count: int, *, whole: bool) -> tuple[float, ...]:
    rough = 0.99 * (high - low) / count
    power = math.floor(math.log10(rough))
    step = next(
        m * 10.0**p for p in (power, power + 1) for m in (1, 2, 2.5, 5) if m * 10.0**p >= rough
    )
    if whole:
        step = max(1.0, float(round(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(float(f"{index * step:.12g}") for index in range(first, last + 1))


def _log_scale(low: float, high: float, count: int) -> Scale:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    parts = (1, 2, 5) if last - first <= 3 else (1,)
    stride = max(1, math.ceil((last - first) / count))
    marks = [float(f"{m}e{p}") for p in range(first, last + 1, stride) for m in parts]
    kept = tuple(mark for mark in marks if low <= mark <= high)
    return Scale(low, high, kept, tuple(map(_power, kept)), log=True)


def _power(tick: float) -> str:
    """Write 1, 2 or 5 times a power of ten."""
    return f"{tick:g}" if 1e-3 <= tick < 1e6 else _short(f"{tick:.0e}")


def thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """Keep at most `most` points of a line: the ends, and the peaks and dips between them."""
    if len(points) <= most:
        return list(points)
    inner, buckets = points[1:-1], (most - 2) // 2
    kept = [points[0]]
    for bucket in range(buckets):
        part = inner[bucket * len(inner) // buckets : (bucket + 1) * len(inner) // buckets]
        ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        kept += sorted(ends)
    return [*kept, points[-1]]


def every(points: Sequence[T], most: int) -> list[T]:
    """Keep at most `most` of many, evenly in their order."""
    return list(points[:: max(1, -(-len(points) // most))])


def fenced(values: Sequence[float], reach: float = 4.0) -> list[float]:
    """Leave out values that would crush the scale: beyond `reach` interquartile ranges.

    Tukey's outer fence, wider by default (J. W. Tukey, Exploratory Data Analysis, 1977).
    """
    found = sorted(value for value in values if plottable(value))
    if len(found) < 4:
        return found
    lower, upper = found[len(found) // 4], found[(3 * len(found)) // 4]
    room = reach * (upper - lower)
    return [v for v in found if lower - room <= v <= upper + room] if room > 0 else found
