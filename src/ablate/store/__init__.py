"""The store: one database with Optuna's tables and ablate's beside them."""

from ablate.store.batch import Batch, NewRun, RunEnd, RunKey, TrialEnd
from ablate.store.database import Store
from ablate.store.records import (
    USUAL_NOTES,
    ArtifactRecord,
    AuditRecord,
    DefinitionRecord,
    Edit,
    Environment,
    FindingRow,
    GroupRow,
    MetricColumns,
    MetricRow,
    RunRecord,
    Seals,
    StudyRecord,
    TrialRecord,
    best_trial,
    count_states,
    inexact_of,
    inexact_runs,
)
from ablate.store.trial_writer import SlowStorageWarning

__all__ = [
    "USUAL_NOTES",
    "ArtifactRecord",
    "AuditRecord",
    "Batch",
    "DefinitionRecord",
    "Edit",
    "Environment",
    "FindingRow",
    "GroupRow",
    "MetricColumns",
    "MetricRow",
    "NewRun",
    "RunEnd",
    "RunKey",
    "RunRecord",
    "Seals",
    "SlowStorageWarning",
    "Store",
    "StudyRecord",
    "TrialEnd",
    "TrialRecord",
    "best_trial",
    "count_states",
    "inexact_of",
    "inexact_runs",
]
