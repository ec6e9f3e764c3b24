"""TokenModule under a Trainer: what it logs and learns from, its defects, and that it resumes."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback

from ablate.run.lightning_cli import resolve
from ablate.spec import Status, paths
from ablate.spec.files import read_yaml
from ablate.systems.token_dqn import TokenDataModule, TokenModule
from ablate.systems.token_dqn.network import DuelingQNetwork, QNetwork
from ablate.systems.token_dqn.replay import ReplayMemory
from ablate.systems.token_dqn.states import states
from ablate.testing.jobs import Record, execute, run

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

CONFIG = Path(__file__).parents[3] / "configs" / "token_dqn" / "nano.yaml"
NANO: dict[str, Any] = {
    "horizon": 8, "actions": 40, "hidden": 16, "epsilon_decay": 0.5, "batch_size": 8,
    "buffer": 200, "min_buffer": 24,
}  # fmt: skip
EPISODE = {"return", "success", "passed", "parses", "length", "epsilon", "seconds"}
VALIDATION = {"return", "return_per_step", "success", "passed", "parses", "length"}


class Learner(TokenModule):
    """With the optimizer that LightningCLI would bring."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Seen(Callback):
    """Remembers the problem of every episode."""

    def __init__(self) -> None:
        self.problems: list[int] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.problems.append(int(batch))


def learner(seed: int = 1, **arguments: Any) -> Learner:
    seed_everything(seed, verbose=False)
    return Learner(**{**NANO, **arguments})


def trainer(episodes: int = 6, *callbacks: Callback) -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        max_epochs=episodes,
        limit_val_batches=0,
        callbacks=list(callbacks),
    )


def trained(episodes: int = 6, **arguments: Any) -> tuple[Learner, Trainer, Seen]:
    data = {name: arguments.pop(name) for name in ("draws",) if name in arguments}
    model, seen = learner(**arguments), Seen()
    fit = trainer(episodes, seen)
    fit.fit(model, datamodule=TokenDataModule(**data))
    return model, fit, seen


def validated(model: TokenModule, **data: Any) -> dict[str, float]:
    found = Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False
    ).validate(model, datamodule=TokenDataModule(**data), verbose=False)
    return dict(found[0])


def weights(model: TokenModule) -> torch.Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in model.policy.parameters()])


def violated(model: TokenModule) -> set[str]:
    return {name for name, test in model.properties().items() if test() is not None}


# What is logged


def test_an_episode_logs_itself_and_a_loss_only_if_it_trained():
    _, before, _ = trained(2)
    assert before.callback_metrics.keys() == {f"train_{name}" for name in EPISODE}
    _, after, _ = trained(4)
    named = {f"train_{name}" for name in EPISODE | {"loss", "loss_last"}}
    assert after.callback_metrics.keys() == named
    assert after.callback_metrics["train_epsilon"] == 0.5**3
    assert after.callback_metrics["train_length"] == 8


def test_there_is_an_update_for_every_step_once_the_memory_holds_enough():
    # 24 transitions are there with the last step of the third episode; the two before it count as
    # a step each.
    assert trained(4)[1].global_step == 2 + 1 + 8
    assert trained(5, update_every=4)[1].global_step == 2 + 1 + 2 + 2


def test_an_episode_without_an_update_changes_no_weight():
    assert torch.equal(weights(trained(2)[0]), weights(learner()))


def test_a_validation_tells_what_is_reached_on_problems_never_trained_on():
    model = learner()
    found = validated(model, evaluation_episodes=4)
    assert found.keys() == {f"val_{name}" for name in VALIDATION}
    assert found["val_return_per_step"] == pytest.approx(found["val_return"] / 8)
    groups = model.group_metrics()["problem"]["val_return"]
    assert {name: n for name, (_, n) in groups.items()} == {
        "multiply": 2, "is_prime": 1, "find_min": 1,
    }  # fmt: skip


