"""The seam behind which trials are written: directly, or through Optuna's own interface."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from typing import Protocol

from sqlalchemy import Connection

from ablate.store.batch import Batch
from ablate.store.optuna_rows import BatchRows
from ablate.store.optuna_schema import Layout

Transaction = Callable[[], AbstractContextManager[Connection]]
"""Begins a writing transaction, which ends with its block."""


class SlowStorageWarning(UserWarning):
    """Trials are written through Optuna's own interface, which takes longer."""


class TrialWriter(Protocol):
    """Writes batches into one database."""

    def write(self, batch: Batch, rows: BatchRows, now: datetime) -> None:
        """Write a batch, of which `rows` is what it says about trials, with its runs.

        Writing it again changes nothing. Raises StorageError, with nothing written, if the study
        or a trial is not there, if a new trial's number is taken by another one, if a trial has
        ended in another way already, or if the runs of the batch can't be written.
        """


@cache
def warn_of_slow_writes(shown: str, layout: Layout) -> None:
    """Warn, once per process, that the tables of the storage `shown` can't be written directly."""
    warnings.warn(
        f"the storage {shown} holds tables of Optuna in the layout {layout}, which this ablate "
        "does not know: trials are written through Optuna's own interface, which is correct but "
        "slower; update ablate to write them directly",
        SlowStorageWarning,
        stacklevel=2,
    )
