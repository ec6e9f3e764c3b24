"""May these arms be compared? Static checks, behavioural probes, and a look at what ran.

What is handed out here is what a check of your own needs.
"""

from typing import TYPE_CHECKING

from ablate.audits.findings import Finding, Severity
from ablate.lazy import lazily

if TYPE_CHECKING:
    from ablate.audits.checks import EVIDENCE, RUNS, STATIC_ABLATION, STATIC_SEARCH, TRIALS
    from ablate.audits.codes import between, finding
    from ablate.audits.configs import AblationConfigs, SearchConfigs
    from ablate.audits.evidence import Evidence
    from ablate.audits.evidence_checks import Declared
    from ablate.audits.recorded import RecordedRuns, RecordedTrials
    from ablate.audits.registry import Check, Code

__all__ = [
    "EVIDENCE",
    "RUNS",
    "STATIC_ABLATION",
    "STATIC_SEARCH",
    "TRIALS",
    "AblationConfigs",
    "Check",
    "Code",
    "Declared",
    "Evidence",
    "Finding",
    "RecordedRuns",
    "RecordedTrials",
    "SearchConfigs",
    "Severity",
    "between",
    "finding",
]

# A worker that probes needs none of what a check needs.
__getattr__ = lazily(
    __name__,
    {
        "EVIDENCE": "checks",
        "RUNS": "checks",
        "STATIC_ABLATION": "checks",
        "STATIC_SEARCH": "checks",
        "TRIALS": "checks",
        "AblationConfigs": "configs",
        "Check": "registry",
        "Code": "registry",
        "Declared": "evidence_checks",
        "Evidence": "evidence",
        "RecordedRuns": "recorded",
        "RecordedTrials": "recorded",
        "SearchConfigs": "configs",
        "between": "codes",
        "finding": "codes",
    },
)
