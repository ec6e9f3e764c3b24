"""Seconds, peak memory and size of a report, beside those of reading the study's rows alone.

Three studies of 10,000 runs with 100 epochs and two metrics each: an ablation of 200 arms with 50
seeds, one of 2,000 arms with 5, and a search of 10,000 trials. Each is reported in a fresh process
on one core; the first thing it measures is what importing takes. The alternative is a fresh
process that reads what the report reads, in the plainest way: all metric rows of the study into
one pandas frame by `pandas.read_sql`, or, for the search, all trials by Optuna's
`Study.trials_dataframe`.

    python benchmarks/report.py [--share PART] [--keep FOLDER] [STUDY ...]

`--share 0.1` makes studies of a tenth of the runs. Studies in the folder to keep are made once. On
a quiet machine each report takes less than 10 s after importing and 600 MB, and its page has less
than 2 MB. A busy machine shows in the seconds: then compare those of the processor, or the ratios.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 10_000
EPOCHS = 100
STEPS = 50
"""Optimizer steps per epoch."""
OPTIONS = 100
"""Keys of a run's configuration."""
AT_ONCE = 250
"""Runs per write."""
SEEDS = {"ablation-200x50": 50, "ablation-2000x5": 5, "search": 1}
BASE = {"model": {"class_path": "systems.Model", "init_args": {
    f"option_{i}": i / 7 for i in range(OPTIONS)}}}  # fmt: skip


# --- the studies ---------------------------------------------------------------------------


def fill(url: str, name: str, runs: int) -> None:
    """Make a study of so many runs: trials and runs by the store, values straight in its table."""
    import numpy as np
    from optuna.trial import TrialState
    from sqlalchemy import create_engine

    from ablate.spec import Direction, Outcome, Status, content_hash
    from ablate.store import Batch, Environment, NewRun, RunEnd, RunKey, Store, TrialEnd, tables

    rng = np.random.default_rng(7)
    seeds = SEEDS[name]
    epochs = np.arange(EPOCHS)
    steps = (STEPS * (epochs + 1)).tolist()
    losses = np.exp(-epochs / 20) + 0.02 * rng.standard_normal((runs, EPOCHS))
    losses += 0.5 + 0.1 * np.sin(np.arange(runs) // seeds)[:, None]
    with Store.open(url, create=True) as store:
        store.create_study(name, Direction.MINIMIZE, "val_loss")
        definition = store.define(name, definition_of(name, runs // seeds))
        environment = Environment({"python": "3.12", "torch": "2.8", "host": "a"})
        ends = []
        for start in range(0, runs, AT_ONCE):
            batch, end = Batch(name), Batch(name)
            ends.append(end)
            for number in range(start, min(start + AT_ONCE, runs)):
                arm, seed = divmod(number, seeds)
                key = RunKey(number, seed, 0)
                changes = {"width": arm} if seeds > 1 else {}
                config = {"seed_everything": seed, **BASE, **changes}
                batch.trials[number] = trial_of(name, arm, seed, rng)
                batch.runs[key] = NewRun(
                    key,
                    f"arm-{arm}" if seeds > 1 else None,
                    definition,
                    config,
                    content_hash(config),
                    "cpu",
                    "CPU",
                    environment,
                    "c0ffee",
                    f"results/{name}/{number}-abcdef01",
                )
                if seeds == 1:
                    batch.intermediate[number] = dict(
                        zip(steps, losses[number].tolist(), strict=True)
                    )
                batch.parameters[key] = 1_000_000 + arm
                batch.fingerprints[key] = {"train": "a", "val": "b"}
                lost = number % 997 == 996
                state = TrialState.FAIL if lost else TrialState.COMPLETE
                status = Outcome(Status.FAILED, None, "out of memory") if lost else None
                end.ended_runs[key] = RunEnd(
                    status or Outcome(Status.COMPLETE), EPOCHS, EPOCHS * STEPS
                )
                end.ended_trials[number] = TrialEnd(state, None if lost else losses[number, -1])
            store.write(batch)
        ids = {run.trial: run.id for run in store.runs(name)}
    with create_engine(url).begin() as connection:
        for number, run_id in ids.items():
            loss = losses[number]
            values = {"val_loss": loss, "val_accuracy": 1 / (1 + np.abs(loss))}
            connection.execute(
                tables.metrics.insert(),
                [
                    {
                        "run_id": run_id,
                        "phase": "val",
                        "name": metric,
                        "step": steps[epoch],
                        "epoch": epoch,
                        "value": value,
                    }
                    for metric, curve in values.items()
                    for epoch, value in enumerate(curve.tolist())
                ],
            )
    with Store.open(url, create=True) as store:
        for end in ends:
            store.write(end)


def definition_of(name, arms):
    """Define the study: an ablation of so many arms, or a search."""
    from ablate.spec import (
        AblationDefinition,
        Arm,
        Budget,
        ClassConfig,
        Direction,
        FloatRange,
        IntRange,
        Objective,
        SearchDefinition,
    )

    seeds = SEEDS[name]
    shared = {
        "config": BASE,
        "profile": "cpu",
        "seeds": tuple(range(seeds)),
        "objective": Objective(metric="val_loss", at="last"),
    }
    if seeds == 1:
        return SearchDefinition(
            space={
                "lr": FloatRange(bounds=(1e-5, 1e-1), log=True),
                "width": IntRange(bounds=(8, 256)),
                "dropout": FloatRange(bounds=(0.0, 0.5)),
            },
            window=4,
            sampler=ClassConfig(class_path="optuna.samplers.RandomSampler"),
            pruner=ClassConfig(class_path="optuna.pruners.NopPruner"),
            budget=Budget(trials=arms),
            **shared,
        )
    return AblationDefinition(
        designs=("arms",),
        arms=tuple(Arm(f"arm-{arm}", {"width": arm}, floor=arm == arms - 1) for arm in range(arms)),
        reference="arm-0",
        metrics={"val_loss": Direction.MINIMIZE, "val_accuracy": Direction.MAXIMIZE},
        **shared,
    )


def trial_of(name, arm, seed, rng):
    """Return a trial that runs: a point of the space, or an arm with a seed."""
    from optuna.distributions import FloatDistribution, IntDistribution
    from optuna.trial import TrialState, create_trial

    if SEEDS[name] > 1:
        attrs = {"state": "running", "arm": f"arm-{arm}", "seed": seed}
        return create_trial(state=TrialState.RUNNING, user_attrs=attrs)
    space = {
        "lr": FloatDistribution(1e-5, 1e-1, log=True),
        "width": IntDistribution(8, 256),
        "dropout": FloatDistribution(0.0, 0.5),
    }
    point = {
        "lr": float(10 ** rng.uniform(-5, -1)),
        "width": int(rng.integers(8, 257)),
        "dropout": float(rng.uniform(0, 0.5)),
    }
    return create_trial(
        state=TrialState.RUNNING,
        params=point,
        distributions=space,
        user_attrs={"state": "running"},
    )


# --- what is measured, each in a process of its own ------------------------------------------


def report(url: str, name: str, folder: Path) -> dict[str, float]:
    """Write the report as the command does, and say what the page weighs."""
    began = time.perf_counter()
    from ablate.workflow.reports import report as written

    imported, used = time.perf_counter(), time.process_time()
    result = written(name, storage=url, results=folder)
    seconds, busy = time.perf_counter() - imported, time.process_time() - used
    page = result.files.html.stat().st_size
    return {
        "import": imported - began,
        "seconds": seconds,
        "busy": busy,
        "page": page,
        "all": sum(path.stat().st_size for path in result.files.folder.iterdir()),
    }


def plain_rows(url: str, name: str, _: Path) -> dict[str, float]:
    """Read all metric rows of the study into a frame."""
    began = time.perf_counter()
    import pandas as pd
    from sqlalchemy import create_engine, text

    imported, used = time.perf_counter(), time.process_time()
    query = (
        "SELECT m.* FROM ablate_metrics m JOIN ablate_runs r ON r.id = m.run_id WHERE r.study = :s"
    )
    frame = pd.read_sql(text(query), create_engine(url), params={"s": name})
    seconds, busy = time.perf_counter() - imported, time.process_time() - used
    assert len(frame)
    return {"import": imported - began, "seconds": seconds, "busy": busy}


def optuna_trials(url: str, name: str, _: Path) -> dict[str, float]:
    """Read all trials of the study into a frame, as Optuna does."""
    began = time.perf_counter()
    import optuna

    imported, used = time.perf_counter(), time.process_time()
    frame = optuna.load_study(study_name=name, storage=url).trials_dataframe()
    seconds, busy = time.perf_counter() - imported, time.process_time() - used
    assert len(frame)
    return {"import": imported - began, "seconds": seconds, "busy": busy}


WAYS = {
    "ablate report": report,
    "pandas.read_sql of all metric rows": plain_rows,
    "Optuna's trials_dataframe": optuna_trials,
}


def alone(*words: str) -> str:
    """Run this file in a fresh process on one core and return what it prints."""
    one = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, __file__, *words],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {one}),
    )
    return done.stdout.splitlines()[-1] if done.stdout else ""


