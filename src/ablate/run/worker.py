"""A warm worker process: reads jobs from standard input, writes events to standard output.

It imports the libraries and the modules that its jobs name, and runs nothing itself. Every job has
a process of its own, a copy of this one, or a fresh interpreter where a copy would not be as good.
So nothing that a run leaves behind in its process reaches the next. All that user code prints goes
to the run's own log; the protocol has pipes of its own.
"""

import os
import selectors
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable

from ablate.errors import RunError
from ablate.run.child import keep_streams
from ablate.run.child_process import ChildProcess, end_like
from ablate.run.flavours import unify
from ablate.run.messages import Call, Command, Decided, Finished, Group, Interrupt, Job, Ready, Run
from ablate.run.packets import Unpacker
from ablate.run.pipe import write
from ablate.run.process_tree import adopt_orphans, below, end_below, reap_orphans
from ablate.run.touched import watch
from ablate.run.warm import Warmth
from ablate.run.wire import decode_command, encode
from ablate.spec import Cause, Outcome, Status

_HEEDED = (signal.SIGTERM, signal.SIGCHLD)

_LOOK_S = 0.05
"""How often a child is looked after where nothing tells of its end."""


def main() -> None:
    """Serve jobs until the coordinator closes the pipe."""
    watch()
    incoming, outgoing = keep_streams()
    environment, folder = dict(os.environ), os.getcwd()  # noqa: PTH109

    adopt_orphans()

    import ablate.run.execute  # noqa: PLC0415, F401 - what every run needs

    try:
        warmth = Warmth()
    except OSError as error:
        sys.exit(f"it can't start a process: {error.strerror}")
    write(outgoing, encode(Ready(warmth.facts)))

    def start(job: Job, let_go: Callable[[], None]) -> ChildProcess | None:
        hash_seed = job.hash_seed if isinstance(job, Call) else None
        if hash_seed is not None:
            own = {**environment, "PYTHONHASHSEED": str(hash_seed)}
            return ChildProcess.spawn(job, outgoing, own, folder)
        if warmth.forkable:

            def begin() -> None:
                let_go()
                warmth.begin()

            return ChildProcess.fork(job, outgoing, warmth.facts, begin)
        return ChildProcess.spawn(job, outgoing, environment, folder)

    _Worker(incoming, outgoing, warmth.prepare, start).serve()


class _Worker:
    """Does the jobs that come, one after the other, each in a process that `start` makes.

    What a job leaves running ends with it; what `prepare` starts belongs to the worker.
    """

    def __init__(
        self,
        incoming: int,
        outgoing: int,
        prepare: Callable[[Job], None],
        start: Callable[[Job, Callable[[], None]], ChildProcess | None],
    ) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._prepare, self._start = prepare, start
        self._told = Unpacker()
        self._jobs: deque[Job] = deque()
        self._interrupted: set[int] = set()
        self._child: ChildProcess | None = None
        self._own: set[int] = set()
        self._signals, self._signalled = socket.socketpair()
        self._signals.setblocking(False)
        self._signalled.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._watch(incoming, self._read_commands)
        self._watch(self._signals.fileno(), self._read_signals)

    def serve(self) -> None:
        """Serve until the coordinator is gone; return in the process of a job, once it is done."""
        self._heed_signals()
        while True:
            while self._child is None and self._jobs:
                if not self._start_next():
                    return
            blind = self._child is not None and self._child.ending is None
            for key, _ in self._selector.select(_LOOK_S if blind else None):
                key.data()
            if blind:
                self._reap()

    def _watch(self, descriptor: int, act: Callable[[], None]) -> None:
        self._selector.register(descriptor, selectors.EVENT_READ, act)

    def _heed_signals(self) -> None:
        """Let signals be read in their turn; a module may have set handlers of its own."""
        for number in _HEEDED:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)

    def _let_go(self) -> None:
        """Close, in a child, what is this process's own."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self._signals.close()
        self._signalled.close()
        os.close(self._incoming)

    def _start_next(self) -> bool:
        """Start the next job; say whether this is still the worker, not the job's process."""
        job = self._jobs[0]
        try:
            self._prepare(job)
            self._own = below()
            child = self._start(job, self._let_go)
        except OSError as error:
            self._jobs.popleft()
            write(self._outgoing, encode(Finished(job.id, _without_process(error))))
            return True
        if child is None:
            return False
        self._heed_signals()
        self._child = child
        self._watch(child.end, self._read_end)
        if child.ending is not None:
            self._watch(child.ending, self._reap)
        if job.id in self._interrupted:
            child.send(Interrupt((job.id,)))
        return True

    def _read_commands(self) -> None:
        data = os.read(self._incoming, 1 << 16)
        if not data:
            end_below()
            os._exit(0)
        for line in self._told.take(data):
            match _decoded(line):
                case Group(jobs):
                    self._interrupted -= {job.id for job in jobs}
                    self._jobs.extend(jobs)
                case Interrupt(ids):
                    self._interrupt(ids)
                case Decided() as decided if self._child is not None:
                    self._child.send(decided)

    def _read_signals(self) -> None:
        """Interrupt the runs of a group if terminated; without one, end. Reap what has ended."""
        signals = self._signals.recv(1 << 10)
        if signal.SIGCHLD in signals:
            reap_orphans(but=self._child.pid if self._child else None)
        if signal.SIGTERM not in signals:
            return
        if any(isinstance(job, Run) for job in self._jobs):
            self._interrupt(job.id for job in list(self._jobs))
        else:
            end_like(-signal.SIGTERM)

    def _interrupt(self, jobs: Iterable[int]) -> None:
        ids = tuple(jobs)
        self._interrupted |= set(ids)
        if self._child is not None:
            self._child.send(Interrupt(ids))

    def _read_end(self) -> None:
        assert self._child is not None  # noqa: S101
        if not self._child.receive():
            self._selector.unregister(self._child.end)

    def _reap(self) -> None:
        """Tell that a job has finished once its process has ended, or end as that has."""
        child = self._child
        code = child.exit_code() if child else None
        if child is None or code is None:
            return
        if (finished := child.end_of_job()) is None:
            end_like(code)
        end_below(self._own)
        for key in list(self._selector.get_map().values()):
            if key.fd in {child.end, child.ending}:
                self._selector.unregister(key.fd)
        child.close()
        self._child = None
        self._jobs.popleft()
        write(self._outgoing, finished)


def _without_process(error: OSError) -> Outcome:
    reason = f"the system starts no process for a run: {error.strerror}"
    return Outcome(Status.INTERRUPTED, Cause.NO_PROCESS, reason)


def _decoded(line: bytes) -> Command:
    try:
        return decode_command(line)
    except RunError as error:
        sys.exit(str(error))


if __name__ in {"__main__", "__mp_main__"}:  # the latter in processes that a run spawns
    unify()

if __name__ == "__main__":
    main()
