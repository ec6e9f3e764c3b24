"""A job's end of the protocol, in the process that does it."""

import contextlib
import os
import queue
import select
import sys
import threading
from collections.abc import Iterable, Iterator

from ablate.errors import RunError
from ablate.run.messages import Command, Decided, Decision, Event, Finished, Group, Interrupt, Job
from ablate.run.packets import Unpacker, packets
from ablate.run.wire import decode_command, encode

_CHUNK = 1 << 16


class Pipe:
    """Takes commands as they come, in a thread of its own, and sends events.

    `commands`, `events` and `end` are file descriptors: what the worker tells, where events go,
    and where the worker reads that the job has finished. The process ends with the pipe: a job
    does not outlive its worker. What the process forks has no part in it.
    """

    def __init__(self, commands: int, events: int, end: int) -> None:
        self._events, self._end = events, end
        # Unlike a Queue, it may be put to by a signal handler. None only wakes who waits.
        self._commands: queue.SimpleQueue[Group | Decided | None] = queue.SimpleQueue()
        self._interrupted: set[int] = set()
        self._sending = threading.Lock()
        self._open = True
        os.register_at_fork(after_in_child=lambda: self._close({commands, events, end}))
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
        while self._open and job not in self._interrupted:
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
        if not self._open:
            return
        with self._sending:
            write(self._end if isinstance(event, Finished) else self._events, encode(event))

    def _close(self, descriptors: set[int]) -> None:
        """Let go of the pipe in a process that was forked off this one."""
        if not self._open:
            return
        self._open = False
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _read(self, commands: int) -> None:
        try:
            for line in lines(commands):
                self._take(decode_command(line))
        except (RunError, OSError) as error:  # user code may have closed the descriptor
            with contextlib.suppress(OSError):
                print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)

    def _take(self, command: Command) -> None:
        if isinstance(command, Interrupt):
            self.interrupt(command.ids)
        else:
            self._commands.put(command)


def lines(descriptor: int) -> Iterator[bytes]:
    """Yield the messages that come through a file descriptor until it is closed."""
    unpacker = Unpacker()
    while True:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:  # user code may have the descriptor not wait
            select.select([descriptor], [], [])
            continue
        if not data:
            return
        yield from unpacker.take(data)


def write(descriptor: int, message: bytes) -> None:
    """Write a message, which is one line; each of its packets at once, or not at all."""
    for packet in packets(message.removesuffix(b"\n")):
        while True:
            try:
                os.write(descriptor, packet)
                break
            except BlockingIOError:  # user code may have the descriptor not wait
                select.select([], [descriptor], [])
