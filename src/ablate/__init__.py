"""Hyper-parameter search and ablation for PyTorch Lightning.

`ablate.Search` and `ablate.Ablation` say what to run, with the keys of a study file. The functions
do what the commands of the same names do. `ablate.load` reads a stored study as pandas frames.
"""

from typing import TYPE_CHECKING

from ablate.lazy import lazily

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

_HOMES = dict.fromkeys(__all__, "workflow") | dict.fromkeys(("Ablation", "Search"), "spec")

# pandas, optuna and torch are slow to import.
__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
