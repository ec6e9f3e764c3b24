"""A worker's end of the protocol."""

import os
import queue
import sys
import threading
from collections.abc import Iterable
from typing import BinaryIO

from ablate.errors import RunError
from ablate.run.messages import Command, Decided, Decision, Event, Group, Interrupt, Job
from ablate.run.wire import decode_command, encode


class Pipe:
    """Takes commands as they come, in a thread of its own, and sends events.

    The process ends with the pipe: a worker does not outlive its coordinator.
    """

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._outgoing = outgoing
        # Unlike a Queue, it may be put to by a signal handler. None only wakes who waits.
        self._commands: queue.SimpleQueue[Group | Decided | None] = queue.SimpleQueue()
        self._interrupted: set[int] = set()
        threading.Thread(target=self._read, args=(incoming,), daemon=True).start()

    def next_group(self) -> tuple[Job, ...]:
        """Wait for the next group of jobs."""
        while True:
            command = self._commands.get()
            if isinstance(command, Group):
                return command.jobs

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
        """Tell the coordinator of an event."""
        self._outgoing.write(encode(event))
        self._outgoing.flush()

    def _read(self, incoming: BinaryIO) -> None:
        try:
            for line in incoming:
                self._take(decode_command(line))
        except RunError as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)

    def _take(self, command: Command) -> None:
        if isinstance(command, Interrupt):
            self.interrupt(command.ids)
            return
        if isinstance(command, Group):
            self._interrupted -= {job.id for job in command.jobs}
        self._commands.put(command)
