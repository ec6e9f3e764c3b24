"""What it means for a study that a job raised an exception."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ablate.errors import AblateError
from ablate.run.messages import Job, Run
from ablate.run.watch import Diverged
from ablate.spec import Cause, Outcome, Status

_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}
_NO_MEMORY = ("can't allocate memory", "out of memory")


def outcome_of(error: BaseException, job: Job, *, interrupted: bool) -> Outcome:
    """Say how a job has ended that raised `error`, perhaps while it was being interrupted."""
    if (outside := _outside(error, job)) is not None:
        return outside
    if (lack := next(filter(_lacks_memory, _chain(error)), None)) is not None:
        reason = f"out of memory: {_first_line(lack)}"
        return Outcome(Status.FAILED, Cause.OUT_OF_MEMORY, reason)
    if isinstance(error, Diverged):
        return Outcome(Status.FAILED, Cause.DIVERGED, str(error))
    if isinstance(error, AblateError):
        return Outcome(Status.FAILED, Cause.WRONG_CONFIG, str(error))
    reason = f"{type(error).__name__}: {error}"
    # The signal that interrupts a run may also have ended a process that it depends on.
    if isinstance(error, SIGTERMException) or interrupted:
        return Outcome(Status.INTERRUPTED, Cause.STOPPED, f"interrupted: {reason}")
    return Outcome(Status.FAILED, Cause.RAISED, reason)


def _outside(error: BaseException, job: Job) -> Outcome | None:
    """Say how a job has ended if its disk is to blame."""
    chain = list(_chain(error))
    if (full := next(filter(_is_full, chain), None)) is not None:
        reason = f"no space left on the device for {_place(full, job)}"
        return Outcome(Status.INTERRUPTED, Cause.NO_SPACE, reason)
    if (closed := next((link for link in chain if _is_closed(link, job)), None)) is not None:
        reason = f"{_place(closed, job)} can't be written to: {closed.strerror}"
        return Outcome(Status.INTERRUPTED, Cause.NO_ACCESS, reason)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it came from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop(0)
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            yield link
            waiting += [link.__cause__, link.__context__]


def _is_full(error: BaseException) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in _FULL


def _is_closed(error: BaseException, job: Job) -> TypeGuard[OSError]:
    """Say whether a run can't write to its own folder; other files are its own affair."""
    if not (isinstance(error, OSError) and isinstance(job, Run)):
        return False
    folder = Path(job.directory).absolute()
    touched = [Path(os.fsdecode(name)).absolute() for name in _named(error)]
    if error.errno == errno.EEXIST:  # a file where the folder should be
        return any(folder.is_relative_to(path) for path in touched)
    within = any(path.is_relative_to(folder) or folder.is_relative_to(path) for path in touched)
    return within and error.errno in _CLOSED


def _named(error: OSError) -> Iterator[str | bytes]:
    for name in (error.filename, error.filename2):
        if isinstance(name, str | bytes | os.PathLike):
            yield os.fspath(name)


def _place(full: OSError, job: Job) -> str:
    directory = job.directory if isinstance(job, Run) else "an unnamed file"
    return str(full.filename2 or full.filename or directory)


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
