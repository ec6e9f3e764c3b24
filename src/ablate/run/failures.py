"""What it means for a study that a job raised an exception."""

import errno
import traceback
from typing import TypeGuard

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ablate.errors import AblateError, shortened, worded
from ablate.run.frames import chain, own_frame
from ablate.run.messages import Job, Raised, Run
from ablate.run.watch import Diverged
from ablate.spec import Cause, Outcome, Status

_FULL = {errno.ENOSPC, errno.EDQUOT}
_ENTRIES = 200
_CHARACTERS = 2_000
_NO_MEMORY = ("can't allocate memory", "out of memory")


def outcome_of(error: BaseException, job: Job, *, interrupted: bool) -> Outcome:
    """Say how a job has ended that raised `error`, perhaps while it was being interrupted."""
    if (full := next(filter(_is_full, chain(error)), None)) is not None:
        reason = f"no space left on the device for {_place(full, job)}"
        return Outcome(Status.INTERRUPTED, Cause.NO_SPACE, reason)
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


def raised_by(error: BaseException) -> Raised:
    """Describe an exception to those who did not see it; what is very long is cut."""
    entries = traceback.format_exception(error)[-_ENTRIES:]
    text = "".join(
        entry if len(entry) <= _CHARACTERS else f"{entry[:_CHARACTERS]}...\n" for entry in entries
    )
    # What ablate itself raises names the place in its own words, if there is one.
    return Raised(None if isinstance(error, AblateError) else own_frame(error), text)


def _is_full(error: BaseException) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in _FULL


def _place(full: OSError, job: Job) -> str:
    directory = job.directory if isinstance(job, Run) else "an unnamed file"
    return str(full.filename2 or full.filename or directory)


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def _first_line(error: BaseException) -> str:
    return shortened((str(error).strip() or type(error).__name__).splitlines()[0])
