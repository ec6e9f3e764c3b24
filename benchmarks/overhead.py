"""Overhead per trial with ten reports: ablate's coordinator and store against plain Optuna.

Both search the same space and keep every value durably in SQLite. The runs themselves cost
nothing here: ablate's launcher answers at once with what a run would report, and Optuna's
objective only reports. With the random sampler and no pruner what remains is coordination and
storage; with TPE and Hyperband the sampler's own cost comes on top of both.

    python benchmarks/overhead.py [trials] [repeats] [trials of the long search]
"""

import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import optuna

from ablate.run import (
    Built,
    Finished,
    Job,
    Probe,
    Probed,
    Reported,
    Resolve,
    Resolved,
    Run,
    Started,
    WorkerFacts,
)
from ablate.spec import Outcome, Status, dump_yaml, read_study
from ablate.study import Request, search

REPORTS = 10
KINDS = {"random": ("RandomSampler", "NopPruner"), "TPE": ("TPESampler", "HyperbandPruner")}
SPACE = {
    "optimizer.init_args.lr": {"float": [1e-5, 1e-1], "log": True},
    "model.init_args.dropout": {"float": [0.0, 0.5]},
    "model.init_args.width": {"int": [8, 256], "log": True},
    "trainer.gradient_clip_val": {"choice": [0.5, 1.0, 2.0]},
}


def value(lr: float, dropout: float, step: int) -> float:
    """Return a curve that falls with the step, lower for some points than for others."""
    return abs(lr - 1e-3) + dropout + 1 / (step + 1)


COMPLETE, PRUNED = Outcome(Status.COMPLETE), Outcome(Status.PRUNED)
FACTS = WorkerFacts(
    profile="cpu",
    device="none",
    host="none",
    python="3",
    system="none",
    threads=1,
    cuda=None,
    float32_matmul_precision="highest",
    deterministic_algorithms=False,
    cudnn_benchmark=False,
    libraries={},
)


class Instant:
    """A launcher whose runs end at once."""

    slots = 1
    ended: ClassVar[list[float]] = []

    def __init__(self, _: int) -> None:
        self._queue: deque[Job] = deque()

    @property
    def free(self) -> int:
        return 0 if self._queue else 1

    def submit(self, jobs: Sequence[Job]) -> None:
        self._queue.extend(jobs)

    def poll(self, handle: Any, timeout: float) -> None:  # noqa: ARG002
        jobs, self._queue = list(self._queue), deque()
        for job in jobs:
            match job:
                case Resolve():
                    handle(Resolved(job.id, job.config))
                    handle(Finished(job.id, COMPLETE))
                case Probe():
                    handle(Probed(job.id, 1000, ["val_loss"], REPORTS))
                    handle(Finished(job.id, COMPLETE))
                case Run():
                    self._run(job, handle)

    def _run(self, job: Run, handle: Any) -> None:
        handle(Started(job.id, FACTS))
        handle(Built(job.id, 1000, REPORTS))
        lr = job.config["optimizer"]["init_args"]["lr"]
        dropout = job.config["model"]["init_args"]["dropout"]
        for step in range(REPORTS):
            loss = value(lr, dropout, step)
            if handle(Reported(job.id, "val", step, step, {"val_loss": loss}, loss)) == "stop":
                handle(Finished(job.id, PRUNED, epochs=step + 1, steps=step + 1))
                return
        handle(Finished(job.id, COMPLETE, epochs=REPORTS, steps=REPORTS))
        self.ended.append(time.perf_counter())

    def facts(self) -> WorkerFacts:
        return FACTS

    def close(self) -> None:
        self._queue.clear()


def ablate_seconds(folder: Path, trials: int, kind: str) -> float:
    """Search with ablate and return the seconds per trial, start and end included."""
    config = {
        "model": {"init_args": {"dropout": 0.1, "width": 8}},
        "optimizer": {"init_args": {"lr": 1e-3}},
        "trainer": {"gradient_clip_val": 1.0},
    }
    study = {
        "kind": "search",
        "config": "config.yaml",
        "objective": {"metric": "val_loss"},
        "space": SPACE,
        "seeds": [0],
        "budget": {"trials": trials},
        "sampler": {"class_path": f"optuna.samplers.{KINDS[kind][0]}"},
        "pruner": {"class_path": f"optuna.pruners.{KINDS[kind][1]}"},
    }
    (folder / "config.yaml").write_text(dump_yaml(config))
    (folder / "bench.yaml").write_text(dump_yaml(study))
    started = time.perf_counter()
    search(
        read_study(folder / "bench.yaml"),
        Request(f"sqlite:///{folder}/ablate-{kind}.db", folder / "results", launcher=Instant),
    )
    return (time.perf_counter() - started) / trials


def optuna_seconds(folder: Path, trials: int, kind: str) -> float:
    """Search with plain Optuna on default SQLite and return the seconds per trial."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        dropout = trial.suggest_float("dropout", 0.0, 0.5)
        trial.suggest_int("width", 8, 256, log=True)
        trial.suggest_categorical("clip", [0.5, 1.0, 2.0])
        for step in range(REPORTS):
            trial.report(value(lr, dropout, step), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value(lr, dropout, REPORTS - 1)

    started = time.perf_counter()
    random = kind == "random"
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/optuna-{kind}.db",
        sampler=optuna.samplers.RandomSampler(0) if random else optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.NopPruner()
        if random
        else optuna.pruners.HyperbandPruner(max_resource=REPORTS),
    )
    study.optimize(objective, n_trials=trials)
    return (time.perf_counter() - started) / trials


def growth(folder: Path, trials: int) -> None:
    """Print what a trial costs, in one long search, early on and after `trials` others."""
    Instant.ended.clear()
    ablate_seconds(folder, trials + 100, "random")
    early, late = (
        1e3 * statistics.median(b - a for a, b in pairwise(Instant.ended[start : start + 100]))
        for start in (100, trials)
    )
    print(f"random, one search of {trials + 100:,} trials: ms from one trial to the next, median")
    print(f"  of trials 100 to 199           {early:8.2f}")
    print(f"  of the last 100                {late:8.2f}")
    print(f"  ratio late / early             {late / early:8.2f}")


def main(trials: int = 200, repeats: int = 3, grown: int = 10_000) -> None:
    """Measure both in turn and print medians and the ratio."""
    for kind in KINDS:
        ours, theirs = [], []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                ours.append(1e3 * ablate_seconds(Path(folder), trials, kind))
                theirs.append(1e3 * optuna_seconds(Path(folder), trials, kind))
        searched, plain = statistics.median(ours), statistics.median(theirs)
        print(f"{kind}: ms per trial, {REPORTS} reports, {trials} trials, median of {repeats}")
        print(f"  ablate, SQLite in WAL mode     {searched:8.1f}   {[round(t, 1) for t in ours]}")
        print(f"  study.optimize, default SQLite {plain:8.1f}   {[round(t, 1) for t in theirs]}")
        print(f"  ratio plain / ablate           {plain / searched:8.1f}")
    with tempfile.TemporaryDirectory() as folder:
        growth(Path(folder), grown)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
