"""Where jobs run: a small seam, and its two implementations."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ablate.errors import RunError
from ablate.run.environment import interpreter, worker_environment
from ablate.run.messages import Decision, Event, Finished, Job, Lost, Ready, Reported, decode_event

Handler = Callable[[Event], Decision]

_FALSE_STARTS = 5
"""Workers killed in a row, none of them ready, until starting more is given up."""


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

    def kill(self, job: int, reason: str) -> None:
        """End the worker that does a job; the jobs it leaves are Lost for that reason.

        The losses are handed over by the next polls; another worker takes the place.
        """

    def interrupt(self) -> None:
        """Ask the runs submitted so far to end at the end of their epoch, resumable.

        Each then ends with Finished(status="interrupted"), unless that epoch was its last. A run
        of which no epoch has ended has nothing to resume from and starts afresh.
        """

    def facts(self) -> dict[str, Any]:
        """Describe the workers' device and libraries."""

    def close(self) -> None:
        """End all workers, and whatever they run."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    jobs: dict[int, Job] = field(default_factory=dict)
    buffer: bytes = b""
    facts: dict[str, Any] | None = None
    verdict: str | None = None

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None  # noqa: S101
        # A dead worker is noticed when its pipe ends.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def kill(self) -> None:
        """End the worker and every process that its run has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class LocalLauncher:
    """Warm worker processes on this machine; a dead one is replaced."""

    def __init__(self, slots: int, threads: int = 1) -> None:
        self.slots = slots
        self._threads = threads
        self._selector = selectors.DefaultSelector()
        self._false_starts = 0
        self._workers = [self._start() for _ in range(slots)]

    @property
    def free(self) -> int:
        """How many workers have no job."""
        return sum(not worker.jobs for worker in self._workers)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Send a group of jobs to the first free worker, a warm one if there is one."""
        idle = [worker for worker in self._workers if not worker.jobs]
        worker = next((worker for worker in idle if worker.facts), idle[0])
        worker.jobs = {job.id: job for job in jobs}
        worker.send({"jobs": [asdict(job) for job in jobs]})

    def poll(self, handle: Handler, timeout: float) -> None:
        """Wait for events of any worker and hand them over in the order they came."""
        for key, _ in self._selector.select(timeout):
            worker: _Worker = key.data
            assert worker.process.stdout is not None  # noqa: S101
            data = os.read(worker.process.stdout.fileno(), 1 << 16)
            if not data:
                self._replace(worker, handle)
                continue
            *lines, worker.buffer = (worker.buffer + data).split(b"\n")
            for line in lines:
                self._receive(worker, decode_event(line), handle)

    def kill(self, job: int, reason: str) -> None:
        """Kill the worker that does a job; `poll` notices its end."""
        for worker in self._workers:
            if job in worker.jobs:
                worker.verdict = reason
                worker.kill()

    def interrupt(self) -> None:
        """Ask every worker's runs to end at the end of their epoch."""
        for worker in self._workers:
            if worker.jobs:
                worker.send({"interrupt": list(worker.jobs)})

    def facts(self) -> dict[str, Any]:
        """Wait for the first worker and return what it says of itself."""
        while True:
            for worker in self._workers:
                if worker.facts is not None:
                    return worker.facts
            self.poll(_no_decision, 1.0)

    def close(self) -> None:
        """Kill all workers and wait for their end."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            self._forget(worker)
        self._workers = []
        self._selector.close()

    def _start(self) -> _Worker:
        process = subprocess.Popen(  # noqa: S603
            [interpreter(), "-m", "ablate.run.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=worker_environment(self._threads),
            start_new_session=True,
        )
        worker = _Worker(process)
        assert process.stdout is not None  # noqa: S101
        self._selector.register(process.stdout, selectors.EVENT_READ, worker)
        return worker

    def _forget(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None  # noqa: S101
        assert worker.process.stdin is not None  # noqa: S101
        self._selector.unregister(worker.process.stdout)
        worker.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.close()
        worker.process.wait()

    def _replace(self, worker: _Worker, handle: Handler) -> None:
        self._forget(worker)
        worker.kill()
        reason = worker.verdict or _death(worker.process.returncode)
        place = self._workers.index(worker)
        del self._workers[place]
        if worker.facts is None and worker.verdict is None:
            self._false_starts += 1
            if worker.process.returncode >= 0 or self._false_starts > _FALSE_STARTS:
                raise RunError(f"a worker could not start: {reason}")
        self._workers.insert(place, self._start())
        for job in worker.jobs:
            handle(Lost(job, reason))

    def _receive(self, worker: _Worker, event: Event, handle: Handler) -> None:
        if isinstance(event, Ready):
            worker.facts = event.facts
            self._false_starts = 0
            return
        job = worker.jobs.get(event.job)
        if isinstance(event, Finished):
            worker.jobs.pop(event.job, None)
        decision = handle(event)
        if job and _awaits_decision(job, event):
            worker.send({"job": job.id, "decision": decision})


class _Killed(BaseException):
    """Ends a run in this process, as the death of its worker does elsewhere."""


@dataclass
class _Group:
    jobs: dict[int, Job]
    interrupted: bool = False
    verdict: str | None = None


class InProcessLauncher:
    """Runs jobs in this process, one after the other, when polled; for tests and debugging."""

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
            for lost in group.jobs:
                handle(Lost(lost, group.verdict or ""))

    def kill(self, job: int, reason: str) -> None:
        """Let go of a job's group: at its next event if it runs, else before it starts."""
        for group in (*self._running, *self._queue):
            if job in group.jobs:
                group.verdict = reason

    def interrupt(self) -> None:
        """Ask what runs, and what is queued, to end at the end of its epoch."""
        for group in (*self._running, *self._queue):
            group.interrupted = True

    def facts(self) -> dict[str, Any]:
        """Describe this process."""
        from ablate.run.environment import facts  # noqa: PLC0415

        return facts()

    def close(self) -> None:
        """Forget what is queued."""
        self._queue.clear()

    def _do(self, job: Job, group: _Group, handle: Handler) -> None:
        from pathlib import Path  # noqa: PLC0415

        from ablate.run.execute import execute  # noqa: PLC0415 - torch, only when used
        from ablate.run.isolation import pristine  # noqa: PLC0415

        def channel(event: Event) -> Decision:
            if isinstance(event, Finished):
                del group.jobs[job.id]
            decision = handle(event)
            if group.verdict is not None:
                raise _Killed
            return decision if _awaits_decision(job, event) else "continue"

        if group.verdict is not None:
            raise _Killed
        if job.directory:
            Path(job.directory).mkdir(parents=True, exist_ok=True)
        with pristine():
            execute(job, channel, lambda: group.interrupted)


def _awaits_decision(job: Job, event: Event) -> bool:
    return job.supervised and isinstance(event, Reported) and event.objective is not None


def _no_decision(event: Event) -> Decision:  # noqa: ARG001
    return "continue"


def _death(code: int) -> str:
    return f"the worker was killed by signal {-code}" if code < 0 else f"the worker exited ({code})"
