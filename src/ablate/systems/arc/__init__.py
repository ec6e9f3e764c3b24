"""The built-in ARC system: a ladder of small transformers on generated and real ARC tasks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.systems.arc.data import ArcDataModule
    from ablate.systems.arc.module import ArcModule

__all__ = ["ArcDataModule", "ArcModule"]

_HOMES = {"ArcDataModule": "ablate.systems.arc.data", "ArcModule": "ablate.systems.arc.module"}


def __getattr__(name: str) -> Any:
    """Import a public class when it is asked for: generating processes have no need of torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
