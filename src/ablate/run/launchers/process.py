"""A worker process, as its launcher holds it."""

import contextlib
import os
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from ablate.errors import RunError, shortened
from ablate.run.environment import (
    WorkerFacts,
    WorkerSettings,
    interpreter,
    worker_environment,
)
from ablate.run.log import FILE as LOG
from ablate.run.messages import Command, Event, Group, Job, Lost, Run
from ablate.run.packets import Unpacker
from ablate.run.pipe import write
from ablate.run.process_tree import MARK, end_tree
from ablate.run.wire import decode_event, encode
from ablate.spec import Cause

_CHUNK = 1 << 16
_LAST_WORDS = 16
"""How many chunks are read at most of what a worker has left in its pipe when it ends."""

_SHOWN = 20
_SHOWN_BYTES = 1 << 14
"""How many of the last lines and bytes are shown of what a worker says that can't start."""

_PATIENCE_S = 10.0
"""How long the end of a killed worker is waited for; one that waits for a disk may not end."""


class WorkerProcess:
    """A process that does the jobs it is given, in a session of its own.

    `jobs` are those that it has not ended yet, `facts` what it says of itself, None until it is
    ready. `verdict` is why it was killed, if it was. `output` is the descriptor that its events
    come from, `ending` one that can be read when it has ended, None where there is no such thing.

    Raises RunError if the system can't start it.
    """

    def __init__(self, settings: WorkerSettings, number: int) -> None:
        self._mark = uuid.uuid4().hex
        self._stderr = _scratch()
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [interpreter(), "-m", "ablate.run.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr or subprocess.DEVNULL,
                env={**worker_environment(settings, number), MARK: self._mark},
                start_new_session=True,
            )
        except OSError as error:
            raise RunError(f"a worker could not start: {error}") from error
        self.output = _descriptor(self._process.stdout)
        self.ending: int | None = None
        with contextlib.suppress(OSError, AttributeError):
            self.ending = os.pidfd_open(self._process.pid)
        os.set_blocking(self.output, False)
        self._unpacker = Unpacker()
        self.jobs: dict[int, Job] = {}
        self.facts: WorkerFacts | None = None
        self._complaint = ""
        self.verdict: tuple[Cause, str] | None = None

    @property
    def started_wrongly(self) -> bool:
        """Whether it has ended by itself, without ever being ready."""
        return self.facts is None and self.verdict is None

    @property
    def was_killed(self) -> bool:
        """Whether a signal has ended it."""
        return (self._process.returncode or 0) < 0

    def submit(self, jobs: Sequence[Job]) -> None:
        """Have it do a group of jobs."""
        self.jobs = {job.id: job for job in jobs}
        self.send(Group(tuple(jobs)))

    def send(self, command: Command) -> None:
        """Tell it something; that it is dead is noticed by itself."""
        with contextlib.suppress(BrokenPipeError):
            write(_descriptor(self._process.stdin), encode(command))

    def receive(self) -> list[Event] | None:
        """Read the events that have come; None when its pipe has been closed."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.output, _CHUNK)
            return [decode_event(line) for line in self._unpacker.take(data)] if data else None
        return []

    def last_words(self) -> list[Event]:
        """Read the events that an ended worker has left; another process may still write there."""
        said: list[Event] = []
        for _ in range(_LAST_WORDS):
            if not (events := self.receive()):
                break
            said += events
        return said

    def has_ended(self) -> bool:
        """Say whether it has ended, where there is nothing that tells so."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the process and every process that its runs have started."""
        end_tree(self._process.pid, self._mark)

    def wait(self) -> None:
        """Close what led to the process and wait for its end."""
        for pipe in (self._process.stdout, self._process.stdin):
            assert pipe is not None  # noqa: S101
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        if self.ending is not None:
            os.close(self.ending)
            self.ending = None
        if self._stderr is not None and not self._stderr.closed:
            if self.started_wrongly:
                self._complaint = _end_of(self._stderr)
            self._stderr.close()

    def note_foreign_bytes(self, job: Job) -> None:
        """Say in the log of a run that has ended that it wrote where only ablate does."""
        foreign, self._unpacker.foreign = self._unpacker.foreign, 0
        if not foreign or not isinstance(job, Run):
            return
        with (
            contextlib.suppress(OSError),
            (Path(job.directory) / LOG).open("a", encoding="utf-8") as log,
        ):
            log.write(
                f"dropped {foreign} bytes that came through the pipe of ablate's own messages: "
                "something in this run writes to file descriptors that it did not open\n"
            )

    def losses(self) -> list[Lost]:
        """Say of each job that it has left, once it has ended, why it is lost."""
        cause, reason = self.verdict or (Cause.LOST, self.death)
        return [Lost(job, cause, reason) for job in self.jobs]

    @property
    def death(self) -> str:
        """How the process ended, in words; what it said if it never got ready."""
        code = self._process.returncode
        if code is None:
            return "the worker was killed, and has not ended"
        if code < 0:
            return f"the worker was killed by signal {-code}"
        said = f":\n{self._complaint}" if self._complaint else ""
        return f"the worker exited ({code}){said}"


def _scratch() -> IO[bytes] | None:
    """Open a file for what a worker says; None if there is no folder to have it in."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return None


def _end_of(file: IO[bytes]) -> str:
    file.seek(0, os.SEEK_END)
    file.seek(max(file.tell() - _SHOWN_BYTES, 0))
    lines = file.read().decode(errors="replace").strip().splitlines()
    return "\n".join(map(shortened, lines[-_SHOWN:]))


def _descriptor(pipe: IO[Any] | None) -> int:
    assert pipe is not None  # noqa: S101
    return pipe.fileno()
