"""The built-in motion system: stick figures that move as a caption says."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.systems.motion.data import MotionDataModule
    from ablate.systems.motion.module import MotionModule

__all__ = ["MotionDataModule", "MotionModule"]

_HOMES = {
    "MotionDataModule": "ablate.systems.motion.data",
    "MotionModule": "ablate.systems.motion.module",
}


def __getattr__(name: str) -> Any:
    """Import a public class when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
