"""The built-in Wordle system: a player is trained by group-relative policy optimisation."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.systems.wordle.data import WordleDataModule
    from ablate.systems.wordle.module import WordleModule

__all__ = ["WordleDataModule", "WordleModule"]

_HOMES = {
    "WordleDataModule": "ablate.systems.wordle.data",
    "WordleModule": "ablate.systems.wordle.module",
}


def __getattr__(name: str) -> Any:
    """Import a public class when it is asked for: the rules have no need of torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
