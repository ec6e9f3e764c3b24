"""Replay an ablation, or a recorded trial, across arms and seeds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ablate import analysis
from ablate.audits.codes import check_codes
from ablate.run import Launcher
from ablate.spec import Ablation, Cause, Status
from ablate.store import RunRecord, Store
from ablate.study import ReplaySummary, Request, Subject
from ablate.study.cells import Cells
from ablate.study.replay import replay_trial, resolved_configs, run
from ablate.study.tune import tune, tuned_configs
from ablate.workflow.audited import audit_before_run
from ablate.workflow.request import requested, subject_of
from ablate.workflow.result import Result
from ablate.workflow.words import counted

_POINTS = ("best", "last")


@dataclass(frozen=True)
class RunRow:
    """A run of a replay, with its metrics at the best epoch of the objective and at the last."""

    arm: str
    seed: int
    trial: int
    state: Status
    cause: Cause | None
    reason: str | None
    config_hash: str
    parameters: int | None
    best: Mapping[str, float]
    last: Mapping[str, float]


@dataclass(frozen=True)
class ReplayResult(Result):
    """The runs of a replay: of every arm and seed, as defined now, the latest attempt."""

    study: str
    storage: str
    profile: str
    metrics: tuple[str, ...]
    runs: tuple[RunRow, ...]
    counts: Mapping[Status, int]
    """How many trials ended how."""
    already_done: bool
    """Whether there was nothing left to run."""

    @property
    def complete(self) -> bool:
        """Whether every run is complete."""
        return all(run.state is Status.COMPLETE for run in self.runs)

    def frame(self) -> pd.DataFrame:
        """Return a row per run, with a column per metric.

        The columns are arm, seed, trial, state, cause, reason, config_hash, parameters, and by
        metric: NAME, the value at the best epoch of the objective, and `NAME (last)`, that at the
        last epoch.
        """
        rows = [
            {
                **{
                    name: value for name, value in vars(run).items() if name not in {"best", "last"}
                },
                **run.best,
                **{f"{name} (last)": value for name, value in run.last.items()},
            }
            for run in self.runs
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """Say how many runs ended how."""
        return f"{self.study}: {counted(self.counts)}"


def replay(
    study: str | Path | Ablation,
    *,
    arms: Sequence[str] = (),
    seeds: Sequence[int] = (),
    allow: Sequence[str] = (),
    allow_import: Sequence[str] = (),
    storage: str | None = None,
    results: str | Path = "results",
    profile: str | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    workers: int | None = None,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    launcher: Callable[[int], Launcher] | None = None,
) -> ReplayResult:
    """Run every arm with every seed, as far as that has not been done.

    `study` is a name in `studies/`, a path, an `ablate.Ablation`, or a recorded trial
    `STUDY/NUMBER`. With `arms` or `seeds` only these are run, and the rest of the study stays to
    run; a recorded trial takes any seeds, in place of its own. All arms of an ablation are audited
    first. Raises RequestError if the request is wrong and AuditError if the arms may not be
    compared, both with nothing written, and Interrupted when stopped by a signal.
    """
    check_codes(allow)
    with requested(
        storage=storage,
        results=results,
        profile=profile,
        overrides=set,
        workers=workers,
        threads=threads,
        quiet=quiet,
        verbose=verbose,
        launcher=launcher,
    ) as request:
        subject = subject_of(study, request, Cells(arms, seeds), allow_import)
        if subject.is_trial:
            summary = replay_trial(subject, request)
        else:
            summary = replay_study(subject, request, allow)
        return _result(summary, request)


def replay_study(subject: Subject, request: Request, allow: Sequence[str]) -> ReplaySummary:
    """Try every arm, audit them, tune them if the study says so, and run what is left."""
    with subject.launched(request) as launcher:
        study = subject.prepare(request, launcher)
        configs = resolved_configs(study, launcher, request)
        found = audit_before_run(study, configs, launcher, request, allow)
        study = tune(study, configs, launcher, request, subject.cells)
        configs |= tuned_configs(study, launcher)
        return run(study, configs, launcher, request, found, cells=subject.cells)


def _result(summary: ReplaySummary, request: Request) -> ReplayResult:
    with Store.open(request.storage, create=False) as store:
        frames = analysis.load(store, summary.study)
    objective = frames.definition.objective
    best = _values(analysis.at_best(frames, objective.metric, objective.direction))
    last = _values(analysis.at_last(frames, objective.metric))
    runs = tuple(_row(run, best.get(run.id, {}), last.get(run.id, {})) for run in summary.runs)
    return ReplayResult(**{**vars(summary), "runs": runs})


def _values(points: pd.DataFrame) -> dict[int, dict[str, float]]:
    """Return the values read off the runs, by run id and metric."""
    values: dict[int, dict[str, float]] = {}
    columns = (points[name].tolist() for name in ("run_id", "name", "value"))
    for run_id, metric, value in zip(*columns, strict=True):
        values.setdefault(run_id, {})[metric] = value
    return values


def _row(record: RunRecord, best: Mapping[str, float], last: Mapping[str, float]) -> RunRow:
    return RunRow(
        arm=record.arm or "",
        seed=record.seed,
        trial=record.trial,
        state=record.status,
        cause=record.cause,
        reason=record.reason,
        config_hash=record.config_hash,
        parameters=record.parameters,
        best=best,
        last=last,
    )
