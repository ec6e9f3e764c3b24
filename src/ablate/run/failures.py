"""What it means for a study that a job raised an exception."""

import errno
from collections.abc import Iterator
from typing import TypeGuard

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ablate.errors import AblateError
from ablate.run.messages import Finished, Job
from ablate.run.watch import Diverged

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_MEMORY = ("can't allocate memory", "out of memory")


def failure(job: Job, error: BaseException, interrupted: bool) -> Finished:
    """Say how a job has ended that raised `error`, perhaps while it was being interrupted."""
    name = type(error).__name__
    if (full := next((one for one in _chain(error) if _is_full(one)), None)) is not None:
        where = full.filename2 or full.filename or job.directory or "an unnamed file"
        reason = f"no space left on the device for {where}"
        return Finished(job.id, "interrupted", reason, no_space=True, error=name)
    if (lack := next(filter(_lacks_memory, _chain(error)), None)) is not None:
        reason = f"out of memory: {_first_line(lack)}"
        return Finished(job.id, "failed", reason, error="OutOfMemory")
    if isinstance(error, Diverged):
        return Finished(job.id, "failed", str(error), error=name)
    if isinstance(error, AblateError):
        return Finished(job.id, "failed", str(error), wrong_config=True, error=name)
    # The signal that interrupts a run may also have ended a process that it depends on.
    if isinstance(error, SIGTERMException) or interrupted:
        return Finished(job.id, "interrupted", f"interrupted: {name}: {error}", error=name)
    return Finished(job.id, "failed", f"{name}: {error}", error=name)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it came from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]


def _is_full(error: BaseException) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.errno in _FULL


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
