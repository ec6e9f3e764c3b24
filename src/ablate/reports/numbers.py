"""Numbers, times and values as a reader sees them."""

import json
import math
from collections.abc import Iterable
from typing import Any

NOTHING = "\N{EN DASH}"
DIGITS = 4
LONGEST = 100


def number(value: float | None) -> str:
    """Write a number with four significant digits; None as a dash, NaN and inf by name."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    scientific = f"{value:.{DIGITS - 1}e}"
    exponent = int(scientific.partition("e")[2])
    if not -4 <= exponent <= 6:
        return scientific
    return f"{value:.{max(0, DIGITS - 1 - exponent)}f}"


def statistic(value: float) -> str:
    """Write a mean or a standard deviation; NaN, which says there is none, as a dash."""
    return NOTHING if math.isnan(value) else number(value)


def between(low: float, high: float) -> str:
    """Write an interval as `low to high`; one that there is not as a dash."""
    return NOTHING if math.isnan(low) else f"{number(low)} to {number(high)}"


def count(value: int | None) -> str:
    """Write a whole number with its thousands apart; None as a dash."""
    return NOTHING if value is None else f"{value:,}"


def span(values: Iterable[int]) -> str:
    """Write whole numbers as one number if they are equal, else as lowest to highest."""
    found = sorted(set(values))
    if not found:
        return NOTHING
    if len(found) == 1:
        return count(found[0])
    return f"{count(found[0])} to {count(found[-1])}"


def duration(seconds: float) -> str:
    """Write seconds as `12.3 s`, `4 min 05 s` or `2 h 05 min`; NaN as a dash."""
    if math.isnan(seconds):
        return NOTHING
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def plain(value: Any) -> str:
    """Write a configuration value at full precision, cut after a hundred characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def short(value: Any) -> str:
    """Write a configuration value for a table: floats with four significant digits."""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else plain(value)


def listing(names: Iterable[Any]) -> str:
    """Join names as `a, b and c`."""
    texts = [str(name) for name in names]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def plural(amount: int, noun: str) -> str:
    """Write an amount with its noun: `1 run`, `3 runs`."""
    return f"{count(amount)} {noun}" if amount == 1 else f"{count(amount)} {noun}s"
