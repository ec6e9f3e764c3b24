"""What a progress display shows of a running study."""

from collections.abc import Mapping
from dataclasses import dataclass

from ablate.spec import Status


@dataclass(frozen=True)
class Snapshot:
    """How a study stands: trials by state, the running ones, the best; times in seconds.

    `infeasible` counts the complete trials that do not keep every constraint of a search.
    """

    metric: str
    total: int | None
    counts: Mapping[Status, int]
    running: Mapping[int, str]
    best: tuple[int, float] | None
    elapsed: float
    left: float | None
    infeasible: int = 0