def test_doing_nothing_reaches_the_floor_without_a_parameter():
    model = learner(predictor="do_nothing")
    assert list(model.parameters()) == []
    # Four tests cost 2.6 a step, six 4.6; the steps themselves 0.1 times 1/8 to 8/8.
    floor = -8 * (2.6 + 4.6 + 2.6) / 3 - 0.1 * 4.5
    assert validated(model, evaluation_episodes=3)["val_return"] == pytest.approx(floor)


def test_random_actions_depend_on_the_seed_alone():
    found = [
        validated(learner(seed, predictor="random"), evaluation_episodes=5)["val_return"]
        for seed in (1, 1, 2)
    ]
    assert found[0] == found[1] != found[2]


# Learning


def test_an_update_moves_values_towards_reward_and_next_value():
    model = learner(dropout=0.0, min_buffer=8, batch_size=4, clip=None)
    before = (0.1,) * 14
    for number in range(8):
        model.memory.add(number % 3, before, number, float(number), (0.2,) * 14, ended=number == 7)

    class Still:
        def zero_grad(self): ...
        def step(self): ...

    model.optimizers = Still
    model.manual_backward = lambda loss: loss.backward()
    places = np.random.default_rng(5).choice(8, 4, replace=False, shuffle=False)
    loss = model._update(np.random.default_rng(5), 7)
    errors = []
    with torch.no_grad():
        for place in places:
            embedding = model.embedding_PE[[place % 3]]
            now, then = (states(embedding, torch.full((1, 14), x)) for x in (0.1, 0.2))
            due = place + 0.99 * float(model.target(then).max()) * (place != 7)
            errors.append((float(model.policy(now)[0, place]) - due) ** 2)
    assert float(loss) == pytest.approx(np.mean(errors), rel=1e-5)


def test_the_target_is_copied_after_every_tenth_episode():
    for episodes, same in ((10, False), (11, True)):
        model = trained(episodes)[0]
        pairs = zip(model.policy.parameters(), model.target.parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs) is same
    assert trained(4, target_network=False)[0].target is None


def test_without_replay_an_update_is_made_of_the_last_transition():
    model = learner(replay=False, dropout=0.0)
    taken = []
    take = model.memory.take
    model.memory.take = lambda places: taken.append(places.tolist()) or take(places)
    trainer(4).fit(model, datamodule=TokenDataModule())
    assert taken == [[place] for place in range(23, 32)]


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(0, 30))
def test_the_memory_keeps_the_last_transitions(capacity, count):
    memory = ReplayMemory(capacity)
    for number in range(count):
        places = memory.add(number, (0.0,) * 14, number, 1.0, (1.0,) * 14, ended=True)
        assert places == number % capacity
    assert len(memory) == min(count, capacity)
    kept = memory.take(torch.arange(len(memory)))
    expected = set(range(max(0, count - capacity), count))
    assert set(kept.problem_B.tolist()) == set(kept.action_B.tolist()) == expected


@pytest.mark.parametrize(
    ("hidden", "actions", "count"),
    [(512, 1000, 1_042_408), (256, 1000, 456_168), (512, 5000, 3_094_408)],
)
def test_networks_have_the_published_numbers_of_parameters(hidden, actions, count):
    network = QNetwork(hidden, actions, 0.2)
    assert sum(weight.numel() for weight in network.parameters()) == count


def test_a_dueling_network_takes_the_mean_advantage_away():
    network = DuelingQNetwork(8, 5, 0.0)
    state_BS = torch.randn(3, 520)
    value_B1 = network.value(network.inner(state_BS))
    assert torch.allclose(network(state_BS).mean(1, keepdim=True), value_B1, atol=1e-6)
    assert math.isfinite(float(trained(4, dueling=True)[1].callback_metrics["train_loss"]))


