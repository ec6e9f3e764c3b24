"""WordleModule under a Trainer: what it logs, starts from and does, and how it is resumed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ablate.systems.wordle import WordleDataModule, WordleModule, base, module
from ablate.systems.wordle.base import BaseRecipe, Shape
from ablate.systems.wordle.grpo import Temperature
from ablate.systems.wordle.rewards import Rewards
from ablate.systems.wordle.words import lexicon

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

PARTS = ("format_reward", "feedback_reward", "information_reward", "accuracy_reward")
SCORES = {"reward", *PARTS, "valid_format", "invalid_word", "feedback_use", "dead_reuse"}
JUDGED = {f"val_{name}" for name in (*SCORES, "win", "win_train", "frost", "turns")}
TRAINED = {
    f"train_{name}"
    for name in (
        *SCORES, "win", "loss", "kl", "grad_norm", "temperature", "frac_reward_zero_std"
    )
}  # fmt: skip
FEW = BaseRecipe(steps=150, demonstrations=32, rate=1e-2)


class Trained(WordleModule):
    """With the optimizer that LightningCLI would bring."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder in which the base policies of these tests are kept."""
    return str(tmp_path_factory.mktemp("bases"))


def nano(cache: str, seed: int = 1, **arguments: Any) -> Trained:
    seed_everything(seed, verbose=False)
    return Trained(**{"width": 32, "base": FEW, "base_cache": cache, **arguments})


def data(**arguments: Any) -> WordleDataModule:
    few = {
        "lexicon": 50, "epoch_steps": 6, "batch_size": 16, "generations": 4,
        "val_prompts": 12, "eval_batch_size": 12, "games": 6,
    }  # fmt: skip
    return WordleDataModule(**{**few, **arguments})


def trainer(*callbacks: Callback, **arguments: Any) -> Trainer:
    quiet = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "max_epochs": 1,
    }
    return Trainer(**{**quiet, **arguments}, callbacks=list(callbacks))


def weights(model: WordleModule) -> Tensor:
    assert model.policy is not None
    return torch.cat([weight.detach().flatten().clone() for weight in model.policy.parameters()])


def validated(model: WordleModule, served: WordleDataModule) -> dict[str, float]:
    results = trainer().validate(model, datamodule=served, verbose=False)
    return {name: value for result in results for name, value in result.items()}


