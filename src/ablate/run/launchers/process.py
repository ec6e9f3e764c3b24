"""A worker process, as its launcher holds it."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO

from ablate.run.environment import (
    WorkerFacts,
    WorkerSettings,
    interpreter,
    worker_environment,
)
from ablate.run.messages import Command, Event, Group, Job, Lost
from ablate.run.wire import decode_event, encode
from ablate.spec import Cause

_SHOWN = 20
"""How many of the last lines are shown of what a worker says that can't start."""


class WorkerProcess:
    """A process that does the jobs it is given, in a session of its own.

    `jobs` are those that it has not ended yet, `facts` what it says of itself, None until it is
    ready. `verdict` is why it was killed, if it was.
    """

    def __init__(self, settings: WorkerSettings, number: int) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed when its end is waited for
        self._process = subprocess.Popen(  # noqa: S603
            [interpreter(), "-m", "ablate.run.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=worker_environment(settings, number),
            start_new_session=True,
        )
        self._unread = b""
        self.jobs: dict[int, Job] = {}
        self.facts: WorkerFacts | None = None
        self._complaint = ""
        self.verdict: tuple[Cause, str] | None = None

    @property
    def output(self) -> IO[bytes]:
        """The end of the pipe that its events come from."""
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdout

    @property
    def started_wrongly(self) -> bool:
        """Whether it has ended by itself, without ever being ready."""
        return self.facts is None and self.verdict is None

    @property
    def was_killed(self) -> bool:
        """Whether a signal has ended it."""
        return self._process.returncode < 0

    def submit(self, jobs: Sequence[Job]) -> None:
        """Have it do a group of jobs."""
        self.jobs = {job.id: job for job in jobs}
        self.send(Group(tuple(jobs)))

    def send(self, command: Command) -> None:
        """Tell it something; that it is dead is noticed when its pipe ends."""
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(encode(command))
            self._process.stdin.flush()

    def receive(self) -> list[Event] | None:
        """Read the events that have come; None when there will be no more."""
        data = os.read(self.output.fileno(), 1 << 16)
        if not data:
            return None
        *lines, self._unread = (self._unread + data).split(b"\n")
        return [decode_event(line) for line in lines]

    def kill(self) -> None:
        """End the process and every process that its run has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Close the pipes and wait for the end of the process."""
        self.output.close()
        assert self._process.stdin is not None  # noqa: S101
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        if self.started_wrongly and not self._stderr.closed:
            self._stderr.seek(0)
            text = self._stderr.read().decode(errors="replace")
            self._complaint = "\n".join(text.strip().splitlines()[-_SHOWN:])
        self._stderr.close()

    def losses(self) -> list[Lost]:
        """Say of each job that it has left, once it has ended, why it is lost."""
        cause, reason = self.verdict or (Cause.LOST, self.death)
        return [Lost(job, cause, reason) for job in self.jobs]

    @property
    def death(self) -> str:
        """How the process ended, in words; what it said if it never got ready."""
        code = self._process.returncode
        if code < 0:
            return f"the worker was killed by signal {-code}"
        said = f":\n{self._complaint}" if self._complaint else ""
        return f"the worker exited ({code}){said}"
