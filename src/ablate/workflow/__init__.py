"""What the commands do, as functions: the Python API, which `import ablate` hands out.

Every function has the name and the options of its command and returns a typed result with
`frame()`, the result as a pandas frame. What is wrong with a request raises the error that the
command shows (`ablate.errors`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.workflow.audits import AuditResult, audit
    from ablate.workflow.confirmations import ConfirmResult, confirm
    from ablate.workflow.dashboards import dashboard
    from ablate.workflow.data import StudyData, load
    from ablate.workflow.frozen import FreezeResult, freeze
    from ablate.workflow.matrices import MatrixResult, matrix
    from ablate.workflow.replays import ReplayResult, replay
    from ablate.workflow.reports import ReportResult, report
    from ablate.workflow.searches import SearchResult, search
    from ablate.workflow.standings import StatusResult, status
    from ablate.workflow.verifications import VerifyResult, verify

__all__ = [
    "AuditResult",
    "ConfirmResult",
    "FreezeResult",
    "MatrixResult",
    "ReplayResult",
    "ReportResult",
    "SearchResult",
    "StatusResult",
    "StudyData",
    "VerifyResult",
    "audit",
    "confirm",
    "dashboard",
    "freeze",
    "load",
    "matrix",
    "replay",
    "report",
    "search",
    "status",
    "verify",
]

_HOMES = {
    "audit": "audits",
    "confirm": "confirmations",
    "dashboard": "dashboards",
    "freeze": "frozen",
    "load": "data",
    "matrix": "matrices",
    "replay": "replays",
    "report": "reports",
    "search": "searches",
    "status": "standings",
    "verify": "verifications",
}
"""The module of every function, which has its result too."""


def __getattr__(name: str) -> Any:
    """Import a function or its result at first use: pandas, optuna and torch are slow to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = "load" if name == "StudyData" else name.removesuffix("Result").lower()
    value = getattr(import_module(f"{__name__}.{_HOMES[function]}"), name)
    globals()[name] = value
    return value
