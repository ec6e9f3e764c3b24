"""The process of one job, as its worker holds it."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NoReturn, Self

from ablate.errors import RunError
from ablate.run.child import do_job
from ablate.run.environment import WorkerFacts, interpreter
from ablate.run.messages import Command, Finished, Group, Job, Resolve
from ablate.run.packets import Unpacker
from ablate.run.pipe import Pipe, write
from ablate.run.process_tree import end_below
from ablate.run.wire import decode_event, encode


class ChildProcess:
    """A process that does one job.

    `end` is the descriptor through which it says that its job has finished, `ending` one that can
    be read when it has ended, None where the system has no such thing.
    """

    def __init__(
        self, job: Job, pid: int, commands: int, end: int, poll: Callable[[], int | None]
    ) -> None:
        self.job, self.pid, self.end = job, pid, end
        self._commands, self._poll = commands, poll
        self.ending = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        self.finished: bytes | None = None
        self._said = Unpacker()
        self.send(Group((job,)))

    def send(self, command: Command) -> None:
        """Tell it something; that it is dead is noticed when it has ended."""
        with contextlib.suppress(BrokenPipeError):
            write(self._commands, encode(command))

    def receive(self) -> bytes:
        """Read more of how its job has finished; nothing if it has closed that pipe."""
        data = os.read(self.end, 1 << 16)
        for message in self._said.take(data):
            if self._is_end(message):
                self.finished = message
        return data

    def exit_code(self) -> int | None:
        """Return how it has ended, as subprocess does; None while it has not."""
        return self._poll()

    def end_of_job(self) -> bytes | None:
        """Return, once it has ended, how its job had finished by then; None if it had not."""
        os.set_blocking(self.end, False)
        with contextlib.suppress(BlockingIOError):  # a process of its own may hold the pipe open
            while self.finished is None and self.receive():
                pass
        return self.finished

    def _is_end(self, message: bytes) -> bool:
        with contextlib.suppress(RunError):
            event = decode_event(message)
            return isinstance(event, Finished) and event.job == self.job.id
        return False

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

        `begin` is called in the copy, to close what is the worker's own. Raises OSError if the
        system starts no process.
        """
        (commands, to_child), (from_child, end) = pipes = os.pipe(), os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        with _closing_if_refused(pipes):
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
        """Do a job in a fresh interpreter; raise OSError if the system starts no process."""
        (commands, to_child), (from_child, end) = pipes = os.pipe(), os.pipe()
        with _closing_if_refused(pipes):
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


@contextlib.contextmanager
def _closing_if_refused(pipes: Iterable[tuple[int, int]]) -> Iterator[None]:
    """Close pipes if the system starts no process for them."""
    try:
        yield
    except OSError:
        for descriptor in itertools.chain(*pipes):
            os.close(descriptor)
        raise


def _exit_code(child: int) -> int | None:
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def end_like(code: int) -> NoReturn:
    """End this process, and all below it, as another has ended: by the same signal or code."""
    end_below()
    if code < 0:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(abs(code))