def measured(way: str, url: str, name: str, folder: Path) -> dict[str, float]:
    """Measure one way in a process of its own; `peak` is in MB."""
    return json.loads(alone("--measure", way, url, name, str(folder)))


def main() -> None:
    """Print a line per study and way, with the report as a multiple of the alternative."""
    if sys.argv[1:2] == ["--fill"]:
        fill(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    if sys.argv[1:2] == ["--measure"]:
        found = WAYS[sys.argv[2]](sys.argv[3], sys.argv[4], Path(sys.argv[5]))
        found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", default=list(SEEDS))
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--keep", type=Path)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ablate-report-") as scratch:
        folder = wanted.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in wanted.studies:
            runs = round(RUNS * wanted.share)
            file = folder / f"{name}-{runs}.db"
            url = f"sqlite:///{file}"
            if not file.exists():
                alone("--fill", url, name, str(runs))
            other = "Optuna's trials_dataframe" if name == "search" else list(WAYS)[1]
            ways = {
                way: measured(way, url, name, Path(scratch)) for way in ("ablate report", other)
            }
            print(f"{name}, {runs:,} runs of {EPOCHS} epochs with 2 metrics")
            for way, found in ways.items():
                print(f"  {way:<36} {found['seconds']:6.1f} s ({found['busy']:.1f} s of CPU) "
                      f"after {found['import']:.1f} s of imports, {found['peak']:5.0f} MB peak"
                      + (f", HTML {found['page'] / 1e6:.2f} MB of {found['all'] / 1e6:.0f} MB"
                         if "page" in found else ""), flush=True)  # fmt: skip
            mine, theirs = ways.values()
            print(f"  ratio {mine['busy'] / theirs['busy']:.2f} in time, "
                  f"{mine['peak'] / theirs['peak']:.2f} in memory", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
