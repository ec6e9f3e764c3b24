"""What the commands do, as functions: the Python API, which `import ablate` hands out.

A function has the name and the options of its command. It returns a result with typed fields;
`summary()` says the result in words, and `frame()` gives it as a pandas frame. A notebook shows
both. A wrong request raises the error that the command would print (`ablate.errors`).

Options that many of them take:

- `storage`: the database as an SQLAlchemy URL; by default `$ABLATE_STORAGE`, else
  `sqlite:///results/ablate.db`.
- `results`: the folder of runs and reports.
- `profile`: a profile of the study; by default the one of the hardware.
- `set`: keys of the config to change, dotted path -> value.
- `workers`: how many worker processes there are; by default one per GPU, or per CPU core.
- `threads`: on how many threads each of them computes; by default as the study's recorded runs did,
  else `$OMP_NUM_THREADS`, else one, or its share of the cores if training is clearly faster then.
- `allow`: codes of findings of the audit to accept.
- `allow_import`: packages that a stored configuration may import from.
- `quiet`: whether to show no progress.
- `verbose`: whether to show the whole traceback of what user code raises.
- `launcher`: what makes the launcher of that many workers (docs/extending.md); by default
  processes on this machine.
"""

from typing import TYPE_CHECKING

from ablate.lazy import lazily

if TYPE_CHECKING:
    from ablate.workflow.audits import AuditResult, audit
    from ablate.workflow.comparisons import CompareResult, compare
    from ablate.workflow.confirmations import ConfirmResult, confirm
    from ablate.workflow.dashboards import dashboard
    from ablate.workflow.data import StudyData, load
    from ablate.workflow.episodes import EpisodesResult, compare_episodes
    from ablate.workflow.frozen import FreezeResult, freeze
    from ablate.workflow.matrices import MatrixResult, matrix
    from ablate.workflow.plans import PlanResult, StudyPlanResult, plan
    from ablate.workflow.replays import ReplayResult, RunRow, replay
    from ablate.workflow.reports import ReportResult, report
    from ablate.workflow.searches import SearchResult, search
    from ablate.workflow.standings import StatusResult, StudyStatus, status
    from ablate.workflow.verifications import VerifyResult, verify

__all__ = [
    "AuditResult",
    "CompareResult",
    "ConfirmResult",
    "EpisodesResult",
    "FreezeResult",
    "MatrixResult",
    "PlanResult",
    "ReplayResult",
    "ReportResult",
    "RunRow",
    "SearchResult",
    "StatusResult",
    "StudyData",
    "StudyPlanResult",
    "StudyStatus",
    "VerifyResult",
    "audit",
    "compare",
    "compare_episodes",
    "confirm",
    "dashboard",
    "freeze",
    "load",
    "matrix",
    "plan",
    "replay",
    "report",
    "search",
    "status",
    "verify",
]

_NAMES = {
    "audits": ("AuditResult", "audit"),
    "comparisons": ("CompareResult", "compare"),
    "confirmations": ("ConfirmResult", "confirm"),
    "dashboards": ("dashboard",),
    "data": ("StudyData", "load"),
    "episodes": ("EpisodesResult", "compare_episodes"),
    "frozen": ("FreezeResult", "freeze"),
    "matrices": ("MatrixResult", "matrix"),
    "plans": ("PlanResult", "StudyPlanResult", "plan"),
    "replays": ("ReplayResult", "RunRow", "replay"),
    "reports": ("ReportResult", "report"),
    "searches": ("SearchResult", "search"),
    "standings": ("StatusResult", "StudyStatus", "status"),
    "verifications": ("VerifyResult", "verify"),
}
# pandas, optuna and torch are slow to import.
__getattr__ = lazily(__name__, {name: home for home, names in _NAMES.items() for name in names})
