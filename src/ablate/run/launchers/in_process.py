"""No worker at all: jobs are done in this process."""

import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ablate.run.environment import WorkerFacts, worker_facts
from ablate.run.flavours import unify
from ablate.run.launchers.seam import Handler
from ablate.run.messages import Decision, Event, Finished, Job, Lost, Run, awaits_decision
from ablate.spec import Cause


class _Killed(BaseException):
    """Ends a run in this process, as the death of its worker does elsewhere."""


@dataclass
class _Group:
    """Jobs that have not ended yet; `verdict` is why they are lost, if they are."""

    jobs: dict[int, Job]
    interrupted: bool = False
    verdict: tuple[Cause, str] | None = None


class InProcessLauncher:
    """Runs jobs in this process, one after the other, when polled; for tests and debugging.

    The runs share the state of the modules that they import, as no worker's runs do: class
    attributes, caches, generators of their own. What torch and Python hold is given back.
    """

    slots = 1

    def __init__(self) -> None:
        self._queue: deque[_Group] = deque()
        self._running: list[_Group] = []

    @property
    def free(self) -> int:
        """One while nothing is queued."""
        return 0 if self._queue else 1

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue a group of jobs."""
        self._queue.append(_Group({job.id: job for job in jobs}))

    def poll(self, handle: Handler, timeout: float) -> None:  # noqa: ARG002
        """Do everything that is queued."""
        self._running, self._queue = list(self._queue), deque()
        while self._running:
            group = self._running[0]
            with contextlib.suppress(_Killed):
                for job in list(group.jobs.values()):
                    self._do(job, group, handle)
            self._running.pop(0)
            if group.verdict is not None:
                for job_id in group.jobs:
                    handle(Lost(job_id, *group.verdict))

    def kill(self, job: int, cause: Cause, reason: str) -> None:
        """Let go of a job's group: at its next event if it runs, else before it starts."""
        for group in (*self._running, *self._queue):
            if job in group.jobs:
                group.verdict = cause, reason

    def interrupt(self) -> None:
        """Ask what runs, and what is queued, to end at the end of its epoch."""
        for group in (*self._running, *self._queue):
            group.interrupted = True

    def facts(self) -> WorkerFacts:
        """Describe this process."""
        return self._facts

    def close(self) -> None:
        """Forget what is queued."""
        self._queue.clear()

    @cached_property
    def _facts(self) -> WorkerFacts:
        return worker_facts()

    def _do(self, job: Job, group: _Group, handle: Handler) -> None:
        from ablate.run.execute import execute  # noqa: PLC0415 - torch, only when used
        from ablate.run.failures import outcome_of  # noqa: PLC0415
        from ablate.run.isolation import pristine  # noqa: PLC0415

        def channel(event: Event) -> Decision:
            if isinstance(event, Finished):
                del group.jobs[job.id]
            decision = handle(event)
            if group.verdict is not None:
                raise _Killed
            return decision if awaits_decision(job, event) else "continue"

        if group.verdict is not None:
            raise _Killed
        unify()
        if isinstance(job, Run):
            try:
                Path(job.directory).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                channel(Finished(job.id, outcome_of(error, job, interrupted=False)))
                return
        with pristine():
            execute(job, channel, self.facts(), lambda: group.interrupted)
