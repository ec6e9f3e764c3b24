"""Worker processes on this machine."""

import selectors
from collections.abc import Sequence
from dataclasses import replace

from ablate.errors import RunError
from ablate.run.environment import WorkerFacts, WorkerSettings
from ablate.run.launchers.process import WorkerProcess
from ablate.run.launchers.seam import Handler
from ablate.run.messages import (
    Decided,
    Decision,
    Event,
    Finished,
    Interrupt,
    Job,
    Ready,
    awaits_decision,
)
from ablate.spec import Cause

_FALSE_STARTS = 5
"""Workers killed in a row, none of them ready, until starting more is given up."""

_LOOK_S = 0.1
"""How often workers are looked after where nothing tells of their end."""

_ALONE = WorkerSettings()


class LocalLauncher:
    """Warm worker processes on this machine; a dead one is replaced."""

    def __init__(self, slots: int, settings: WorkerSettings = _ALONE) -> None:
        self.slots = slots
        self.settings = settings
        self._selector = selectors.DefaultSelector()
        self._false_starts = 0
        self._workers = [self._start(number) for number in range(slots)]

    @property
    def free(self) -> int:
        """How many workers have no job."""
        return sum(not worker.jobs for worker in self._workers)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Send a group of jobs to the first free worker, a warm one if there is one."""
        idle = [worker for worker in self._workers if not worker.jobs]
        worker = next((worker for worker in idle if worker.facts), idle[0])
        worker.submit(jobs)

    def poll(self, handle: Handler, timeout: float) -> None:
        """Wait for events of any worker and hand them over in the order they came."""
        blind = any(worker.ending is None for worker in self._workers)
        for key, _ in self._selector.select(min(timeout, _LOOK_S) if blind else timeout):
            worker: WorkerProcess = key.data
            if key.fd == worker.output:
                self._receive(worker, handle)
        for worker in [worker for worker in self._workers if worker.has_ended()]:
            self._replace(worker, handle)

    def kill(self, job: int, cause: Cause, reason: str) -> None:
        """Kill the worker that does a job; `poll` notices its end."""
        for worker in self._workers:
            if job in worker.jobs and worker.verdict is None:
                worker.verdict = cause, reason
                worker.kill()

    def interrupt(self) -> None:
        """Ask every worker's runs to end at the end of their epoch."""
        for worker in self._workers:
            if worker.jobs:
                worker.send(Interrupt(tuple(worker.jobs)))

    def facts(self) -> WorkerFacts:
        """Wait for the first worker and return what it says of itself."""
        while True:
            for worker in self._workers:
                if worker.facts is not None:
                    return worker.facts
            self.poll(_no_decision, 1.0)

    def settle_threads(self, threads: int) -> None:
        """Have workers, which must be idle, compute on so many threads from now on."""
        changed = threads != (self.settings.threads or 1)
        self.settings = replace(self.settings, threads=threads)
        if changed:
            self._end_workers()
            self._workers = [self._start(number) for number in range(self.slots)]

    def close(self) -> None:
        """Kill all workers and wait for their end."""
        self._end_workers()
        self._selector.close()

    def _end_workers(self) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            self._forget(worker)
        self._workers = []

    def _start(self, number: int) -> WorkerProcess:
        worker = WorkerProcess(self.settings, number)
        self._selector.register(worker.output, selectors.EVENT_READ, worker)
        if worker.ending is not None:
            self._selector.register(worker.ending, selectors.EVENT_READ, worker)
        return worker

    def _forget(self, worker: WorkerProcess) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is worker:
                self._selector.unregister(key.fd)
        worker.wait()

    def _receive(self, worker: WorkerProcess, handle: Handler) -> None:
        """Hand over the events of a worker; one that has closed its pipe is of no more use."""
        events = worker.receive()
        if events is None:
            self._selector.unregister(worker.output)
            worker.kill()
        for event in events or ():
            self._pass_on(worker, event, handle)

    def _replace(self, worker: WorkerProcess, handle: Handler) -> None:
        """Put a new worker in the place of one that has ended, and hand over what it has lost."""
        worker.kill()  # the processes that it has left; it has ended, whoever holds its pipe
        for event in worker.last_words():
            self._pass_on(worker, event, handle)
        self._forget(worker)
        place = self._workers.index(worker)
        del self._workers[place]
        self._check_start(worker)
        self._workers.insert(place, self._start(place))
        for loss in worker.losses():
            worker.note_foreign_bytes(worker.jobs[loss.job])
            handle(loss)

    def _check_start(self, worker: WorkerProcess) -> None:
        """Raise RunError if a worker ended while it started, and another one would do no better."""
        if not worker.started_wrongly:
            return
        self._false_starts += 1
        if not worker.was_killed or self._false_starts > _FALSE_STARTS:
            raise RunError(f"a worker could not start: {worker.death}")

    def _pass_on(self, worker: WorkerProcess, event: Event, handle: Handler) -> None:
        """Hand over an event of a worker, and send it the decision that it may wait for."""
        if isinstance(event, Ready):
            worker.facts = event.facts
            self._false_starts = 0
            return
        job = worker.jobs.get(event.job)
        if job is None:  # what a job's process says that had to end
            return
        if isinstance(event, Finished):
            del worker.jobs[event.job]
            worker.note_foreign_bytes(job)
        decision = handle(event)
        if awaits_decision(job, event):
            worker.send(Decided(job.id, decision))


def _no_decision(event: Event) -> Decision:  # noqa: ARG001
    return "continue"
