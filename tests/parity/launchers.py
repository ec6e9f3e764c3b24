"""Launchers that are shared by the studies of a session, and end a run before its time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ablate.run import Decision, Event, Job, Launcher, Reported, Run, WorkerFacts
from ablate.run.launchers import Handler
from ablate.spec import Cause


class Shared:
    """A launcher that outlives the study that it is lent to."""

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher
        self.slots = launcher.slots

    @property
    def free(self) -> int:
        return self.launcher.free

    def submit(self, jobs: Sequence[Job]) -> None:
        self.launcher.submit(jobs)

    def poll(self, handle: Handler, timeout: float) -> None:
        self.launcher.poll(handle, timeout)

    def kill(self, job: int, cause: Cause, reason: str) -> None:
        self.launcher.kill(job, cause, reason)

    def interrupt(self) -> None:
        self.launcher.interrupt()

    def facts(self) -> WorkerFacts:
        return self.launcher.facts()

    def close(self) -> None:
        """Leave the launcher to those that come after."""


class Ending(Shared):
    """Ends the first run once: at the report of its objective in an epoch.

    `interrupt` lets it come to the end of that epoch, `kill` ends its worker there and then. The
    run waits for the answer to the report, so that it never goes further.
    """

    def __init__(self, launcher: Launcher, epoch: int, how: Literal["interrupt", "kill"]) -> None:
        super().__init__(launcher)
        self.epoch, self.how = epoch, how
        self.ended = False

    def submit(self, jobs: Sequence[Job]) -> None:
        super().submit(
            [
                replace(job, supervised=True, checkpoint_every=0.0) if isinstance(job, Run) else job
                for job in jobs
            ]
        )

    def poll(self, handle: Handler, timeout: float) -> None:
        def ending(event: Event) -> Decision:
            decision = handle(event)
            if isinstance(event, Reported) and event.objective is not None:
                self._reported(event)
            return decision

        super().poll(ending, timeout)

    def _reported(self, event: Reported) -> None:
        if self.ended or event.epoch < self.epoch:
            return
        self.ended = True
        if self.how == "interrupt":
            self.launcher.interrupt()
        else:
            self.launcher.kill(event.job, Cause.LOST, "the worker was killed by signal 9")
