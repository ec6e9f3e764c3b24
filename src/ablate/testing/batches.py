"""Batches as a coordinator writes them, and a way to compare what came of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from ablate.spec import Cause, Direction, Outcome, Status
from ablate.store import Batch, Environment, NewRun, RunEnd, RunKey, Store, TrialEnd
from ablate.testing.definitions import search

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "depth": IntDistribution(1, 9, step=2),
    "betas": CategoricalDistribution(["ä", None, True, 2.5, 7]),
}

KEY = RunKey(0, 307, 0)

Rows = list[dict[str, Any]]
Recorded = tuple[
    Rows,
    list[tuple[bool, bool]],
    Rows,
    list[str],
    dict[RunKey, dict[str, str]],
    list[str],
    list[str],
]
"""Trials, if they have started and ended, runs, metrics, fingerprints, means by group, facts."""


COMPLETE = Outcome(Status.COMPLETE)


def failed(reason: str, cause: Cause | None = None) -> Outcome:
    """Return how a run ends that failed."""
    return Outcome(Status.FAILED, cause, reason)


def define(store: Store, study: str = "s") -> int:
    """Make a study with its definition, on both sides of the database."""
    store.create_study(study, Direction.MINIMIZE, "val_loss")
    return store.define(study, search())


def new_run(definition: int, key: RunKey = KEY, **changes: Any) -> NewRun:
    """Return a run that starts, with what is recorded of it."""
    facts: dict[str, Any] = {
        "arm": "a",
        "config": {"z": 1, "a": [1.5, None, float("inf")]},
        "config_hash": "abc",
        "profile": "cpu",
        "device": "CPU",
        "environment": Environment({"python": "3.11"}),
        "code_version": "c0ffee",
        "directory": "results/s/0-abc",
    }
    return NewRun(key=key, definition_id=definition, **(facts | changes))


def start(
    store: Store,
    definition: int,
    *,
    study: str = "s",
    trial: int = 0,
    seed: int = 307,
    attempt: int = 0,
    **changes: Any,
) -> tuple[RunKey, int]:
    """Write a running run and return its key and its id."""
    key = RunKey(trial, seed, attempt)
    store.write(Batch(study, runs={key: new_run(definition, key, **changes)}))
    return key, id_of(store, key, study)


def id_of(store: Store, key: RunKey, study: str = "s") -> int:
    """Return the id of a run."""
    return next(r.id for r in store.runs(study) if (r.trial, r.seed, r.attempt) == key)


def running(**params: Any) -> FrozenTrial:
    """Return a trial that runs at a point of the space."""
    return create_trial(
        state=TrialState.RUNNING,
        params=params or {"lr": 1e-3, "depth": 3, "betas": None},
        distributions={name: SPACE[name] for name in params or SPACE},
    )


def waiting(**attrs: Any) -> FrozenTrial:
    """Return a trial that waits."""
    return create_trial(state=TrialState.WAITING, user_attrs=attrs)


def whole(
    definition: int, number: int, study: str = "s", *, reports: int = 10, rows: int = 40
) -> Batch:
    """Return all that happens in a trial of one run, from its start to its end."""
    key = RunKey(number, 307, 0)
    return Batch(
        study,
        trials={number: running()},
        runs={key: new_run(definition, key)},
        parameters={key: 1000 + number},
        user_attrs={number: {"state": "complete", **{f"attr {i}": i for i in range(5)}}},
        intermediate={number: {step: 1 / (step + 1) for step in range(reports)}},
        metrics={(key, "val", f"m{i % 4}", i // 4): (i // 4, float(i)) for i in range(rows)},
        groups={(key, "task", "m0", 9): (9, {"t1": (0.5, 4), "t2": (1.0, 2)})},
        fingerprints={key: {"train": "1", "val": "2"}},
        facts={key: {"code": {"a.py": "1"}, "data": {"rows": number}}},
        ended_runs={key: RunEnd(COMPLETE, reports, 10 * reports)},
        ended_trials={number: TrialEnd(TrialState.COMPLETE, 0.5)},
    )


def shown(trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """Write trials as comparable values, in which a NaN equals itself and True is not 1."""
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "params": repr(list(trial.params.items())),
            "distributions": list(trial.distributions.items()),
            "user_attrs": repr(sorted(trial.user_attrs.items())),
            "system_attrs": repr(sorted(trial.system_attrs.items())),
            "intermediate": repr(sorted(trial.intermediate_values.items())),
            "values": repr(trial.values),
        }
        for trial in trials
    ]


def recorded(store: Store, study: str) -> Recorded:
    """Return everything that is stored of a study, apart from ids and times."""
    keys = {run.id: RunKey(run.trial, run.seed, run.attempt) for run in store.runs(study)}
    runs = [
        {
            **{name: getattr(run, name) for name in run.__dataclass_fields__},
            "id": None,
            "study": None,
            "definition_id": None,
            "created_at": run.created_at is not None,
            "finished_at": run.finished_at is not None,
        }
        for run in store.runs(study, with_config=True)
    ]
    trials = store.past(study)
    times = [(t.datetime_start is not None, t.datetime_complete is not None) for t in trials]
    rows = sorted(repr((keys[row.run_id], row[1:])) for row in store.metrics(study))
    prints = {keys[run_id]: values for run_id, values in store.fingerprints(study).items()}
    groups = sorted(repr((keys[row.run_id], row[1:])) for row in store.groups(study))
    facts = sorted(repr((keys[run_id], found)) for run_id, found in store.facts(study).items())
    return shown(trials), times, runs, rows, prints, groups, facts


def near(first: datetime | None, second: datetime | None, seconds: float = 60) -> bool:
    """Say whether two times are both missing, or close to each other."""
    if first is None or second is None:
        return first is second
    return abs(first - second) < timedelta(seconds=seconds)
