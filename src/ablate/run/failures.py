"""What it means for a study that a job raised an exception."""

import errno
from collections.abc import Iterator
from typing import TypeGuard

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ablate.errors import AblateError
from ablate.run.messages import Job, Run
from ablate.run.watch import Diverged
from ablate.spec import Cause, Outcome, Status

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_MEMORY = ("can't allocate memory", "out of memory")


class MemberFailed(Exception):  # noqa: N818 - an outcome, not a mistake of this process
    """Another process of a distributed run has failed; `outcome` says how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def outcome_of(error: BaseException, job: Job, *, interrupted: bool) -> Outcome:  # noqa: PLR0911
    """Say how a job has ended that raised `error`, perhaps while it was being interrupted."""
    if isinstance(error, MemberFailed):
        return error.outcome
    if (full := next(filter(_is_full, _chain(error)), None)) is not None:
        reason = f"no space left on the device for {_place(full, job)}"
        return Outcome(Status.INTERRUPTED, Cause.NO_SPACE, reason)
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


def _place(full: OSError, job: Job) -> str:
    directory = job.directory if isinstance(job, Run) else "an unnamed file"
    return str(full.filename2 or full.filename or directory)


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
