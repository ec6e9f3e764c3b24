"""A warm worker process: reads jobs from standard input, writes events to standard output.

Everything that user code prints goes to the run's own log; the protocol has a pipe of its own.
"""

import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ablate.run.messages import Decision, Event, Job, Ready, Reported, encode

LOG = "run.log"


class _Pipe:
    """The worker's end of the protocol."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._outgoing = outgoing
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, args=(incoming,), daemon=True).start()

    def _read(self, incoming: BinaryIO) -> None:
        import json  # noqa: PLC0415

        for line in incoming:
            self._lines.put(json.loads(line))
        # The coordinator is gone: a worker does not outlive its parent.
        os._exit(0)

    def receive(self) -> dict[str, Any]:
        return self._lines.get()

    def send(self, event: Event) -> None:
        self._outgoing.write(encode(event))
        self._outgoing.flush()


@contextmanager
def _logged(path: Path | None) -> Iterator[None]:
    """Send this process's output, C libraries included, to a file."""
    target = os.open(path or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def main() -> None:
    """Serve jobs until the coordinator closes the pipe."""
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    devnull = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(devnull, number)
    pipe = _Pipe(incoming, outgoing)

    from ablate.run.environment import facts  # noqa: PLC0415 - torch loads while the parent works
    from ablate.run.execute import execute  # noqa: PLC0415
    from ablate.run.isolation import pristine  # noqa: PLC0415

    pipe.send(Ready(facts()))
    while True:
        for data in pipe.receive()["jobs"]:
            job = Job(**data)

            def channel(event: Event, job: Job = job) -> Decision:
                pipe.send(event)
                if job.supervised and isinstance(event, Reported) and event.objective is not None:
                    return _decision(pipe, job)
                return "continue"

            directory = Path(job.directory) if job.directory else None
            if directory:
                directory.mkdir(parents=True, exist_ok=True)
            with _logged(directory / LOG if directory else None), pristine():
                execute(job, channel)


def _decision(pipe: _Pipe, job: Job) -> Decision:
    reply = pipe.receive()
    assert reply["job"] == job.id  # noqa: S101
    decision: Decision = reply["decision"]
    return decision


if __name__ == "__main__":
    main()
