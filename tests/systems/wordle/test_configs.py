"""The recipes: the documented settings, both meanings of a batch, what is saved and expected."""

from pathlib import Path
from typing import Any

import pytest

from ablate.run.lightning_cli import build, resolve
from ablate.spec import paths, read_study
from ablate.spec.configs import merged
from ablate.spec.files import read_yaml
from ablate.spec.goals import Goals

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "configs" / "wordle"
DOCUMENTED = {
    "data.init_args.states": "fixed",
    "data.init_args.validation": "fixed",
    "data.init_args.batch_size": 2,
    "data.init_args.eval_batch_size": 2,
    "data.init_args.generations": 2,
    "data.init_args.num_iterations": 1,
    "data.init_args.seed": 42,
    "seed_everything": 42,
    "trainer.accumulate_grad_batches": 1,
    "trainer.log_every_n_steps": 10,
    "trainer.val_check_interval": 100,
    "trainer.check_val_every_n_epoch": None,
    "trainer.callbacks[0].init_args.every_n_train_steps": 100,
    "trainer.callbacks[0].init_args.save_top_k": 10,
    "trainer.callbacks[1].init_args.monitor": "val_reward",
    "trainer.callbacks[1].init_args.mode": "max",
    "model.init_args.temperature.start": 1.0,
    "model.init_args.temperature.end": 0.3,
    "model.init_args.temperature.ramp": 0.3,
}
ROUND_6_5 = {
    "full_format": 0.4, "partial_format": 0.2, "valid_word": 0.4, "wrong_length": -1.5,
    "unknown_word": -1.5, "lenience": 0.5, "green_kept": 0.4, "green_lost": -0.2,
    "yellow_new": 0.3, "yellow_tried": -0.2, "yellow_omitted": -0.4, "dead_letter": -0.5,
    "new_letter": 0.05, "floor": -1.2, "information": 1.0, "accuracy": 1.0,
}  # fmt: skip
ADDED = {"no_tag": -0.5, "trailing": -0.5, "repeated": -0.5, "solved": 1.0}
NANO = {
    "model.init_args.width": 8,
    "model.init_args.base.steps": 0,
    "data.init_args.lexicon": 50,
    "trainer.accelerator": "cpu",
}


def config(*names: str, **changes: Any) -> dict[str, Any]:
    made = merged([read_yaml(FOLDER / f"{name}.yaml") for name in names])
    for path, value in changes.items():
        paths.put(made, path, value)
    return made


@pytest.mark.parametrize("name", ["prompts", "completions"])
def test_a_recipe_has_the_documented_settings(name):
    resolved = resolve(config(name))
    assert {path: paths.get(resolved, path) for path in DOCUMENTED} == DOCUMENTED


@pytest.mark.parametrize("name", ["prompts", "completions", "cpu"])
def test_the_rewards_are_those_of_round_6_5_with_four_additions(name):
    assert paths.get(config(name), "model.init_args.rewards") == ROUND_6_5 | ADDED


def test_the_two_meanings_of_a_batch_differ_in_nothing_else():
    one, other = (paths.flatten(config(name)) for name in ("prompts", "completions"))
    differing = {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
    assert differing == {"data.init_args.batch_unit", "trainer.max_epochs"}


@pytest.mark.parametrize(
    ("name", "per_epoch", "epochs"),
    [("prompts", 30, 70), ("completions", 60, 35), ("cpu", 100, 21)],
)
def test_every_recipe_plans_2100_steps(name, per_epoch, epochs, tmp_path: Path):
    cli = build(config(name, **NANO), tmp_path, [])
    cli.datamodule.setup()
    assert len(cli.datamodule.train_dataloader()) == per_epoch
    assert cli.trainer.max_epochs == epochs
    assert per_epoch * epochs == 2100


def test_the_best_checkpoint_is_never_chosen_by_the_loss():
    for path in FOLDER.glob("*.yaml"):
        assert "loss" not in [
            each["init_args"]["monitor"].split("_")[-1]
            for each in read_yaml(path).get("trainer", {}).get("callbacks", [])
        ]


@pytest.mark.parametrize("name", ["prompts", "completions", "cpu"])
def test_the_goals_are_the_published_ones(name):
    goals = Goals.model_validate(read_yaml(FOLDER / f"{name}.goals.yaml"))
    assert sorted({milestone.at.step for milestone in goals.milestones}) == [500, 1000, 1500, 2100]
    assert len(goals.milestones) == 17
    reward, feedback = goals.success.all
    assert (reward.metric, reward.bound, reward.window) == ("train_reward_step", 1.5, 100)
    assert (feedback.metric, feedback.bound) == ("train_feedback_reward_step", 0)
    assert (goals.plateau.steps, goals.plateau.window, goals.plateau.min_delta) == (500, 100, 0.05)
    assert goals.plateau.action == ("note" if name == "cpu" else "stop")
    assert (goals.watch.steps, goals.watch.action) == (50, "stop")
    assert {condition.metric for condition in goals.watch.all} >= {"seconds_per_step", "memory_gb"}


def test_the_published_goals_are_the_same_for_every_recipe():
    told = [(FOLDER / f"{name}.goals.yaml").read_text() for name in ("prompts", "completions")]
    assert told[0] == told[1]
    assert (
        told[0].replace("action: stop", "action: note") == (FOLDER / "cpu.goals.yaml").read_text()
    )


def test_the_search_begins_with_the_recipe_and_is_for_the_soonest_success(monkeypatch):
    monkeypatch.chdir(ROOT)
    study = read_study("wordle").prepare("cuda")
    assert study.definition.objective.metric == "steps_to_success"
    recipe = resolve(config("cpu"))
    written = read_yaml(ROOT / "studies" / "wordle.yaml")
    (first,) = written["enqueue"]
    for path, value in first.items():
        space = written["space"][path]["choice"] if isinstance(value, str) else {value: value}
        assert paths.get(recipe, path) == space[value]


def test_arms_have_equal_completions_unless_they_are_named_for_them(monkeypatch):
    monkeypatch.chdir(ROOT)
    arms = read_yaml(ROOT / "studies" / "wordle-ablation.yaml")["arms"]
    for name in ("generations_2", "generations_4"):
        assert set(arms[name]) == {"data.init_args.generations"}
    for name, prompts in (("prompts_1", 1), ("prompts_4", 4)):
        assert arms[name] == {"data.init_args.batch_size": 8 * prompts}