class Followed(Callback):
    """Remembers what is logged at every step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        logged = trainer.callback_metrics.items()
        self.steps.append({name: float(v) for name, v in logged if name.endswith("_step")})


# From end to end


def test_a_nano_run_logs_everything_and_moves(cache):
    model, seen = nano(cache), Followed()
    run = trainer(seen, max_epochs=2, gradient_clip_val=1.0)
    run.fit(model, datamodule=data())
    assert run.global_step == 12
    logged = set(run.callback_metrics)
    assert logged >= JUDGED | TRAINED
    assert logged - JUDGED <= TRAINED | {f"{name}_{when}" for name in TRAINED
                                         for when in ("step", "epoch")}  # fmt: skip
    assert all(np.isfinite(float(value)) for value in run.callback_metrics.values())
    assert not torch.equal(weights(model), reference(model))
    kl = [step["train_kl_step"] for step in seen.steps]
    assert kl[0] == pytest.approx(0, abs=1e-6)
    assert kl[-1] > kl[0]


def reference(model: WordleModule) -> Tensor:
    assert model.reference is not None
    return torch.cat([weight.flatten().clone() for weight in model.reference.parameters()])


def test_reward_is_learned(cache):
    seen = Followed()
    run = trainer(seen, max_epochs=1, limit_val_batches=0)
    run.fit(nano(cache), datamodule=data(epoch_steps=60, batch_size=64, generations=8))
    rewards = [step["train_reward_step"] for step in seen.steps]
    assert np.mean(rewards[-10:]) > np.mean(rewards[:10]) + 0.3


def test_the_epoch_means_are_those_of_its_steps(cache):
    seen = Followed()
    run = trainer(seen, limit_val_batches=0)
    run.fit(nano(cache), datamodule=data())
    for name in ("reward", "valid_format", "kl"):
        mean = np.mean([step[f"train_{name}_step"] for step in seen.steps])
        assert float(run.callback_metrics[f"train_{name}"]) == pytest.approx(mean, abs=1e-5)


def test_the_parts_add_up_to_the_reward(cache):
    logged = validated(nano(cache), data())
    assert logged["val_reward"] == pytest.approx(sum(logged[f"val_{part}"] for part in PARTS))


@pytest.mark.parametrize(
    "bad",
    [
        {"predictor": "oracle"},
        {"width": 0},
        {"beta": -0.1},
        {"clip_range": 1.0},
        {"scale": "world"},
        {"kl_clamp": 0.0},
        {"val_temperature": -1.0},
        {"play_temperature": -1.0},
        {"redraws": -1},
        {"redraw_temperature": -1.0},
        {"base": BaseRecipe(rate=0.0)},
        {"rewards": Rewards(lenience=2.0)},
        {"temperature": Temperature(end=0.0)},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_an_argument_out_of_range_is_refused_by_name(bad, cache):
    with pytest.raises(ValueError, match=next(iter(bad))):
        nano(cache, **bad)


# What it starts from


@pytest.mark.parametrize("do", ["fit", "validate"])
@pytest.mark.parametrize("seed", [None, 7])
def test_a_run_starts_from_the_base_policy_of_its_seed(do, seed, cache):
    model = nano(cache, base=BaseRecipe(2, 8, seed=seed))
    run = trainer(max_steps=0) if do == "fit" else trainer()
    getattr(run, do)(model, datamodule=data())
    expected = base.train(
        Shape(32, scorer=True), BaseRecipe(2, 8), lexicon(50), seed or 1, torch.device("cpu")
    )
    own = model.policy.state_dict()
    assert all(torch.equal(own[name], weight) for name, weight in expected.items())
    assert torch.equal(reference(model), weights(model))


def test_without_a_base_it_starts_from_chance_and_stays_near_that(tmp_path: Path):
    model = nano(str(tmp_path), base=BaseRecipe(0))
    before = weights(model)
    trainer(max_steps=0).fit(model, datamodule=data())
    assert torch.equal(weights(model), before)
    assert torch.equal(reference(model), before)
    assert list(tmp_path.iterdir()) == []


def test_a_trial_on_one_batch_trains_no_base_policy(tmp_path: Path):
    run = trainer(fast_dev_run=1)
    run.fit(nano(str(tmp_path)), datamodule=data())
    assert list(tmp_path.iterdir()) == []
    # It says nothing, and yet every name is known.
    assert run.callback_metrics.keys() >= JUDGED | TRAINED - {"train_win"}


def test_trained_weights_stay_when_they_are_validated(cache):
    model = nano(cache)
    trainer(limit_val_batches=0).fit(model, datamodule=data())
    after = weights(model)
    validated(model, data())
    assert torch.equal(weights(model), after)


def test_the_data_of_another_system_are_refused(cache):
    with pytest.raises(TypeError, match="WordleDataModule"):
        trainer().fit(nano(cache), torch.utils.data.DataLoader([torch.zeros(1)]))


# How it trains


def steps(
    model: WordleModule, served: WordleDataModule, **arguments: Any
) -> list[dict[str, float]]:
    seen = Followed()
    trainer(seen, limit_val_batches=0, **arguments).fit(model, datamodule=served)
    return seen.steps


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_the_kl_is_always_logged_and_part_of_the_loss_by_its_weight(beta, cache, monkeypatch):
    monkeypatch.setattr(module, "policy_terms", lambda log_NT, *rest: 0.0 * log_NT)
    model, served = nano(cache, beta=beta), data(epoch_steps=2)
    trainer(max_steps=0).fit(model, datamodule=served)
    with torch.no_grad():
        model.reference.head.bias[0] = 2.0
    for step in steps(model, served):
        assert step["train_kl_step"] > 0.01
        assert step["train_loss_step"] == pytest.approx(beta * step["train_kl_step"])


def test_without_a_weight_the_kl_costs_no_gradient_even_where_it_is_extreme(cache):
    model = nano(cache, beta=0.0, kl_clamp=80.0)
    run = trainer(limit_val_batches=0)
    served = data()
    run.fit(model, datamodule=served)
    with torch.no_grad():
        model.reference.head.bias[0] = 1e6
    assert all(np.isfinite(step["train_grad_norm_step"]) for step in steps(model, served))


def test_the_reference_does_not_learn(cache):
    model = nano(cache)
    trainer(max_steps=0).fit(model, datamodule=data())
    before = reference(model)
    steps(model, data())
    assert torch.equal(reference(model), before)
    assert all(p.grad is None for p in model.reference.parameters())


def test_the_temperature_follows_its_schedule(cache):
    found = steps(nano(cache, temperature=Temperature(1.0, 0.4, 0.5)), data(epoch_steps=6))
    heats = [step["train_temperature_step"] for step in found]
    assert heats == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.4, 0.4])


def test_completions_are_trained_on_as_often_as_asked(cache, monkeypatch):
    written = []
    write = module.Policy.write

    def counted(*given, **named):
        written.append(1)
        return write(*given, **named)

    monkeypatch.setattr(module.Policy, "write", counted)
    model = nano(cache)
    found = steps(model, data(epoch_steps=4, num_iterations=3))
    assert (len(found), len(written)) == (12, 4)
    kl = [one["train_kl_step"] for one in found]
    # The same completions, while the policy has moved on.
    assert len(set(kl[:3])) == 3


def test_on_policy_the_ratio_is_one_and_off_policy_it_is_not(cache, monkeypatch):
    ratios = []
    terms = module.policy_terms

    def watched(log_NT, old_NT, *rest):
        ratios.append(float((log_NT - old_NT).abs().max()))
        return terms(log_NT, old_NT, *rest)

    monkeypatch.setattr(module, "policy_terms", watched)
    steps(nano(cache), data(epoch_steps=2, num_iterations=2))
    assert ratios[::2] == [0, 0]
    assert min(ratios[1::2]) > 0


def test_iterations_and_accumulation_together_are_refused(cache):
    with pytest.raises(ValueError, match=r"set trainer\.accumulate_grad_batches to 1"):
        steps(nano(cache), data(num_iterations=2), accumulate_grad_batches=2)


def test_games_of_the_pool_are_played_on_and_replaced_when_they_are_over(cache):
    class Pools(Callback):
        def __init__(self) -> None:
            self.pools: list[Any] = []

        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
            self.pools.append(pl_module.pool)

    seen = Pools()
    served = data(epoch_steps=12, stagger=False)
    trainer(seen, limit_val_batches=0).fit(nano(cache), datamodule=served)
    for before, after in zip(seen.pools, seen.pools[1:], strict=False):
        over = before.turn_B >= 6
        assert (after.secret_B == before.secret_B)[~over].all()
        assert (after.turn_B[over] == 1).sum() + (after.turn_B[over] == 6).sum() == over.sum()
        told_before, told = (before.guess_BH >= 0).sum(1), (after.guess_BH >= 0).sum(1)
        assert (told >= told_before)[~over].all()
        assert (after.turn_B > before.turn_B)[~over].all()
    assert any((pool.turn_B >= 6).any() for pool in seen.pools)


@pytest.mark.parametrize("states", ["consistent", "fixed"])
def test_other_states_need_no_pool(states, cache):
    model = nano(cache)
    steps(model, data(states=states))
    assert model.pool is None


# Baselines and validation


@pytest.mark.parametrize("name", ["random_valid", "random_consistent"])
def test_a_baseline_has_no_parameters_and_is_validated(name, cache):
    model = nano(cache, predictor=name)
    assert list(model.parameters()) == []
    logged = validated(model, data())
    assert logged.keys() == JUDGED
    assert logged["val_valid_format"] == 1.0
    assert logged["val_invalid_word"] == 0.0
    assert (logged["val_feedback_use"] == 1.0) is (name == "random_consistent")


def test_validation_does_not_depend_on_batches_or_on_the_global_seed(cache):
    model = nano(cache, play_temperature=0.5)
    first = validated(model, data())
    torch.manual_seed(99)
    again = validated(model, data(eval_batch_size=5, games_batch_size=3))
    assert again == pytest.approx(first)


def test_training_and_validation_leave_the_global_random_numbers_alone(cache):
    model, served = nano(cache), data()
    trainer(max_steps=0).fit(model, datamodule=served)
    torch.manual_seed(3)
    expected = torch.rand(2)
    for batch in (next(iter(served.val_dataloader()[0])), next(iter(served.val_dataloader()[1]))):
        torch.manual_seed(3)
        model.player(lexicon(50))
        model.example_losses(batch)
        assert torch.equal(torch.rand(2), expected)


def test_wins_are_told_by_secret_and_rewards_by_history(cache):
    model, served = nano(cache, predictor="random_consistent"), data(games=100)
    logged = validated(model, served)
    groups = model.group_metrics()
    wins = groups["secret"]["val_win"]
    words = served.lexicon
    assert set(wins) == {words.words[secret] for secret in words.held_out}
    assert np.mean([value for value, _ in wins.values()]) == pytest.approx(logged["val_win"])
    assert wins["FROST"][0] == logged["val_frost"]
    rewards = groups["past guesses"]["val_reward"]
    assert sum(count for _, count in rewards.values()) == 12
    mean = sum(value * count for value, count in rewards.values()) / 12
    assert mean == pytest.approx(logged["val_reward"])


# Resuming


class StopAt(Callback):
    """Saves a checkpoint at a step and ends the run there."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


