"""All processes that have come from one, wherever they are by now.

A process that starts a session of its own leaves its process group, and one whose parent has ended
its family. So a worker adopts the orphans below it where the system lets it, and all that comes
from it carries a mark in its environment.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress

import psutil

MARK = "ABLATE_WORKER"
"""The environment variable that tells which worker a process has come from."""

_ADOPTS = sys.platform == "linux"
_SET_CHILD_SUBREAPER = 36
_PATIENCE_S = 2.0
"""How long a process that was killed may take to end; one that waits for a disk may need longer."""


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent ends, if possible.

    See prctl(2), PR_SET_CHILD_SUBREAPER.
    """
    if _ADOPTS:
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans(but: int | None = None) -> None:
    """Take note of the end of adopted processes, so that nothing of them stays behind."""
    while _ADOPTS:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid == but:
                return
            os.waitpid(found.si_pid, os.WNOHANG)
        except ChildProcessError:
            return


def below() -> set[int]:
    """Return the ids of the processes that have come from this one."""
    return {process.pid for process in _come_from(os.getpid(), os.environ.get(MARK))}


def end_below(but: Collection[int] = ()) -> None:
    """Kill and reap what has come from this process, save some and what has come from those."""
    own, mark = os.getpid(), os.environ.get(MARK)

    def unwanted() -> Iterable[psutil.Process]:
        kept = {process.pid for pid in but for process in _descendants(pid)}.union(but)
        return (process for process in _come_from(own, mark) if process.pid not in kept)

    _end(unwanted)
    reap_orphans()


def end_tree(leader: int, mark: str) -> None:
    """Kill a child process that leads a process group, and all that has come from it."""
    try:
        with suppress(psutil.Error):
            if psutil.Process(leader).ppid() == os.getpid():
                # It is to start nothing, nor to end, while what has come from it is looked for.
                os.kill(leader, signal.SIGSTOP)
        _end(lambda: _come_from(leader, mark))
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def _end(found: Callable[[], Iterable[psutil.Process]]) -> None:
    """Kill processes until none is found, for they may start others meanwhile."""
    until = time.monotonic() + _PATIENCE_S
    while (left := list(found())) and time.monotonic() < until:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.002)


def _come_from(ancestor: int, mark: str | None) -> Iterator[psutil.Process]:
    """Find what has come from a process and lives: its descendants, or what carries its mark.

    Descendants are lost once the process has ended, and where it adopts no orphans.
    """
    if ancestor == os.getpid() and _ADOPTS and not _has_children():
        return
    yield from _living(_descendants(ancestor))
    if _ADOPTS and _lives(ancestor):
        return
    for process in _living(psutil.process_iter()):
        with suppress(psutil.Error, OSError):
            if process.pid not in {ancestor, os.getpid()} and process.environ().get(MARK) == mark:
                yield process


def _has_children() -> bool:
    """Say whether this process has any, which is quickly found."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _descendants(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def _lives(pid: int) -> bool:
    with suppress(psutil.Error):
        return any(_living([psutil.Process(pid)]))
    return False


def _living(processes: Iterable[psutil.Process]) -> Iterator[psutil.Process]:
    for process in processes:
        with suppress(psutil.Error):
            if process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}:
                yield process
