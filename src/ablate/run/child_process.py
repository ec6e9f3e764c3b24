"""The process of one job, as its worker holds it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Self

from ablate.run.child import do_job
from ablate.run.environment import WorkerFacts, interpreter
from ablate.run.messages import Command, Group, Job, Resolve
from ablate.run.pipe import Pipe, write
from ablate.run.wire import encode


class ChildProcess:
    """A process that does one job.

    `end` is the descriptor through which it says that its job has finished, `ending` one that can
    be read when it has ended, None where the system has no such thing.
    """

    def __init__(
        self, job: Job, pid: int, commands: int, end: int, poll: Callable[[], int | None]
    ) -> None:
        self.job, self.end = job, end
        self._commands, self._poll = commands, poll
        self.ending = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        self.finished = b""
        self.send(Group((job,)))

    def send(self, command: Command) -> None:
        """Tell it something; that it is dead is noticed when it has ended."""
        with contextlib.suppress(BrokenPipeError):
            write(self._commands, encode(command))

    def receive(self) -> bytes:
        """Read more of how its job has finished; nothing if it has closed that pipe."""
        data = os.read(self.end, 1 << 16)
        self.finished += data
        return data

    def exit_code(self) -> int | None:
        """Return how it has ended, as subprocess does; None while it has not."""
        return self._poll()

    def has_finished(self) -> bool:
        """Say, once it has ended, whether its job had finished by then."""
        os.set_blocking(self.end, False)
        with contextlib.suppress(BlockingIOError):  # a process of its own may hold the pipe open
            while self.receive():
                pass
        return self.finished.endswith(b"\n")

    def close(self) -> None:
        """Close what led to it."""
        for descriptor in (self._commands, self.end, self.ending):
            if descriptor is not None:
                os.close(descriptor)

    @classmethod
    def fork(
        cls, job: Job, events: int, facts: WorkerFacts, begin: Callable[[], None]
    ) -> Self | None:
        """Do a job in a copy of this process; return None in the copy, once it is done.

        `begin` is called in the copy, to close what is the worker's own.
        """
        (commands, to_child), (from_child, end) = os.pipe(), os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(to_child)
            os.close(from_child)
            begin()
            do_job(Pipe(commands, events, end), facts)
            if isinstance(job, Resolve):
                os._exit(0)  # it has built nothing that an exit could put in order, slowly
            return None
        os.close(commands)
        os.close(end)
        return cls(job, pid, to_child, from_child, lambda: _exit_code(pid))

    @classmethod
    def spawn(cls, job: Job, events: int, environment: Mapping[str, str], folder: str) -> Self:
        """Do a job in a fresh interpreter."""
        (commands, to_child), (from_child, end) = os.pipe(), os.pipe()
        process = subprocess.Popen(  # noqa: S603
            [interpreter(), "-m", "ablate.run.child", str(end)],
            stdin=commands,
            stdout=events,
            pass_fds=(end,),
            env=environment,
            cwd=folder,
        )
        os.close(commands)
        os.close(end)
        return cls(job, process.pid, to_child, from_child, process.poll)


def _exit_code(child: int) -> int | None:
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def end_like(code: int) -> None:
    """End this process as another has ended, by the same signal or with the same code."""
    if code < 0:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(abs(code))