@pytest.mark.parametrize(
    ("stop", "served"),
    [
        (6, {}),
        (6, {"num_iterations": 3, "epoch_steps": 2}),
        (6, {"states": "consistent"}),
        (15, {"states": "fixed", "epoch_steps": None}),
    ],
    ids=["pool", "iterations", "consistent", "fixed"],
)
def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(stop, served, cache, tmp_path: Path):
    whole = nano(cache)
    logged = steps(whole, data(**served), max_epochs=2)
    broken = nano(cache)
    before = Followed()
    path = tmp_path / "stopped.ckpt"
    short = trainer(before, StopAt(stop, path), max_epochs=2, limit_val_batches=0)
    short.fit(broken, datamodule=data(**served))
    resumed, after = nano(cache, seed=5), Followed()
    run = trainer(after, max_epochs=2, limit_val_batches=0)
    run.fit(resumed, datamodule=data(**served), ckpt_path=path, weights_only=False)
    assert torch.equal(weights(resumed), weights(whole))
    rewards = [step.get("train_kl_step") for step in logged]
    assert [step.get("train_kl_step") for step in before.steps[:stop] + after.steps] == rewards


def test_the_same_seed_gives_the_same_run_and_another_one_another(cache):
    runs = [steps(nano(cache, seed=seed), data()) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
