"""Show how studies stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from ablate import analysis
from ablate.reports.numbers import plural
from ablate.spec import SearchDefinition, Status
from ablate.spec.constraints import counted_infeasible, none_feasible
from ablate.spec.definition import Kind
from ablate.store import (
    Seals,
    Store,
    TrialRecord,
    best_trial,
    count_infeasible,
    count_states,
    inexact_runs,
)
from ablate.workflow.defaults import storage_url
from ablate.workflow.result import Result

_LOST = 5
"""So many runs are named that lost their success."""


@dataclass(frozen=True)
class StudyStatus:
    """How one study stands: its trials by state, the best of them, the seconds spent on it.

    The trials of an ablation are of different arms: none of them is the best.

    `inexact` says by trial and seed why a run that was resumed may differ from an unbroken one;
    `seals` whether what stands in the database is what was recorded. `infeasible` counts the
    complete trials that break a constraint of the search. `successes` says which runs succeeded,
    and which of them no longer did at their end.
    """

    study: str
    kind: Kind
    profile: str
    counts: Mapping[Status, int]
    best: TrialRecord | None
    active_seconds: float
    seals: Seals
    successes: analysis.Successes
    inexact: Mapping[tuple[int, int], tuple[str, ...]] = field(default_factory=dict)
    infeasible: int = 0

    def remarks(self) -> tuple[str, ...]:
        """Say what is infeasible, what success was lost, what was changed, what has no seal."""
        said = []
        if self.infeasible:
            none = self.best is None
            say = none_feasible if none else counted_infeasible
            said.append(f"{'no feasible trial: ' if none else ''}{say(self.infeasible)}")
        said += [
            f"success was lost: trial {run.trial}, seed {run.seed}: "
            f"reached at step {run.reached}, lost at step {run.lost}"
            for run in self.successes.lost[:_LOST]
        ]
        if more := len(self.successes.lost[_LOST:]):
            said.append(f"success was lost: {plural(more, 'more run')}")
        said += [f"a record was changed after it was made: {edit}" for edit in self.seals.edits]
        if unsealed := self.seals.unsealed:
            runs = "1 run is" if unsealed == 1 else f"{unsealed} runs are"
            said.append(f"{runs} not sealed: an earlier ablate recorded what an edit would change")
        return tuple(said)


@dataclass(frozen=True)
class StatusResult(Result):
    """How the studies of a storage stand."""

    studies: tuple[StudyStatus, ...]

    def frame(self) -> pd.DataFrame:
        """Return a row per study: name, kind, profile, states, best trial, what is amiss."""
        rows = [
            {
                "study": status.study,
                "kind": status.kind,
                "profile": status.profile,
                **{str(state): status.counts.get(state, 0) for state in Status},
                "best_trial": status.best.number if status.best else None,
                "best_value": status.best.value if status.best else None,
                "active_seconds": status.active_seconds,
                "success_kept": status.successes.kept,
                "success_lost": len(status.successes.lost),
                "inexact": len(status.inexact),
                "edited": len(status.seals.edits),
                "unsealed": status.seals.unsealed,
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
        best=(
            best_trial(trials, record.definition.objective.direction)
            if isinstance(record.definition, SearchDefinition)
            else None
        ),
        active_seconds=store.active_seconds(name),
        seals=store.check_seals(name),
        successes=analysis.load_successes(store, name),
        infeasible=count_infeasible(trials),
        inexact={
            (trial.number, seed): reasons
            for trial in trials
            for seed, reasons in inexact_runs(trial).items()
        },
    )
