"""The Lightning module of the token system: deep Q-learning, an episode per batch."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from ablate.systems.common.arguments import check
from ablate.systems.token_dqn.environment import LONGEST, Episode, Rules
from ablate.systems.token_dqn.network import (
    PUBLISHED_WIDTH,
    DuelingQNetwork,
    Network,
    QNetwork,
)
from ablate.systems.token_dqn.problems import PROBLEMS
from ablate.systems.token_dqn.properties import (
    actions_are_those_of_the_state,
    embeddings_are_the_same_everywhere,
    evaluation_has_the_reward_of_training,
    states_leave_the_global_generator_alone,
    width_is_the_configured_one,
)
from ablate.systems.token_dqn.replay import ReplayMemory
from ablate.systems.token_dqn.rewards import RewardName, RewardWeights
from ablate.systems.token_dqn.states import Embedding, embedding_seed, embeddings, states
from ablate.systems.token_dqn.tokens import Tokens, tokens_of

Predictor = Literal["dqn", "do_nothing", "random"]

_WEIGHTS = RewardWeights()
_EXPLORING, _VALIDATING = 1, 2
"""What a generator is for; with the seed and the episode, all that its draws depend on."""

_ELAPSED = "token_dqn_seconds"


class TokenModule(LightningModule):
    """Write small programs token by token, by deep Q-learning (Mnih et al. 2015).

    A batch is an episode with the updates that it brings. Of every episode are logged
    `train_return` (the undiscounted sum of rewards), `train_success` (1 if all tests pass at its
    end), `train_passed` (the share of them), `train_parses` (1 if the program does),
    `train_length`, `train_epsilon`, `train_seconds` (since the run began), and if it trained
    `train_loss` (the mean over its updates) and `train_loss_last` (that of the last one).
    Validation acts greedily and logs `val_return`, `val_return_per_step` (over the horizon),
    `val_success`, `val_passed`, `val_parses` and `val_length` as means over its episodes.

    The optimizer is the config's. The learning rate is constant: a schedule is refused.

    Args:
        predictor: "dqn", or a baseline without parameters, "do_nothing" or "random", which can be
            validated, not trained.
        horizon: The most steps of an episode, at most 1,000.
        actions: Number of actions; those beyond the tokens append nothing.
        hidden: Width of both hidden layers.
        hidden_wired: Give the network this width. False is a defect of the origin: 512 whatever
            the configuration says.
        tokens: "published": 34, in which no problem can be solved. "solvable": with the headers of
            the functions, their parameters and constants.
        weights: Weights of the parts of the reward.
        gamma: Discount of the next state's value.
        epsilon_start: Share of random actions in the first episode.
        epsilon_end: Lowest share of random actions.
        epsilon_decay: Factor from episode to episode.
        batch_size: Transitions of an update, drawn without replacement.
        buffer: Transitions kept.
        min_buffer: Transitions kept before the first update.
        update_every: Steps in the environment for each update.
        replay: Draw updates from all transitions kept. Without, each is made of the last one.
        target_network: Take the next state's value from a copy of the network that is
            `target_every` episodes old at most.
        target_every: Episodes from copy to copy.
        dropout: Rate after both hidden layers.
        dropout_when_acting: Drop while acting and evaluating, too: a defect of the origin.
        dueling: Separate the value of the state from the advantages of the actions.
        clip: Largest norm of the gradient; None: any.
        embedding: "digest": the same in every process. "salted": by Python's `hash`, a defect of
            the origin: another process has other ones.
        reseeds_global: Seed NumPy's global generator with each problem's text whenever a state is
            made, a defect of the origin: with the data's `draws: global` the next problem is a
            function of this one.
        evaluation_reward: "training": that of training. "environment": the environment's own, by
            which the origin evaluates and picks its best model.

    Raises:
        ValueError: Arguments are unknown or out of range; the message names all of them.
    """

    seconds_before: float
    embedding_PE: Tensor
    played: Tensor

    def __init__(
        self,
        *,
        predictor: Predictor = "dqn",
        horizon: int = 30,
        actions: int = 1000,
        hidden: int = 256,
        hidden_wired: bool = True,
        tokens: Tokens = "published",
        weights: RewardWeights = _WEIGHTS,
        gamma: float = 0.99,
        epsilon_start: float = 1.0,
        epsilon_end: float = 0.01,
        epsilon_decay: float = 0.995,
        batch_size: int = 32,
        buffer: int = 10_000,
        min_buffer: int = 500,
        update_every: int = 1,
        replay: bool = True,
        target_network: bool = True,
        target_every: int = 10,
        dropout: float = 0.2,
        dropout_when_acting: bool = False,
        dueling: bool = False,
        clip: float | None = 10.0,
        embedding: Embedding = "digest",
        reseeds_global: bool = False,
        evaluation_reward: RewardName = "training",
    ) -> None:
        super().__init__()
        usable = len(tokens_of(tokens))
        check(
            predictor=(predictor, predictor in get_args(Predictor), f"in {get_args(Predictor)}"),
            horizon=(horizon, 1 <= horizon <= LONGEST, f"from 1 to {LONGEST}"),
            actions=(actions, actions > usable, f"above the number of tokens, {usable}"),
            hidden=(hidden, hidden >= 2, "at least 2"),
            tokens=(tokens, tokens in get_args(Tokens), f"in {get_args(Tokens)}"),
            gamma=(gamma, 0 <= gamma <= 1, "in [0, 1]"),
            epsilon_start=(epsilon_start, 0 <= epsilon_start <= 1, "in [0, 1]"),
            epsilon_end=(epsilon_end, 0 <= epsilon_end <= epsilon_start, "in [0, epsilon_start]"),
            epsilon_decay=(epsilon_decay, 0 < epsilon_decay <= 1, "in (0, 1]"),
            batch_size=(batch_size, batch_size >= 1, "at least 1"),
            buffer=(buffer, buffer >= 1, "at least 1"),
            min_buffer=(
                min_buffer,
                batch_size <= min_buffer <= buffer,
                f"from batch_size to buffer, {batch_size} to {buffer}",
            ),
            update_every=(update_every, update_every >= 1, "at least 1"),
            target_every=(target_every, target_every >= 1, "at least 1"),
            dropout=(dropout, 0 <= dropout < 1, "in [0, 1)"),
            clip=(clip, clip is None or clip > 0, "above 0, or null"),
            embedding=(embedding, embedding in get_args(Embedding), f"in {get_args(Embedding)}"),
            evaluation_reward=(
                evaluation_reward,
                evaluation_reward in get_args(RewardName),
                f"in {get_args(RewardName)}",
            ),
        )
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.predictor: Predictor = predictor
        self.actions = actions
        self.hidden = hidden
        self.rules = Rules(horizon, tokens_of(tokens), weights)
        self.evaluation_rules = Rules(horizon, tokens_of(tokens), weights, evaluation_reward)
        self.gamma = gamma
        self.epsilon_start, self.epsilon_end = epsilon_start, epsilon_end
        self.epsilon_decay = epsilon_decay
        self.batch_size = batch_size
        self.min_buffer = min_buffer
        self.update_every = update_every
        self.replay = replay
        self.target_every = target_every
        self.dropout_when_acting = dropout_when_acting
        self.clip = clip
        self.embedding: Embedding = embedding
        self.reseeds_global = reseeds_global
        # The seed of seed_everything, whatever has been drawn since.
        self.seed = torch.initial_seed() % 2**63
        self.seconds_before = 0.0
        self.began = time.monotonic()
        self.by_problem: dict[str, list[float]] = {}
        self.policy: Network | None = None
        self.target: Network | None = None
        if predictor != "dqn":
            return
        width = hidden if hidden_wired else PUBLISHED_WIDTH
        network = DuelingQNetwork if dueling else QNetwork
        self.policy = network(width, actions, dropout)
        if target_network:
            self.target = network(width, actions, dropout).requires_grad_(False)
            self._copy_to_target()
        self.memory = ReplayMemory(buffer)
        self.register_buffer("played", torch.zeros((), dtype=torch.int64))
        # Not in checkpoints: what is salted is another in another process.
        self.register_buffer("embedding_PE", embeddings(PROBLEMS, embedding), persistent=False)

    def forward(self, state_BS: Tensor) -> Tensor:
        """Return the value of every action, (B, V)."""
        assert self.policy is not None  # noqa: S101
        values_BV: Tensor = self.policy(state_BS)
        return values_BV

    # Training

    def on_fit_start(self) -> None:
        """Refuse a schedule, which nothing would step."""
        if self.trainer.lr_scheduler_configs:
            raise ValueError("lr_scheduler: this module has none; leave it out")
        self.began = time.monotonic()

    def epsilon(self, episode: int) -> float:
        """Return the share of random actions in an episode, counted from 0."""
        return max(self.epsilon_end, self.epsilon_start * self.epsilon_decay**episode)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor | None:  # noqa: ARG002
        """Play an episode about a problem, with updates; return the mean loss if there were any."""
        place, number, horizon = int(batch), int(self.played), self.rules.horizon
        episode = Episode(PROBLEMS[place], self.rules)
        chances = np.random.default_rng([self.seed, number, _EXPLORING])
        epsilon = self.epsilon(number)
        explores = chances.random(horizon) < epsilon
        drawn = chances.integers(self.actions, size=horizon)
        losses: list[Tensor] = []
        # A development run asks whether it works, which its one episode is to tell.
        fewest = 1 if self.trainer.fast_dev_run else self.min_buffer  # type: ignore[attr-defined]
        before = episode.features()
        while not episode.over:
            step = episode.step
            if explores[step]:
                self._reseed(place)
                action = int(drawn[step])
            else:
                action = int(self._greedy([place], [before]))
            reward = episode.append(action)
            after = episode.features()
            written = self.memory.add(place, before, action, reward, after, ended=episode.over)
            before = after
            if len(self.memory) >= fewest and episode.step % self.update_every == 0:
                losses.append(self._update(chances, written))
        if not losses:
            # Lightning counts steps of the optimizer: this one changes nothing, as no gradient is
            # there, and keeps the episode apart from the one before it.
            optimizer = self.optimizers()
            optimizer.zero_grad()  # type: ignore[union-attr]
            optimizer.step()  # type: ignore[union-attr]
        if number % self.target_every == 0:
            self._copy_to_target()
        self.played += 1
        self._log_episode(episode, epsilon, losses)
        return torch.stack(losses).mean() if losses else None

    def _greedy(self, places: Sequence[int], features: Sequence[tuple[float, ...]]) -> Tensor:
        """Return the action of the highest value for each state, (B,)."""
        policy = self.policy
        assert policy is not None  # noqa: S101
        self._reseed(places[-1])
        with torch.no_grad(), policy.dropping(self.dropout_when_acting):
            features_BF = torch.tensor(features, device=self.device)
            best_B: Tensor = policy(states(self.embedding_PE[list(places)], features_BF)).argmax(1)
        return best_B

    def _update(self, chances: np.random.Generator, last: int) -> Tensor:
        """Move the values of some transitions towards what they have earned and may earn."""
        policy, optimizer = self.policy, self.optimizers()
        assert policy is not None  # noqa: S101
        places = np.array([last])
        if self.replay:
            size = len(self.memory)
            some = min(self.batch_size, size)
            places = chances.choice(size, some, replace=False, shuffle=False)
        seen = self.memory.take(torch.from_numpy(places).to(self.device))
        embedding_BE = self.embedding_PE[seen.problem_B]
        with torch.no_grad():
            next_BS = states(embedding_BE, seen.after_BF)
            best_B = self._next_values(next_BS)
            due_B = seen.reward_B + self.gamma * (1 - seen.ended_B) * best_B
        values_BV = policy(states(embedding_BE, seen.before_BF))
        loss = functional.mse_loss(values_BV.gather(1, seen.action_B[:, None])[:, 0], due_B)
        optimizer.zero_grad()  # type: ignore[union-attr]
        self.manual_backward(loss)
        if self.clip is not None:
            clip_grad_norm_(policy.parameters(), self.clip)
        optimizer.step()  # type: ignore[union-attr]
        return loss.detach()

    def _next_values(self, next_BS: Tensor) -> Tensor:
        """Return the highest value in each next state, (B,), by the copy if there is one."""
        network = self.policy if self.target is None else self.target
        assert network is not None  # noqa: S101
        with network.dropping(False):
            best_B: Tensor = network(next_BS).amax(1)
        return best_B

    def _copy_to_target(self) -> None:
        if self.target is not None and self.policy is not None:
            self.target.load_state_dict(self.policy.state_dict())

    def _reseed(self, place: int) -> None:
        if self.reseeds_global:
            np.random.seed(embedding_seed(PROBLEMS[place].docstring, self.embedding))

    def _log_episode(self, episode: Episode, epsilon: float, losses: list[Tensor]) -> None:
        named: dict[str, float | Tensor] = {
            "return": episode.total,
            "success": float(episode.verdict.solved),
            "passed": episode.passed,
            "parses": float(episode.verdict.parses),
            "length": float(episode.step),
            "epsilon": epsilon,
            "seconds": self.seconds,
        }
        if losses:
            named |= {"loss": torch.stack(losses).mean(), "loss_last": losses[-1]}
        self.log_dict(
            {f"train_{name}": value for name, value in named.items()},
            on_step=False,
            on_epoch=True,
            batch_size=1,
        )

    @property
    def seconds(self) -> float:
        """The seconds of training since the run began, also before it was interrupted."""
        return self.seconds_before + time.monotonic() - self.began

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep how long it has trained."""
        checkpoint[_ELAPSED] = self.seconds

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on counting the seconds."""
        self.seconds_before = checkpoint[_ELAPSED]

    # Evaluation

    def on_validation_epoch_start(self) -> None:
        """Forget the episodes of the evaluation before."""
        self.by_problem = {}

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:  # noqa: ARG002
        """Play an episode about each problem, all greedily and side by side."""
        places = batch.tolist()
        episodes = [Episode(PROBLEMS[place], self.evaluation_rules) for place in places]
        chances = [
            np.random.default_rng([self.seed, _VALIDATING, *turn]) for turn in self._turns(places)
        ]
        while running := [number for number, each in enumerate(episodes) if not each.over]:
            of = [places[number] for number in running]
            features = [episodes[number].features() for number in running]
            own = [chances[number] for number in running]
            for number, action in zip(running, self.act(of, features, own), strict=True):
                episodes[number].append(action)
        for episode in episodes:
            self.by_problem.setdefault(episode.problem.name, []).append(episode.total)
        horizon = self.rules.horizon
        found = {
            "return": [episode.total for episode in episodes],
            "return_per_step": [episode.total / horizon for episode in episodes],
            "success": [float(episode.verdict.solved) for episode in episodes],
            "passed": [episode.passed for episode in episodes],
            "parses": [float(episode.verdict.parses) for episode in episodes],
            "length": [float(episode.step) for episode in episodes],
        }
        for name, values in found.items():
            mean = sum(values) / len(values)
            self.log(f"val_{name}", mean, batch_size=len(values), prog_bar=name == "return")

    def act(
        self,
        places: Sequence[int],
        features: Sequence[tuple[float, ...]],
        chances: Sequence[np.random.Generator],
    ) -> list[int]:
        """Return an action for each state, as the predictor acts when it does not explore."""
        match self.predictor:
            case "do_nothing":
                return [self.actions - 1] * len(places)
            case "random":
                return [int(generator.integers(self.actions)) for generator in chances]
        return [int(action) for action in self._greedy(places, features)]

    def _turns(self, places: Sequence[int]) -> list[tuple[int, int]]:
        """Return each problem and how often it has been in this evaluation, whatever the batch."""
        turns: list[tuple[int, int]] = []
        for place in places:
            before = len(self.by_problem.get(PROBLEMS[place].name, ()))
            turns.append((place, before + sum(place == other for other, _ in turns)))
        return turns

    def group_metrics(self) -> dict[str, dict[str, dict[str, tuple[float, int]]]]:
        """Return the mean return of each problem, and of how many episodes."""
        means = {name: (sum(all_) / len(all_), len(all_)) for name, all_ in self.by_problem.items()}
        return {"problem": {"val_return": means}}

    # What the module says of itself, to be tested

    def extra_repr(self) -> str:
        """Say what shows in no weight."""
        hidden = {"hidden", "actions", "dueling", "dropout"}
        return ", ".join(
            f"{name}={value!r}" for name, value in self.hparams.items() if name not in hidden
        )

    def properties(self) -> dict[str, Callable[[], str | None]]:
        """Return the tests of what the parts are named for."""
        tests: dict[str, Callable[[], str | None]] = {
            "evaluation has the reward of training": partial(
                evaluation_has_the_reward_of_training, self.rules, self.evaluation_rules
            )
        }
        if self.policy is None:
            return tests
        return {
            **tests,
            "the hidden width is the configured one": partial(
                width_is_the_configured_one, self.policy, self.hidden
            ),
            "an action is a function of the state": partial(
                actions_are_those_of_the_state, self._greedy
            ),
            "embeddings are the same in every process": partial(
                embeddings_are_the_same_everywhere, self.embedding_PE
            ),
            "a state leaves the global generator alone": partial(
                states_leave_the_global_generator_alone, self._greedy
            ),
        }
