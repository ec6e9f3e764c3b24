"""Which way a metric is better."""

from collections.abc import Iterable
from enum import StrEnum


class Direction(StrEnum):
    """Whether the lower or the higher value of a metric is the better one."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    @property
    def lower_is_better(self) -> bool:
        """Whether the lower value is the better one, and an ascending order puts the best first."""
        return self is Direction.MINIMIZE

    @property
    def superlative(self) -> str:
        """The word for the best value: lowest or highest."""
        return "lowest" if self.lower_is_better else "highest"

    def gain(self, value: float, over: float) -> float:
        """Return by how much `value` is better than `over`; negative if it is worse."""
        return over - value if self.lower_is_better else value - over

    def better(self, value: float, than: float) -> bool:
        """Say whether `value` is better than the other one; equal ones and NaN are not."""
        return value < than if self.lower_is_better else value > than

    def best(self, values: Iterable[float]) -> float:
        """Return the best of some values; raise ValueError if there is none."""
        return min(values) if self.lower_is_better else max(values)
