"""The built-in token system: deep Q-learning writes small programs, one token at a time."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.systems.token_dqn.data import TokenDataModule
    from ablate.systems.token_dqn.module import TokenModule

__all__ = ["TokenDataModule", "TokenModule"]

_HOMES = {
    "TokenDataModule": "ablate.systems.token_dqn.data",
    "TokenModule": "ablate.systems.token_dqn.module",
}


def __getattr__(name: str) -> Any:
    """Import a public class when it is asked for: programs and rewards have no need of torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
