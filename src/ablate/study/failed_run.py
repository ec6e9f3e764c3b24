"""What is told of a run that has failed, when it fails."""

from dataclasses import dataclass
from pathlib import Path

from ablate.spec import Outcome


@dataclass(frozen=True)
class FailedRun:
    """An attempt of a run that has failed, or that could not be made, and what is known of it.

    `where` is the place in the user's own code that raised, `traceback` that of the exception,
    `log` the file of all that the run has printed; each is None if there is none.
    """

    trial: int
    arm: str | None
    seed: int | None
    outcome: Outcome
    where: str | None
    traceback: str | None
    log: Path | None
