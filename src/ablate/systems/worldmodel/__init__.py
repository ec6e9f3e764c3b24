"""The built-in world model system: a byte language model learns to answer with runnable code."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.systems.worldmodel.data import WorldModelDataModule
    from ablate.systems.worldmodel.module import WorldModelModule

__all__ = ["WorldModelDataModule", "WorldModelModule"]

_HOMES = {
    "WorldModelDataModule": "ablate.systems.worldmodel.data",
    "WorldModelModule": "ablate.systems.worldmodel.module",
}


def __getattr__(name: str) -> Any:
    """Import a public class when it is asked for: the graders have no need of torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
