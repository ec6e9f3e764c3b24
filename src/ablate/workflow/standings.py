"""Show how studies stand."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ablate.spec import Status
from ablate.spec.definition import Kind
from ablate.store import Store, TrialRecord, best_trial, count_states
from ablate.workflow.defaults import storage_url
from ablate.workflow.result import Result


@dataclass(frozen=True)
class StudyStatus:
    """How one study stands: its trials by state, the best of them, the seconds spent on it."""

    study: str
    kind: Kind
    profile: str
    counts: Mapping[Status, int]
    best: TrialRecord | None
    active_seconds: float


@dataclass(frozen=True)
class StatusResult(Result):
    """How the studies of a storage stand."""

    studies: tuple[StudyStatus, ...]

    def frame(self) -> pd.DataFrame:
        """Return a row per study: study, kind, profile, a column per state, best_*, seconds."""
        rows = [
            {
                "study": status.study,
                "kind": status.kind,
                "profile": status.profile,
                **{str(state): status.counts.get(state, 0) for state in Status},
                "best_trial": status.best.number if status.best else None,
                "best_value": status.best.value if status.best else None,
                "active_seconds": status.active_seconds,
            }
            for status in self.studies
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """Say how many studies there are."""
        return f"{len(self.studies)} stud{'y' if len(self.studies) == 1 else 'ies'}"


def status(study: str | None = None, *, storage: str | None = None) -> StatusResult:
    """Show how one stored study stands, or all of them; raise NotFoundError for an unknown one."""
    with Store.open(storage_url(storage), create=False) as store:
        names = store.study_names() if study is None else [study]
        return StatusResult(tuple(_status(store, name) for name in names))


def _status(store: Store, name: str) -> StudyStatus:
    record = store.require_study(name)
    trials = store.trials(name)
    return StudyStatus(
        study=name,
        kind=record.kind,
        profile=record.profile,
        counts=count_states(trials),
        best=best_trial(trials, record.definition.objective.direction),
        active_seconds=store.active_seconds(name),
    )
