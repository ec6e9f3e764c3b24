"""A warm worker process: reads jobs from standard input, writes events to standard output.

Everything that user code prints goes to the run's own log; the protocol has a pipe of its own.
"""

import contextlib
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ablate.run.messages import Decision, Event, Finished, Job, Ready, Reported, encode

LOG = "run.log"


class _Pipe:
    """The worker's end of the protocol."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._outgoing = outgoing
        # Unlike a Queue, it may be put to by a signal handler.
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._interrupted: set[int] = set()
        threading.Thread(target=self._read, args=(incoming,), daemon=True).start()

    def _read(self, incoming: BinaryIO) -> None:
        import json  # noqa: PLC0415

        for line in incoming:
            message = json.loads(line)
            if "interrupt" in message:
                self.interrupt(message["interrupt"])
                continue
            self._interrupted -= {job["id"] for job in message.get("jobs", ())}
            self._messages.put(message)
        # The coordinator is gone: a worker does not outlive its parent.
        os._exit(0)

    def jobs(self) -> list[Job]:
        """Wait for the next group of jobs."""
        while True:
            message = self._messages.get()
            if "jobs" in message:
                return [Job(**data) for data in message["jobs"]]

    def decision(self, job: int) -> Decision:
        """Wait for the decision on a report; a run that is interrupted goes on without."""
        while job not in self._interrupted:
            message = self._messages.get()
            if message.get("job") == job:
                decision: Decision = message["decision"]
                return decision
        return "continue"

    def interrupt(self, jobs: Iterable[int]) -> None:
        """Note that jobs are interrupted, and wake whoever waits for a decision."""
        self._interrupted |= set(jobs)
        self._messages.put({})

    def interrupted(self, job: int) -> bool:
        """Say whether a job has been interrupted."""
        return job in self._interrupted

    def send(self, event: Event) -> None:
        """Tell the coordinator of an event."""
        self._outgoing.write(encode(event))
        self._outgoing.flush()


@contextmanager
def _logged(target: int) -> Iterator[None]:
    """Send this process's output, C libraries included, to a file."""
    _flush()
    saved = os.dup(1), os.dup(2)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    try:
        yield
    finally:
        _flush()
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A full disk is no reason to die once the run is over.
        with contextlib.suppress(OSError):
            stream.flush()


def main() -> None:
    """Serve jobs until the coordinator closes the pipe."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(devnull, number)
    pipe = _Pipe(incoming, outgoing)

    running: list[Job] = []

    def terminate(number: int, frame: object) -> None:  # noqa: ARG001
        if os.getpid() == worker and any(job.task == "run" for job in running):
            pipe.interrupt(job.id for job in running)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    worker = os.getpid()
    signal.signal(signal.SIGTERM, terminate)

    import ablate.run.execute  # noqa: PLC0415, F401 - torch loads while the parent works
    from ablate.run.environment import facts  # noqa: PLC0415

    pipe.send(Ready(facts()))
    while True:
        running[:] = pipe.jobs()
        while running:
            _do(running, pipe)


def _do(jobs: list[Job], pipe: _Pipe) -> None:
    """Do the first of some jobs, and take it off the list when it has ended."""
    from ablate.run.execute import execute  # noqa: PLC0415
    from ablate.run.failures import failure  # noqa: PLC0415
    from ablate.run.isolation import pristine  # noqa: PLC0415

    job = jobs[0]

    def channel(event: Event) -> Decision:
        if isinstance(event, Finished):
            del jobs[0]
        pipe.send(event)
        if job.supervised and isinstance(event, Reported) and event.objective is not None:
            return pipe.decision(job.id)
        return "continue"

    directory = Path(job.directory) if job.directory else None
    try:
        if directory:
            directory.mkdir(parents=True, exist_ok=True)
        log = os.open(
            directory / LOG if directory else os.devnull,
            os.O_WRONLY | os.O_CREAT | os.O_APPEND,
            0o644,
        )
    except OSError as error:
        channel(failure(job, error, interrupted=False))
        return
    with _logged(log), pristine():
        execute(job, channel, lambda: pipe.interrupted(job.id))


if __name__ == "__main__":
    main()
