"""The nearest values that a rule of divisibility allows."""

import math


def multiples_near(value: int, divisor: int, rest: int = 1) -> tuple[int, ...]:
    """Return the nearest positive values, from below and from above, that fit a divisor.

    They are those v for which v x `rest` is a multiple of `divisor`; `value` itself if it is one.
    """
    step = divisor // math.gcd(divisor, rest)
    below, above = value // step * step, -(-value // step) * step
    return tuple(dict.fromkeys(near for near in (below, above) if near > 0))


def divisors_near(value: int, total: int) -> tuple[int, ...]:
    """Return the nearest divisors of `total`, from below and from above; `value` if it is one."""
    found = _divisors(total)
    below = max((d for d in found if d <= value), default=None)
    above = min((d for d in found if d >= value), default=None)
    return tuple(dict.fromkeys(near for near in (below, above) if near is not None))


def _divisors(total: int) -> list[int]:
    small = [d for d in range(1, math.isqrt(total) + 1) if total % d == 0]
    return sorted({*small, *(total // d for d in small)})
