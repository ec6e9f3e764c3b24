"""A batch size and an accumulation that keep the effective batch in a given memory."""

from collections.abc import Callable
from dataclasses import dataclass

from ablate.plan.steps import at_least_one


@dataclass(frozen=True)
class Fit:
    """A batch size per device and micro-batch, the accumulation with it, and what that needs."""

    batch_size: int
    accumulate: int
    needed: int


def fit(
    batch_size: int,
    accumulate: int,
    limit: int,
    needed: Callable[[int], int],
    allowed: Callable[[int, int], bool] = lambda *_: True,
) -> Fit | None:
    """Propose the largest micro-batch that fits; None if not even the smallest does.

    The product of batch size and accumulation stays what it is. `needed` gives the bytes for a
    batch size, `allowed` says whether a pair may be used.
    """
    at_least_one(batch_size=batch_size, accumulate=accumulate)
    total = batch_size * accumulate
    for size in range(total, 0, -1):
        if total % size == 0 and allowed(size, total // size) and needed(size) <= limit:
            return Fit(size, total // size, needed(size))
    return None
