"""What a coordinator asks of whatever runs its jobs."""

from collections.abc import Callable, Sequence
from typing import Protocol

from ablate.run.environment import WorkerFacts
from ablate.run.messages import Decision, Event, Job
from ablate.spec import Cause

Handler = Callable[[Event], Decision]
"""Takes an event; its answer to a supervised run's report is the decision on it."""


class Launcher(Protocol):
    """Runs groups of jobs on workers and tells what happens to them.

    A group runs on one worker. `poll` hands every event to `handle`, whose answer to a
    supervised run's report is the decision on it. Each job ends in one Finished or one Lost.
    """

    slots: int

    @property
    def free(self) -> int:
        """How many groups can be submitted now."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Start a group of jobs on a free worker."""

    def poll(self, handle: Handler, timeout: float) -> None:
        """Wait up to `timeout` seconds for events and hand them over."""

    def kill(self, job: int, cause: Cause, reason: str) -> None:
        """End the worker that does a job; the jobs it leaves are Lost for that cause.

        The losses are handed over by the next polls; another worker takes the place.
        """

    def interrupt(self) -> None:
        """Ask the runs submitted so far to end at the end of their epoch, resumable.

        Each then ends interrupted, unless that epoch was its last. A run of which no epoch has
        ended has nothing to resume from and starts afresh.
        """

    def facts(self) -> WorkerFacts:
        """Describe a worker, waiting for the first one; each run's Started describes its own."""

    def close(self) -> None:
        """End all workers, and whatever they run."""
