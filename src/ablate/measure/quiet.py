"""Silence what Lightning says about a run of a few steps."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = ("pytorch", "fabric", "fabric.utilities.rank_zero", "fabric.utilities.seed")


@contextmanager
def quiet() -> Iterator[None]:
    """Show no warnings while the block runs."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in _NAMES]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
