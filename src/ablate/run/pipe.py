"""A job's end of the protocol, in the process that does it."""

import os
import queue
import sys
import threading
from collections.abc import Iterable, Iterator

from ablate.errors import RunError
from ablate.run.messages import Command, Decided, Decision, Event, Finished, Group, Interrupt, Job
from ablate.run.wire import decode_command, encode

_CHUNK = 1 << 16


class Pipe:
    """Takes commands as they come, in a thread of its own, and sends events.

    `commands`, `events` and `end` are file descriptors: what the worker tells, where events go,
    and where the worker reads that the job has finished. The process ends with the pipe: a job
    does not outlive its worker.
    """

    def __init__(self, commands: int, events: int, end: int) -> None:
        self._events, self._end = events, end
        # Unlike a Queue, it may be put to by a signal handler. None only wakes who waits.
        self._commands: queue.SimpleQueue[Group | Decided | None] = queue.SimpleQueue()
        self._interrupted: set[int] = set()
        threading.Thread(target=self._read, args=(commands,), daemon=True).start()

    def job(self) -> Job:
        """Wait for the job."""
        while True:
            command = self._commands.get()
            if isinstance(command, Group):
                (job,) = command.jobs
                return job

    def decision(self, job: int) -> Decision:
        """Wait for the decision on a report; a run that is interrupted goes on without."""
        while job not in self._interrupted:
            command = self._commands.get()
            if isinstance(command, Decided) and command.job == job:
                return command.decision
        return "continue"

    def interrupt(self, jobs: Iterable[int]) -> None:
        """Note that jobs are interrupted, and wake whoever waits for a decision."""
        self._interrupted |= set(jobs)
        self._commands.put(None)

    def interrupted(self, job: int) -> bool:
        """Say whether a job has been interrupted."""
        return job in self._interrupted

    def send(self, event: Event) -> None:
        """Tell of an event; that the job has finished counts only once its process has ended."""
        write(self._end if isinstance(event, Finished) else self._events, encode(event))

    def _read(self, commands: int) -> None:
        try:
            for line in lines(commands):
                self._take(decode_command(line))
        except RunError as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)

    def _take(self, command: Command) -> None:
        if isinstance(command, Interrupt):
            self.interrupt(command.ids)
        else:
            self._commands.put(command)


def lines(descriptor: int) -> Iterator[bytes]:
    """Yield the lines that come through a file descriptor until it is closed."""
    unread = b""
    while data := os.read(descriptor, _CHUNK):
        *whole, unread = (unread + data).split(b"\n")
        yield from whole


def write(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
