"""What a progress display shows of a running study."""

from collections.abc import Mapping
from dataclasses import dataclass

from ablate.spec import Status


@dataclass(frozen=True)
class Snapshot:
    """How a study stands: trials by state, the running ones, the best; times in seconds."""

    metric: str
    total: int | None
    counts: Mapping[Status, int]
    running: Mapping[int, str]
    best: tuple[int, float] | None
    elapsed: float
    left: float | None
