"""Two studies in a real database: an ablation and a search, with everything that can go wrong."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from ablate.analysis import AblationFrames, conclude, conclude_search, load
from ablate.reports import Audit, Format, gathered, write_report
from ablate.spec import (
    Budget,
    Cause,
    ClassConfig,
    Direction,
    Objective,
    Outcome,
    ProfileChange,
    Status,
)
from ablate.store import Batch, Environment, NewRun, RunEnd, RunKey, Store, database
from ablate.testing import definitions

optuna.logging.set_verbosity(optuna.logging.WARNING)

CONFIG = {"model": {"class_path": "m.Model", "init_args": {"width": 64}}, "trainer": {"epochs": 6}}
ENVIRONMENT = Environment({"python": "3.11", "libraries": {"torch": "2.9", "lightning": "2.6"}})
HOME = "results"

OBJECTIVE = Objective(metric="val_loss", direction=Direction.MINIMIZE, at="best")
SEARCH = definitions.search(
    config=CONFIG,
    objective=OBJECTIVE,
    space={"optimizer.init_args.lr": {"float": [1e-5, 1e-2], "log": True}},
    seeds=(307,),
    budget=Budget(trials=12, timeout=3600.0),
    sampler=ClassConfig(class_path="optuna.samplers.TPESampler"),
    pruner=ClassConfig(class_path="optuna.pruners.HyperbandPruner"),
)


def an_ablation(**changes):
    """Define the ablation of these tests, with changes."""
    known = {
        "config": CONFIG,
        "arms": {
            "champion": {},
            "no_attention": {"model.init_args.attention": False},
            "a|b_<i>*c*": {"model.init_args.width": 32, "model.init_args.depth": 2},
            "late": {"model.init_args.width": 16},
        },
        "floor": {"copy_input": {"model.class_path": "m.Copy"}},
        "reference": "champion",
        "seeds": (307, 308, 309),
        "metrics": {"val_accuracy": Direction.MAXIMIZE, "val_loss": Direction.MINIMIZE},
        "objective": OBJECTIVE,
        "profile_changes": (
            ProfileChange(path="trainer.epochs", before=40, after=6),
            ProfileChange(path="data.dsn", before=None, after="postgresql://ann:hunter2@host/db"),
        ),
    }
    return definitions.ablation(**(known | changes))


def report(store, study, out, found=(), artifacts=None, *, written_as=Format.PAGE):
    """Write the report of a study with the audit that is stored, and what its runs show."""
    frames = load(store, study)
    before = frames.audited if isinstance(frames, AblationFrames) else None
    audited = Audit(before is not None, (*(before or ()), *found))
    is_ablation = isinstance(frames, AblationFrames)
    concluded = conclude(frames, audited.findings) if is_ablation else conclude_search(frames)
    reported = gathered(store, concluded, audited, artifacts or out / "no artifacts")
    return write_report(reported, out, written_as)


@pytest.fixture
def clock(monkeypatch):
    """Let every look at the clock be three seconds after the one before."""
    ticks = iter(range(10**6))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(database, "_now", lambda: start + timedelta(seconds=3 * next(ticks)))


@pytest.fixture
def store(tmp_path, clock):
    with Store.open(f"sqlite:///{tmp_path}/ablate.db", create=True) as opened:
        yield opened


def add_run(store, study, trial, definition_id, *, arm=None, seed=307, curve=(), **changes):
    """Add a run with a loss curve (and an accuracy of 1 / (1 + loss)), finished by default."""
    known = {
        "status": Status.COMPLETE,
        "cause": None,
        "reason": None,
        "attempt": 0,
        "parameters": 12_345,
        "directory": f"{HOME}/{study}/{trial}-{seed}",
    } | changes
    key = RunKey(trial, seed, known["attempt"])
    started = NewRun(
        key=key,
        arm=arm,
        definition_id=definition_id,
        config={"seed_everything": seed, "arm": arm},
        config_hash=f"{trial:04d}{seed}{known['attempt']}abcdef",
        profile="cpu",
        device="Test CPU",
        environment=ENVIRONMENT,
        code_version="0123456789ab",
        directory=known["directory"],
    )
    metrics = {
        (key, "val", name, 10 * (epoch + 1)): (epoch, value)
        for epoch, loss in enumerate(curve)
        for name, value in (("val_loss", loss), ("val_accuracy", 1 / (1 + loss)))
    }
    counts = {} if known["parameters"] is None else {key: known["parameters"]}
    store.write(Batch(study, runs={key: started}, parameters=counts, metrics=metrics))
    if known["status"] is not Status.RUNNING:
        outcome = Outcome(known["status"], known["cause"], known["reason"])
        end = RunEnd(outcome, len(curve), 10 * len(curve))
        store.write(Batch(study, ended_runs={key: end}))
    return key


def falling(start, rate, epochs=6):
    return [start * math.exp(-rate * epoch) for epoch in range(epochs)]


@pytest.fixture
def ablation(store):
    """An ablation with a failed, a diverged, a retried, a missing and a running run."""
    definition = store.define("ladder", an_ablation())
    trial = 0
    for seed in (307, 308, 309):
        wobble = (seed - 308) / 50
        for arm, rate, parameters in (
            ("champion", 0.5, 1_700_000),
            ("no_attention", 0.3, 880_000),
            ("a|b_<i>*c*", 0.2, 430_000),
            ("copy_input", 0.0, 0),
        ):
            curve, changes = falling(2.0, rate + wobble), {}
            if (arm, seed) == ("no_attention", 309):
                curve = [*curve[:3], math.nan, math.nan, math.nan]
            if (arm, seed) == ("a|b_<i>*c*", 308):
                changes = {
                    "status": Status.FAILED,
                    "cause": Cause.OUT_OF_MEMORY,
                    "reason": "out of memory <cuda> | 8 GiB",
                }
                curve = curve[:2]
            if (arm, seed) == ("champion", 308):
                add_run(
                    store,
                    "ladder",
                    trial,
                    definition,
                    arm=arm,
                    seed=seed,
                    curve=curve[:1],
                    status=Status.INTERRUPTED,
                    cause=Cause.LOST,
                    reason="lost postgresql://ann:hunter2@host/db",
                )
                changes = {"attempt": 1}
            if arm == "copy_input":
                curve = [1.5] * 6
            add_run(
                store,
                "ladder",
                trial,
                definition,
                arm=arm,
                seed=seed,
                curve=curve,
                parameters=parameters,
                **changes,
            )
            trial += 1
    add_run(store, "ladder", trial, definition, arm="late", curve=[1.9], status=Status.RUNNING)
    return "ladder"


@pytest.fixture
def search(store):
    """A search of twelve trials: one failed, one pruned, the rest complete."""
    definition = store.define("quest", SEARCH)
    study = optuna.create_study(study_name="quest", storage=store.optuna)
    spaces = {
        "optimizer.init_args.lr": FloatDistribution(1e-5, 1e-2, log=True),
        "lr_scheduler": CategoricalDistribution(["restarts", "constant"]),
    }
    for number in range(12):
        lr = 10 ** (-2 - (number * 7 % 12) / 4)
        curve = falling(2.0, 0.1 + 40 * lr)
        state, cause, reason, value = Status.COMPLETE, None, None, min(curve)
        if number == 4:
            state, cause, reason, value = Status.FAILED, Cause.RAISED, "boom <b>", None
            curve = curve[:1]
        if number == 7:
            state, reason, value, curve = Status.PRUNED, "rung 1", None, curve[:2]
        end = {"status": state, "cause": cause, "reason": reason}
        add_run(store, "quest", number, definition, curve=curve, **end)
        study.add_trial(
            FrozenTrial(
                number=number,
                trial_id=-1,
                state=TrialState["FAIL" if state is Status.FAILED else state.upper()],
                value=value,
                params={
                    "optimizer.init_args.lr": lr,
                    "lr_scheduler": "restarts" if number % 2 else "constant",
                },
                distributions=spaces,
                intermediate_values={},
                user_attrs={"state": state},
                system_attrs={},
                datetime_start=datetime(2026, 1, 1),
                datetime_complete=datetime(2026, 1, 1) + timedelta(minutes=number),
            )
        )
    session = store.start_session("quest")
    store.touch_session(replace(session, began=session.began - 75.0))
    return "quest"
