"""A stored study as pandas frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from ablate import analysis
from ablate.audits.codes import as_rows
from ablate.spec import Definition, paths
from ablate.spec.secrets import hidden
from ablate.store import FindingRow, RunRecord, Store, TrialRecord
from ablate.workflow.audited import audit_runs
from ablate.workflow.defaults import storage_url
from ablate.workflow.result import Result
from ablate.workflow.searches import trials_frame


@dataclass(frozen=True)
class StudyData(Result):
    """A stored study as pandas frames, with its definition.

    - `runs`: one row per attempt of a run: run_id, trial, arm, seed, attempt, status, cause,
      standing ("current" if it speaks for its arm and seed), reason, config_hash, parameters,
      epochs, steps, seconds, profile, device, environment, code_version, directory, created_at,
      finished_at.
    - `trials`: one row per trial: number, state, value, and of a search seeds, seconds, reason
      and a column per parameter; of an ablation arm, seed and reason.
    - `metrics`: one row per recorded value: run_id, trial, arm, seed, phase, name, step, epoch,
      value.
    - `groups`: one row per group of the validation examples of every run that counts, where the
      objective is read: arm, trial, seed, run_id, grouping, metric, group, value, examples, epoch,
      step; empty if no module tells of groups.
    - `arms`: of an ablation the table of `ablate.analysis.arms_table`, one row per metric and arm;
      empty for a search.
    - `comparisons`: of an ablation one row per metric, arm and the arm that it is compared with,
      with difference, interval, p and verdict (`ablate.analysis.Comparison`); empty for a search.
    - `findings`: what the audit found before the runs and in them: code, severity, arms, what,
      where, advice, allowed, stage.
    - `configs`: one row per current run, a column per leaf of its resolved configuration, named
      by its dotted path; the index is run_id.
    """

    study: str
    definition: Definition = field(repr=False)
    runs: pd.DataFrame = field(repr=False)
    trials: pd.DataFrame = field(repr=False)
    metrics: pd.DataFrame = field(repr=False)
    groups: pd.DataFrame = field(repr=False)
    arms: pd.DataFrame = field(repr=False)
    comparisons: pd.DataFrame = field(repr=False)
    findings: pd.DataFrame = field(repr=False)
    configs: pd.DataFrame = field(repr=False)

    def frame(self) -> pd.DataFrame:
        """Return the runs."""
        return self.runs.copy()

    def summary(self) -> str:
        """Say what kind of study it is and how much of it is stored."""
        return (
            f"{self.study}: {self.definition.kind}, {len(self.trials)} trials, "
            f"{len(self.runs)} runs, {len(self.metrics)} metric values"
        )


def load(study: str, *, storage: str | None = None) -> StudyData:
    """Read a stored study as frames; raise NotFoundError with near names if there is none."""
    with Store.open(storage_url(storage), create=False) as store:
        frames = analysis.load(store, study)
        groups = analysis.load_groups(store, frames)
        known = (
            analysis.ArmEstimates(frames) if isinstance(frames, analysis.AblationFrames) else frames
        )
        seen = audit_runs(store, known)
        recorded = store.runs(study, with_config=True)
        trials = store.trials(study)
        values = analysis.metrics_frame(store.metrics(study))
    found = as_rows(seen)
    if isinstance(known, analysis.ArmEstimates):
        found = [*(known.frames.audited or ()), *found]
        concluded = analysis.conclude(known, found)
        arms, comparisons, listed = concluded.table, concluded.frame(), _trials(trials)
    else:
        arms, comparisons, listed = (
            pd.DataFrame(),
            pd.DataFrame(),
            trials_frame(analysis.trials_table(known)),
        )
    keys = frames.runs[["run_id", "trial", "arm", "seed"]]
    return StudyData(
        study=study,
        definition=frames.definition,
        runs=analysis.run_list(frames),
        trials=listed,
        metrics=keys.merge(values, on="run_id"),
        groups=groups,
        arms=arms,
        comparisons=comparisons,
        findings=pd.DataFrame(found, columns=list(FindingRow._fields)),
        configs=_configs(recorded, set(frames.current["run_id"])),
    )


def _trials(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """List the trials of an ablation."""
    rows = [
        {
            "number": trial.number,
            "state": trial.state,
            "value": trial.value,
            **{key: trial.user_attrs.get(key) for key in ("arm", "seed", "reason")},
        }
        for trial in trials
    ]
    return pd.DataFrame(rows, columns=["number", "state", "value", "arm", "seed", "reason"])


def _configs(runs: Sequence[RunRecord], current: set[int]) -> pd.DataFrame:
    rows = {
        run.id: paths.flatten(hidden("", run.config or {})) for run in runs if run.id in current
    }
    return pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name="run_id"))
