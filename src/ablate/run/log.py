"""A run's log: all that its process prints."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "run.log"


def open_log(directory: Path | None) -> int:
    """Open the log of a run in its directory, which is made if need be; without one, nothing's.

    Raises OSError where there is no space or no permission.
    """
    if directory is None:
        return os.open(os.devnull, os.O_WRONLY)
    directory.mkdir(parents=True, exist_ok=True)
    return os.open(directory / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def redirect(log: int) -> None:
    """Send this process's output from now on, C libraries included, to an open file."""
    _flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


@contextmanager
def logged(log: int) -> Iterator[None]:
    """Send this process's output to an open file while the block runs, and close it."""
    saved = os.dup(1), os.dup(2)
    redirect(log)
    try:
        yield
    finally:
        _flush()
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A full disk is no reason to die once the run is over.
        with contextlib.suppress(OSError):
            stream.flush()
