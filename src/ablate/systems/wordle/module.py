"""The Lightning module of the wordle system: group-relative policy optimisation, and its judges."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from ablate.systems.wordle.base import BaseRecipe, Shape, pretrained
from ablate.systems.wordle.completions import LONGEST, VOCABULARY, parse, written
from ablate.systems.wordle.data import GameBatch, StateBatch, WordleDataModule
from ablate.systems.wordle.games import UNSOLVED, Player, game_noise, noise, play
from ablate.systems.wordle.grpo import (
    Scale,
    Temperature,
    advantages,
    equal_groups,
    kl_terms,
    masked_mean,
    policy_terms,
)
from ablate.systems.wordle.policy import (
    Inputs,
    Policy,
    inputs,
    log_probabilities,
    written_mask,
)
from ablate.systems.wordle.predictors import BASELINES, Predictor
from ablate.systems.wordle.properties import (
    a_group_adds_up_to_nothing,
    copies_are_marked_once,
    living_letters_are_not_dead,
    steps_write_as_the_whole,
    the_kl_is_bounded,
    the_secret_is_consistent,
    words_earn_more_than_silence,
)
from ablate.systems.wordle.rewards import Counts, Rewards, Scored, score
from ablate.systems.wordle.rules import TURNS, Ints
from ablate.systems.wordle.states import States, see
from ablate.systems.wordle.words import PROBE, Lexicon, lexicon

_REWARDS = Rewards()
_BASE = BaseRecipe()
_TEMPERATURE = Temperature()


@dataclass(frozen=True)
class Rollout:
    """Hold the completions of a step, N = P G, and all that it takes to train on them again.

    old_NT: their log-probabilities when they were written. reference_NT: those of the base policy.
    """

    features_PF: Tensor
    codes_PPA: Tensor
    row_N: Tensor
    tokens_NT: Tensor
    advantage_N: Tensor
    reference_NT: Tensor
    old_NT: Tensor | None
    temperature: float


class WordleModule(LightningModule):
    """Play Wordle: write completions for states of games, and learn from what they earn.

    Each state gets a group of completions, whose rewards relative to their group move the policy;
    a penalty keeps it near the base policy, where it begins. In training and validation are logged
    `reward` and its parts `format_reward`, `feedback_reward`, `information_reward` and
    `accuracy_reward`, `valid_format`, `invalid_word`, `feedback_use` and `dead_reuse` (see
    `rewards.py`), in validation with every penalty at its full. Games are won within six turns:
    `val_win` of the held-out secrets, `val_win_train`, and `val_frost` for that one word. Training
    logs `train_win` of the pool's games, `train_kl`, `train_grad_norm` before clipping,
    `train_temperature` and `train_frac_reward_zero_std`, the share of groups without a gradient.
    The loss is near beta times the KL by construction, and says nothing about how good it is.

    Weights once loaded, from a checkpoint or by `load_state_dict`, are kept. A module without any
    starts from the base policy, which it trains if it is not cached, or from chance under
    `fast_dev_run`.

    Args:
        predictor: "policy", or a baseline: "random_valid" or "random_consistent". Baselines have
            no parameters: they can be validated, not trained.
        width: Width of the policy, which has 485,536 parameters at 192.
        scorer: Give the policy its scorer of letters.
        base: How the base policy is trained; `base.steps: 0` starts from chance.
        base_cache: Folder of cached base policies; None: `wordle` in $ABLATE_CACHE, else in
            $XDG_CACHE_HOME/ablate, else in ~/.cache/ablate.
        rewards: Constants of the reward.
        beta: Weight of the KL to the base policy; at 0 it is logged only.
        clip_range: The ratio of probabilities counts within 1 plus or minus this.
        scale: What advantages are divided by: "group" or "batch", the standard deviation of its
            rewards; "none".
        kl_clamp: Bound of differences of log-probabilities in the KL.
        temperature: Schedule of the temperature of sampling in training.
        val_temperature: Temperature of the completions for validation states.
        play_temperature: Temperature of the guesses in games; 0 takes the most probable token.
        redraws: How often a guess that is no word is drawn again in a game.
        redraw_temperature: Temperature of these draws.

    Raises:
        ValueError: An argument is unknown or out of range; all are named.
    """

    def __init__(
        self,
        *,
        predictor: Predictor = "policy",
        width: int = 192,
        scorer: bool = True,
        base: BaseRecipe = _BASE,
        base_cache: str | None = None,
        rewards: Rewards = _REWARDS,
        beta: float = 0.03,
        clip_range: float = 0.2,
        scale: Scale = "group",
        kl_clamp: float = 10.0,
        temperature: Temperature = _TEMPERATURE,
        val_temperature: float = 1.0,
        play_temperature: float = 0.0,
        redraws: int = 3,
        redraw_temperature: float = 0.5,
    ) -> None:
        super().__init__()
        rules: dict[str, tuple[Any, bool, str]] = {
            "predictor": (
                predictor, predictor in get_args(Predictor), f"one of {get_args(Predictor)}"
            ),
            "width": (width, width >= 1, "at least 1"),
            "beta": (beta, 0 <= beta < math.inf, "finite and at least 0"),
            "clip_range": (clip_range, 0 < clip_range < 1, "in (0, 1)"),
            "scale": (scale, scale in get_args(Scale), f"one of {get_args(Scale)}"),
            "kl_clamp": (kl_clamp, 0 < kl_clamp <= 80, "in (0, 80]: beyond, exp overflows"),
            "val_temperature": (val_temperature, val_temperature >= 0, "at least 0"),
            "play_temperature": (play_temperature, play_temperature >= 0, "at least 0"),
            "redraws": (redraws, redraws >= 0, "at least 0"),
            "redraw_temperature": (redraw_temperature, redraw_temperature >= 0, "at least 0"),
        }  # fmt: skip
        found = [
            f"{name} must be {rule}, got {value!r}"
            for name, (value, holds, rule) in rules.items()
            if not holds
        ]
        found += [*base.violations(), *rewards.violations(), *temperature.violations()]
        if found:
            raise ValueError("; ".join(found))
        self.save_hyperparameters()
        self.predictor: Predictor = predictor
        self.shape = Shape(width, scorer)
        self.base = base
        self.base_cache = Path(base_cache).expanduser() if base_cache else None
        self.rewards = rewards
        self.beta = beta
        self.clip_range = clip_range
        self.scale: Scale = scale
        self.kl_clamp = kl_clamp
        self.temperature = temperature
        self.val_temperature = val_temperature
        self.play_temperature = play_temperature
        self.redraws = redraws
        self.redraw_temperature = redraw_temperature
        self.policy = Policy(width, scorer=scorer) if predictor == "policy" else None
        self.reference = copy.deepcopy(self.policy)
        if self.reference is not None:
            self.reference.requires_grad_(False)
        self.loaded = False
        self.seed: int | None = None
        self.chances = torch.Generator()
        self.pool: States | None = None
        self.rollout: Rollout | None = None
        self.steps = 0.0
        self._judged = Judged()

    # Lightning's hooks

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load weights, which the base policy's no longer replace."""
        self.loaded = True
        return super().load_state_dict(*args, **kwargs)

    def on_fit_start(self) -> None:
        """Start from the base policy, unless weights have been loaded.

        Raises TypeError if the data are not those of this system.
        """
        self._begin()

    def on_validation_model_eval(self) -> None:
        """Start from the base policy where nothing was trained before."""
        self._begin()
        super().on_validation_model_eval()

    def on_train_start(self) -> None:
        """Learn the length of the run.

        Raises ValueError if batches that come again were to be accumulated.
        """
        trainer: Any = self.trainer
        self.steps = float(trainer.estimated_stepping_batches)
        data = trainer.datamodule
        iterations = data.num_iterations if isinstance(data, WordleDataModule) else 1
        if iterations > 1 and trainer.accumulate_grad_batches > 1:
            raise ValueError(
                "num_iterations: completions are trained on again in the next optimizer step, so "
                "gradients can't be accumulated; set trainer.accumulate_grad_batches to 1 and "
                "raise batch_size"
            )

    def training_step(self, batch: StateBatch, batch_idx: int) -> Tensor:
        """Write completions for each state, or take up the last ones; return the loss."""
        policy = self._policy()
        rollout = self.rollout
        if rollout is None or batch_idx % batch.iterations == 0:
            rollout = self._rolled_out(batch)
        given = Inputs(rollout.features_PF, rollout.codes_PPA)
        context_N = policy.encode(given).of(rollout.row_N)
        logits_NTV = policy.logits(context_N, rollout.tokens_NT)
        log_NT = log_probabilities(logits_NTV, rollout.tokens_NT, rollout.temperature)
        old_NT = log_NT.detach() if rollout.old_NT is None else rollout.old_NT
        self.rollout = replace(rollout, old_NT=old_NT) if batch.iterations > 1 else None
        mask_NT = written_mask(rollout.tokens_NT)
        terms_NT = policy_terms(log_NT, old_NT, rollout.advantage_N, self.clip_range)
        loss = masked_mean(terms_NT, mask_NT)
        with torch.set_grad_enabled(self.beta > 0):
            kl = masked_mean(kl_terms(log_NT, rollout.reference_NT, self.kl_clamp), mask_NT)
        if self.beta > 0:
            loss = loss + self.beta * kl
        self._log_training({"loss": loss.detach(), "kl": kl.detach()}, len(batch.secret_B))
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Log the length of the gradients before they are clipped."""
        groups = optimizer.param_groups
        gradients = [p.grad for group in groups for p in group["params"] if p.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients)) if gradients else torch.zeros(1)
        self._log_training({"grad_norm": norms.norm()}, 1)

    def on_validation_epoch_start(self) -> None:
        """Forget the completions and games of the validation before."""
        self._judged = Judged()

    def validation_step(
        self,
        batch: StateBatch | GameBatch,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Judge completions for states, or play games."""
        words = lexicon(batch.lexicon)
        player = self.player(words)
        if isinstance(batch, StateBatch):
            states = batch.states
            seen = see(states, words)
            uniform_BT = noise(batch.noise_B, LONGEST)
            parsed = parse(player(seen, uniform_BT, self.val_temperature))
            rows = np.arange(len(states))
            scored = score(parsed, seen, rows, words, self.rewards, progress=1.0)
            self._judged.take(scored, seen.past_BH.sum(1))
            return
        turn_B = play(
            player,
            batch.secret_B.cpu().numpy(),
            game_noise(batch.noise_B, self.redraws),
            words,
            temperature=self.play_temperature,
            redraw_temperature=self.redraw_temperature,
        )
        self._judged.play(batch.secret_B.tolist(), batch.held_out_B.tolist(), turn_B, words)

    def on_validation_epoch_end(self) -> None:
        """Log every metric once."""
        for name, value in self._judged.means(self._sum_across_processes, self._empty).items():
            shown = name in {"reward", "win"}
            self.log(f"val_{name}", value, prog_bar=shown, rank_zero_only=False)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the games of the pool, the last completions and the random numbers to come."""
        pool, rollout = self.pool, self.rollout
        checkpoint["wordle"] = {
            "seed": self.seed,
            "chances": self.chances.get_state(),
            "pool": None if pool is None else {k: torch.tensor(v) for k, v in vars(pool).items()},
            "rollout": None if rollout is None else dict(vars(rollout)),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the games, completions and random numbers of a checkpoint."""
        saved = checkpoint["wordle"]
        self.seed = saved["seed"]
        self.chances.set_state(saved["chances"].cpu())
        pool, rollout = saved["pool"], saved["rollout"]
        self.pool = pool and States(**{name: kept.cpu().numpy() for name, kept in pool.items()})
        self.rollout = rollout and Rollout(**rollout)

    def extra_repr(self) -> str:
        """Say what shows in no weight: how it is trained, rewarded and judged."""
        names = (
            "predictor",
            "base",
            "rewards",
            "beta",
            "clip_range",
            "scale",
            "kl_clamp",
            "temperature",
            "val_temperature",
            "play_temperature",
            "redraws",
            "redraw_temperature",
        )
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    # What the module says of itself, to be tested

    def player(self, words: Lexicon) -> Player:
        """Return what writes completions: the policy, or the baseline in its place."""
        if self.policy is None:
            return BASELINES[self.predictor](words)
        return partial(_written_by, self.policy)

    def example_losses(self, batch: StateBatch | GameBatch) -> Tensor:
        """Return for each example the cross-entropy of guessing the secret, well formed, (B,).

        Of a baseline: whether its guess is another word.
        """
        tokens_BT, words, states = _answers(batch)
        if self.policy is None:
            guess_BT = self.player(words)(see(states, words), noise(batch.noise_B, LONGEST), 1.0)
            return torch.from_numpy((guess_BT != tokens_BT.numpy()).any(1)).float()
        logits_BTV = self._whole(states, words)(tokens_BT.to(self.device))
        log_BT = log_probabilities(logits_BTV, tokens_BT.to(self.device), 1.0)
        mask_BT = written_mask(tokens_BT).to(self.device)
        return -(log_BT * mask_BT).sum(1) / mask_BT.sum(1)

    def autoregression(
        self, batch: StateBatch | GameBatch
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return completions that guess the secrets, (B, 12), and the logits for their tokens.

        A baseline writes the same whatever the tokens.
        """
        tokens_BT, words, states = _answers(batch)
        if self.policy is not None:
            return tokens_BT.to(self.device), self._whole(states, words)
        said_BT = self.player(words)(see(states, words), noise(batch.noise_B, LONGEST), 1.0)
        said_BTV = functional.one_hot(torch.from_numpy(said_BT), VOCABULARY).float()
        return tokens_BT, lambda _: said_BTV

    def group_metrics(self) -> dict[str, dict[str, dict[str, tuple[float, int]]]]:
        """Return wins by held-out secret, and rewards by the number of past guesses."""
        return self._judged.groups()

    def untrained(self) -> list[str]:
        """Name the base policy, which is kept as it is."""
        return ["reference"]

    def properties(self) -> dict[str, Callable[[], str | None]]:
        """Return the tests of what the parts are named for."""
        small = lexicon(60)
        tests: dict[str, Callable[[], str | None]] = {
            "copies of a letter are marked once": copies_are_marked_once,
            "a letter with a living copy is not dead": living_letters_are_not_dead,
            "the secret is never excluded": partial(the_secret_is_consistent, small),
            "a word earns more than silence": partial(
                words_earn_more_than_silence, self.rewards, small
            ),
        }
        if self.policy is not None:
            tests |= {
                "advantages of a group add up to nothing": partial(
                    a_group_adds_up_to_nothing, self.scale
                ),
                "the KL estimate is bounded": partial(the_kl_is_bounded, self.kl_clamp),
                "steps write as the whole": partial(steps_write_as_the_whole, self.policy, small),
            }
        return tests

    # Parts

    def _begin(self) -> None:
        """Take over the base policy and the seed, once."""
        if self.seed is None:
            self.seed = torch.initial_seed()
            self.chances.manual_seed(self.seed)
        trainer: Any = self.trainer
        if self.policy is None or self.reference is None or self.loaded:
            return
        if self.base.steps and not trainer.fast_dev_run:
            if not isinstance(trainer.datamodule, WordleDataModule):
                raise TypeError("the wordle system plays by the lexicon of WordleDataModule")
            seed = self.seed if self.base.seed is None else self.base.seed
            device = trainer.strategy.root_device
            words = trainer.datamodule.lexicon
            cache = self.base_cache
            self.policy.load_state_dict(
                pretrained(self.shape, self.base, words, seed, cache=cache, device=device)
            )
        self.reference.load_state_dict(self.policy.state_dict())
        self.loaded = True

    def _policy(self) -> Policy:
        assert self.policy is not None  # noqa: S101
        return self.policy

    @property
    def _empty(self) -> float | None:
        """What stands for a mean over nothing: a development run asks for the names alone."""
        return 0.0 if self.trainer.fast_dev_run else None  # type: ignore[attr-defined]

    def _progress(self) -> float:
        """Return the share of the run's optimizer steps that is done; 0 if it has no end."""
        if not 0 < self.steps < math.inf:
            return 0.0
        return min(1.0, self.trainer.global_step / self.steps)

    @torch.no_grad()
    def _rolled_out(self, batch: StateBatch) -> Rollout:
        """Write completions, score them and play the pool on; log what they earn."""
        policy, reference = self._policy(), self.reference
        assert reference is not None  # noqa: S101
        words, progress = lexicon(batch.lexicon), self._progress()
        states = self._continued(batch)
        seen = see(states, words)
        given = inputs(seen, self.device)
        prompts, group = len(states), batch.generations
        rows = np.repeat(np.arange(prompts), group)
        row_N = torch.from_numpy(rows).to(self.device)
        temperature = self.temperature.at(progress)
        uniform_NT = torch.rand((len(rows), LONGEST), generator=self.chances).to(self.device)
        tokens_NT = policy.write(policy.encode(given).of(row_N), uniform_NT, temperature)
        tokens_NT = tokens_NT[:, : int(written_mask(tokens_NT).sum(1).max())]
        parsed = parse(tokens_NT.cpu().numpy())
        scored = score(parsed, seen, rows, words, self.rewards, progress=progress)
        reward_PG = torch.from_numpy(scored.total_N).reshape(prompts, group).float()
        reference_NTV = reference.logits(reference.encode(given).of(row_N), tokens_NT)
        for name, (value, count) in scored.counts().means(empty=self._empty).items():
            self._log_training({name: value}, count)
        zero = equal_groups(reward_PG)
        self._log_training({"frac_reward_zero_std": zero, "temperature": temperature}, prompts)
        if batch.pooled:
            self._play_on(states, scored.word_N.reshape(prompts, group))
        return Rollout(
            features_PF=given.features_BF,
            codes_PPA=given.codes_BPA,
            row_N=row_N,
            tokens_NT=tokens_NT,
            advantage_N=advantages(reward_PG, self.scale).flatten().to(self.device),
            reference_NT=log_probabilities(reference_NTV, tokens_NT, temperature),
            old_NT=None,
            temperature=temperature,
        )

    def _continued(self, batch: StateBatch) -> States:
        """Return the states of a batch, or the pool's games, those that are over replaced."""
        given = batch.states
        if not batch.pooled:
            return given
        if self.pool is None or len(self.pool) != len(given):
            return given
        over_B = self.pool.turn_B >= TURNS
        return self.pool.replaced(over_B, States.new(given.secret_B))

    def _play_on(self, states: States, word_PG: Ints) -> None:
        """Play one random completion of each group; where it guesses no word, the turn is lost."""
        prompts, group = word_PG.shape
        choice_P = torch.randint(group, (prompts,), generator=self.chances).numpy()
        states, over_P, solved_P = states.played(word_PG[np.arange(prompts), choice_P])
        # A game that is over is replaced in the next step.
        turn_P = np.where(over_P, TURNS, states.turn_B)
        self.pool = States(states.secret_B, states.guess_BH, turn_P)
        if over_P.any():
            self._log_training({"win": float(solved_P[over_P].mean())}, int(over_P.sum()))

    def _log_training(self, values: Mapping[str, float | Tensor], weight: int) -> None:
        self.log_dict(
            {f"train_{name}": value for name, value in values.items()},
            on_step=True,
            on_epoch=True,
            batch_size=weight,
        )

    def _whole(self, states: States, words: Lexicon) -> Callable[[Tensor], Tensor]:
        """Return what gives the logits of whole completions for states."""
        policy = self._policy()
        given = inputs(see(states, words), self.device)
        return lambda tokens_BT: policy.logits(policy.encode(given), tokens_BT)

    def _sum_across_processes(self, values: Tensor) -> Tensor:
        summed = self.trainer.strategy.reduce(values.to(self.device), reduce_op="sum")
        assert isinstance(summed, Tensor)  # noqa: S101
        return summed.cpu()


class Judged:
    """Collects what a validation finds: completions for states, and games."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.rewards: dict[int, list[float]] = {}
        self.turns: dict[str, int] = {}
        self.trained: list[int] = []

    def take(self, scored: Scored, past_N: Ints) -> None:
        """Take completions, and how many guesses came before each."""
        self.counts += scored.counts()
        for past, reward in zip(past_N.tolist(), scored.total_N.tolist(), strict=True):
            self.rewards.setdefault(past, []).append(reward)

    def play(self, secrets: list[int], held_out: list[bool], turn_N: Ints, words: Lexicon) -> None:
        """Take games by their secrets, and the turn at which each was solved."""
        for secret, apart, turn in zip(secrets, held_out, turn_N.tolist(), strict=True):
            if apart:
                self.turns[words.words[secret]] = turn
            else:
                self.trained.append(turn)

    def means(self, total: Callable[[Tensor], Tensor], empty: float | None) -> dict[str, float]:
        """Return every metric over all processes; what would be over nothing is left out.

        Or it is `empty`, as in `Counts`.
        """
        held_out = list(self.turns.values())
        probe = [self.turns[PROBE]] if PROBE in self.turns else []
        sums = {
            name: (sum(turn < UNSOLVED for turn in turns), len(turns))
            for name, turns in (("win", held_out), ("win_train", self.trained), ("frost", probe))
        }
        sums["turns"] = (sum(held_out), len(held_out))
        names = ("counts", *sums)
        own = [*vars(self.counts).values(), *(number for pair in sums.values() for number in pair)]
        found = total(torch.tensor(own, dtype=torch.float64)).tolist()
        size = len(vars(self.counts))
        counts = Counts(*found[:size])
        means = {name: value for name, (value, _) in counts.means(empty=empty).items()}
        for place, name in enumerate(names[1:]):
            value, count = found[size + 2 * place : size + 2 * place + 2]
            if count:
                means[name] = value / count
        return means

    def groups(self) -> dict[str, dict[str, dict[str, tuple[float, int]]]]:
        """Return means by group."""
        wins = {word: (float(turn < UNSOLVED), 1) for word, turn in self.turns.items()}
        rewards = {
            str(past): (sum(own) / len(own), len(own)) for past, own in sorted(self.rewards.items())
        }
        found = {"secret": {"val_win": wins}, "past guesses": {"val_reward": rewards}}
        return {name: values for name, values in found.items() if next(iter(values.values()))}


def _written_by(policy: Policy, seen: Any, uniform_NT: Tensor, temperature: float) -> Ints:
    device = policy.head.weight.device
    context = policy.encode(inputs(seen, device))
    written_NT: Ints = policy.write(context, uniform_NT.to(device), temperature).cpu().numpy()
    return written_NT


def _answers(batch: StateBatch | GameBatch) -> tuple[Tensor, Lexicon, States]:
    """Return well-formed completions that guess the secrets, the words, and the states."""
    words = lexicon(batch.lexicon)
    secret_B = batch.secret_B.cpu().numpy()
    states = batch.states if isinstance(batch, StateBatch) else States.new(secret_B)
    return torch.from_numpy(written(words.letters_L5[secret_B])), words, states
