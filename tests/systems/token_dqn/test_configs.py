"""The published settings, whole; the CPU sizes with their ratios; the arms of the studies."""

from pathlib import Path

import pytest

from ablate.run.lightning_cli import resolve
from ablate.spec import paths, read_study
from ablate.spec.files import read_yaml
from ablate.systems.token_dqn.environment import Rules, floor, garbage, played
from ablate.systems.token_dqn.problems import TRAINING
from ablate.systems.token_dqn.tokens import PUBLISHED

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "configs" / "token_dqn"
PUBLISHED_SETTINGS = {
    "trainer.max_epochs": (2000, 5000),
    "model.init_args.horizon": (30, 50),
    "model.init_args.actions": (1000, 5000),
    "model.init_args.hidden": (256, 512),
    "optimizer.init_args.lr": (1e-6, 1e-6),
    "model.init_args.gamma": (0.99, 0.99),
    "model.init_args.epsilon_start": (1.0, 1.0),
    "model.init_args.epsilon_end": (0.01, 0.01),
    "model.init_args.epsilon_decay": (0.995, 0.995),
    "model.init_args.batch_size": (32, 64),
    "model.init_args.buffer": (10_000, 50_000),
    "model.init_args.min_buffer": (500, 1_000),
    "model.init_args.target_every": (10, 10),
    "model.init_args.dropout": (0.2, 0.2),
    "model.init_args.clip": (10.0, 10.0),
    "model.init_args.weights.correctness": (10.0, 10.0),
    "model.init_args.weights.quality": (2.0, 2.0),
    "model.init_args.weights.efficiency": (1.0, 1.0),
    "model.init_args.weights.progress": (0.5, 0.5),
    "trainer.check_val_every_n_epoch": (100, 50),
    "data.init_args.evaluation_episodes": (10, 20),
    "trainer.callbacks[0].init_args.every_n_epochs": (500, 100),
    "trainer.log_every_n_steps": (20, 10),
    "seed_everything": (42, 42),
}
SMALL = {
    "trainer.max_epochs": (400, 1000),
    "model.init_args.horizon": (30, 50),
    "model.init_args.actions": (200, 1000),
    "model.init_args.hidden": (64, 128),
    "model.init_args.batch_size": (32, 64),
    "model.init_args.epsilon_decay": (0.975, 0.99),
    "optimizer.init_args.lr": (1e-5, 1e-5),
}


def config(name):
    return resolve(read_yaml(FOLDER / f"{name}.yaml"))


def differing(one, other):
    flat = [paths.flatten(config) for config in (one, other)]
    return {path for path in flat[0].keys() | flat[1].keys()
            if flat[0].get(path) != flat[1].get(path)}  # fmt: skip


@pytest.mark.parametrize(
    ("names", "table"), [(("fast", "stable"), PUBLISHED_SETTINGS), (("fast-s", "stable-s"), SMALL)]
)
def test_a_config_is_its_column_and_two_differ_in_nothing_else(names, table):
    pair = [config(name) for name in names]
    for place, found in enumerate(pair):
        assert {path: paths.get(found, path) for path in table} == {
            path: values[place] for path, values in table.items()
        }
    declared = {path for path, (one, other) in table.items() if one != other}
    rest = differing(*pair) - declared
    assert rest <= {"model.init_args.buffer", "model.init_args.min_buffer"}


def test_epsilon_falls_as_far_in_a_small_run_as_in_the_fast_one():
    fast, *small = (
        paths.get(found, "model.init_args.epsilon_decay") ** paths.get(found, "trainer.max_epochs")
        for found in map(config, ("fast", "fast-s", "stable-s"))
    )
    assert small == pytest.approx([fast, fast], rel=0.15)


@pytest.mark.parametrize(
    ("study", "fast", "stable"),
    [("token_dqn", "fast-s", "stable-s"), ("token_dqn-full", "fast", "stable")],
)
def test_the_arms_of_a_study_are_the_configs(study, fast, stable, monkeypatch):
    monkeypatch.chdir(ROOT)
    prepared = read_study(study).prepare("cpu")
    for name, file in (("fast", fast), ("stable", stable)):
        (arm,) = [arm for arm in prepared.arms if arm.name == name]
        reached = prepared.configured(arm.changes, 42)
        assert differing(resolve(reached), config(file)) == set()


def test_the_floors_and_ceilings_of_a_study_are_those_of_its_arms(monkeypatch):
    monkeypatch.chdir(ROOT)
    for study in ("token_dqn", "token_dqn-full"):
        told = read_study(study).prepare("cpu").definition.episodes
        for arm, horizon in (("fast", 30), ("stable", 50)):
            rules = Rules(horizon, PUBLISHED)
            mean = sum(floor(problem, rules) for problem in TRAINING) / len(TRAINING)
            assert told.floor[arm] == pytest.approx(mean)
            best = played(TRAINING[0], rules, garbage(rules)).total
            assert told.ceiling[arm] == pytest.approx(best)