def test_a_schedule_is_refused():
    class Scheduled(Learner):
        def configure_optimizers(self):
            optimizer = torch.optim.Adam(self.parameters())
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    with pytest.raises(ValueError, match="lr_scheduler"):
        trainer(1).fit(Scheduled(**NANO), datamodule=TokenDataModule())


# The defects of the origin


def test_a_sound_module_violates_nothing_and_every_defect_what_it_is_named_for():
    assert violated(learner()) == set()
    assert violated(learner(hidden_wired=False)) == {"the hidden width is the configured one"}
    assert violated(learner(dropout_when_acting=True)) == {"an action is a function of the state"}
    assert violated(learner(evaluation_reward="environment")) == {
        "evaluation has the reward of training"
    }
    assert violated(learner(embedding="salted")) == {"embeddings are the same in every process"}
    assert violated(learner(reseeds_global=True)) == {"a state leaves the global generator alone"}


def test_a_leaking_generator_makes_the_next_problem_a_function_of_this_one():
    problems = trained(40, draws="global", reseeds_global=True, min_buffer=200)[2].problems
    follows: dict[int, set[int]] = {}
    for one, other in pairwise(problems):
        follows.setdefault(one, set()).add(other)
    assert all(len(others) == 1 for others in follows.values())
    assert len(set(trained(40, min_buffer=200)[2].problems)) == 8


def test_a_sound_run_draws_nothing_from_the_global_generator():
    class Around(Callback):
        def on_train_start(self, trainer, pl_module):
            np.random.seed(7)

        def on_train_end(self, trainer, pl_module):
            self.drawn = np.random.random()

    around = Around()
    trainer(4, around).fit(learner(), datamodule=TokenDataModule())
    np.random.seed(7)
    assert around.drawn == np.random.random()


def test_arms_of_a_seed_see_the_same_problems_whatever_their_networks():
    assert trained(6)[2].problems == trained(6, hidden=8, dueling=True)[2].problems
    assert trained(6)[2].problems != trained(6, seed=2)[2].problems


def test_the_same_seed_gives_the_same_weights():
    assert torch.equal(weights(trained(5)[0]), weights(trained(5)[0]))
    assert not torch.equal(weights(trained(5)[0]), weights(trained(5, seed=2)[0]))


# From end to end


def test_a_run_that_continues_equals_an_unbroken_one(tmp_path: Path):
    config = read_yaml(CONFIG)
    paths.put(config, "trainer.max_epochs", 8)
    paths.put(config, "trainer.check_val_every_n_epoch", 4)
    config = resolve(config)

    def job(folder: str, **more):
        (tmp_path / folder).mkdir(exist_ok=True)
        made = run(1, tmp_path / folder, checkpoint_every=0, **more)
        return replace(made, config=config, metric="val_return")

    whole, first, second = Record(), Record(), Record()
    execute(job("whole"), whole)
    checks = iter([False] * 6 + [True])
    execute(job("broken"), first, lambda: next(checks))
    execute(job("broken", resume=True), second)
    assert first.status() is Status.INTERRUPTED
    assert len(first.series("train_return")) == 6
    assert whole.status() is second.status() is Status.COMPLETE
    for name in ("train_return", "train_loss", "train_loss_last", "train_epsilon", "val_return"):
        assert second.series(name) == whole.series(name)
    seconds = second.series("train_seconds")
    assert seconds == sorted(seconds)


def test_wrong_arguments_are_refused_by_name():
    with pytest.raises(ValueError, match="actions must be above the number of tokens, 34, got 34"):
        TokenModule(actions=34)
    with pytest.raises(ValueError, match=r"gamma must be in \[0, 1\], got 2; min_buffer must be"):
        TokenModule(gamma=2, min_buffer=1)
    with pytest.raises(ValueError, match="horizon must be from 1 to 1000"):
        TokenModule(horizon=5000)
    with pytest.raises(ValueError, match=r"draws must be .*; evaluation_episodes must be at least"):
        TokenDataModule(draws="any", evaluation_episodes=0)
