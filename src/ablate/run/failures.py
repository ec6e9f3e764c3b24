"""What it means for a study that a job raised an exception."""

import errno
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ablate.errors import AblateError, cut, printable, shortened, worded
from ablate.run.frames import chain, own_frame
from ablate.run.messages import Job, Raised, Run
from ablate.run.watch import Diverged
from ablate.spec import Cause, Outcome, Status

_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}
_ENTRIES = 200
_CHARACTERS = 2_000
_NO_MEMORY = ("can't allocate memory", "out of memory")


class MemberFailed(Exception):  # noqa: N818 - an outcome, not a mistake of this process
    """Another process of a distributed run has failed; `outcome` says how, `raised` by what."""

    def __init__(self, outcome: Outcome, raised: Raised | None) -> None:
        super().__init__(outcome.reason)
        self.outcome, self.raised = outcome, raised


def outcome_of(error: BaseException, job: Job, *, interrupted: bool) -> Outcome:  # noqa: PLR0911
    """Say how a job has ended that raised `error`, perhaps while it was being interrupted."""
    if isinstance(error, MemberFailed):
        return error.outcome
    if (outside := _outside(error, job)) is not None:
        return outside
    if (lack := next(filter(_lacks_memory, chain(error)), None)) is not None:
        reason = f"out of memory: {_first_line(lack)}"
        return Outcome(Status.FAILED, Cause.OUT_OF_MEMORY, reason)
    if isinstance(error, Diverged):
        return Outcome(Status.FAILED, Cause.DIVERGED, shortened(str(error)))
    if isinstance(error, AblateError):
        return Outcome(Status.FAILED, Cause.WRONG_CONFIG, shortened(str(error)))
    reason = worded(error)
    # The signal that interrupts a run may also have ended a process that it depends on.
    if isinstance(error, SIGTERMException) or interrupted:
        return Outcome(Status.INTERRUPTED, Cause.STOPPED, f"interrupted: {reason}")
    return Outcome(Status.FAILED, Cause.RAISED, reason)


def _outside(error: BaseException, job: Job) -> Outcome | None:
    """Say how a job has ended if its disk is to blame."""
    links = list(chain(error))
    if (full := next(filter(_is_full, links), None)) is not None:
        reason = f"no space left on the device for {_place(full, job)}"
        return Outcome(Status.INTERRUPTED, Cause.NO_SPACE, reason)
    if (closed := next((link for link in links if _is_closed(link, job)), None)) is not None:
        reason = f"{_place(closed, job)} can't be written to: {closed.strerror}"
        return Outcome(Status.INTERRUPTED, Cause.NO_ACCESS, reason)
    return None


def raised_by(error: BaseException) -> Raised:
    """Describe an exception to those who did not see it; what is very long is cut."""
    if isinstance(error, MemberFailed) and error.raised is not None:
        return error.raised
    entries = traceback.format_exception(error)[-_ENTRIES:]
    text = "".join(f"{_bounded(entry)}\n" for entry in entries)
    # What ablate itself raises names the place in its own words, if there is one.
    return Raised(None if isinstance(error, AblateError) else own_frame(error), text)


def _bounded(entry: str) -> str:
    """Return an entry of a traceback, cut where it is very long, and printable."""
    return cut(printable(entry.removesuffix("\n")[: _CHARACTERS + 1]), _CHARACTERS)


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
    return shortened((str(error).strip() or type(error).__name__).splitlines()[0])
