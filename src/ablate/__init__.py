"""Hyper-parameter search and ablation for PyTorch Lightning.

`ablate.Search` and `ablate.Ablation` say what to run, with the keys of a study file. The functions
do what the commands of the same names do. `ablate.load` reads a stored study as pandas frames.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.spec import Ablation, Search
    from ablate.workflow import (
        audit,
        compare,
        confirm,
        freeze,
        load,
        matrix,
        replay,
        report,
        search,
        status,
        verify,
    )

__version__ = "0.1.0"
__all__ = [
    "Ablation",
    "Search",
    "__version__",
    "audit",
    "compare",
    "confirm",
    "freeze",
    "load",
    "matrix",
    "replay",
    "report",
    "search",
    "status",
    "verify",
]

_MODELS = ("Ablation", "Search")


def __getattr__(name: str) -> Any:
    """Import the Python API at first use: pandas, optuna and torch are slow to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "ablate.spec" if name in _MODELS else "ablate.workflow"
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
