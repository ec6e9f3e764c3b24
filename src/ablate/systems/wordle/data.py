"""The Lightning data module of the wordle system: states to train on, states and games to judge."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, Literal, get_args

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ablate.systems.common.order import EpochOrder
from ablate.systems.wordle.properties import rows_are_as_published, secrets_are_held_out
from ablate.systems.wordle.rows import fixed_states
from ablate.systems.wordle.rules import NONE, TURNS
from ablate.systems.wordle.states import States, random_states
from ablate.systems.wordle.words import PROBE, Lexicon, lexicon

StateSource = Literal["pool", "consistent", "fixed"]
ValidationSource = Literal["consistent", "fixed"]
BatchUnit = Literal["prompts", "completions"]

Split = Literal["train", "val"]


@dataclass
class StateBatch:
    """Hold states in each of which a guess is due, by numbers of the lexicon.

    secret_B; guess_BH: past guesses, then -1; turn_B: turns taken; noise_B: the seed of what is
    drawn for a state in validation. lexicon: its size as it is configured. generations: how many
    completions each state gets in training. iterations: how often each batch comes in a row, to
    train on the same completions. pooled: the states are the beginnings of games that are to be
    played on.
    """

    secret_B: Tensor
    guess_BH: Tensor
    turn_B: Tensor
    noise_B: Tensor
    lexicon: int
    generations: int
    iterations: int
    pooled: bool

    @property
    def states(self) -> States:
        """The states as arrays."""
        tensors = (self.secret_B, self.guess_BH, self.turn_B)
        return States(*(tensor.cpu().numpy() for tensor in tensors))


@dataclass
class GameBatch:
    """Hold games to be played: secret_B, noise_B, held_out_B, and the size of the lexicon."""

    secret_B: Tensor
    noise_B: Tensor
    held_out_B: Tensor
    lexicon: int


class WordleDataModule(LightningDataModule):
    """Serve states to train on, held-out states, and secrets of whole games.

    There are two validation loaders: states of held-out secrets with a completion each, and games
    on held-out secrets and on secrets of training in turn, FROST first.

    Args:
        lexicon: The most frequent answers of the original game that may be guessed; CRANE and FROST
            are added. A fifth of the words are held out: never secrets of training.
        states: "pool": beginnings of games, which the policy plays on, one of its own completions
            a step. "consistent": states after guesses that could have been the secret, drawn anew
            in every epoch. "fixed": the 60 fixed rows of `rows.py`, again in every epoch.
        stagger: Let the first games of the pool begin after a random number of random guesses, as
            if they had begun at different times. Empty histories have rewards of their own.
        epoch_steps: Batches per epoch; None: an epoch has every fixed row once. "pool" and
            "consistent" have no end of their own.
        batch_size: Training batch, counted in `batch_unit`.
        batch_unit: "prompts": a batch has so many states. "completions": it has so many
            completions, hence batch_size / generations states, as TRL counts them; what is left of
            the fixed rows is dropped.
        generations: Completions of each training state, its group; at least 2.
        num_iterations: Optimizer steps on the same completions.
        validation: "consistent": held-out states as above; "fixed": the 15 fixed rows.
        val_prompts: Number of "consistent" validation states.
        val_generations: Completions of each validation state.
        eval_batch_size: Completions per batch of validation states.
        games: The most games on held-out secrets, and on secrets of training.
        games_batch_size: Games played side by side.
        seed: Seed of validation.
        num_workers: Worker processes of each data loader.

    Raises:
        ValueError: Arguments are unknown or out of range, all are named; or a batch of completions
            holds no whole groups, the nearest batch sizes that would do are named.
        ImportError: The extra `wordle` is not installed.
    """

    def __init__(
        self,
        *,
        lexicon: int = 300,
        states: StateSource = "pool",
        stagger: bool = True,
        epoch_steps: int | None = 100,
        batch_size: int = 128,
        batch_unit: BatchUnit = "completions",
        generations: int = 8,
        num_iterations: int = 1,
        validation: ValidationSource = "consistent",
        val_prompts: int = 128,
        val_generations: int = 1,
        eval_batch_size: int = 128,
        games: int = 100,
        games_batch_size: int = 256,
        seed: int = 42,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        least = {
            "lexicon": (lexicon, 2),
            "epoch_steps": (1 if epoch_steps is None else epoch_steps, 1),
            "batch_size": (batch_size, 1),
            "generations": (generations, 2),
            "num_iterations": (num_iterations, 1),
            "val_prompts": (val_prompts, 1),
            "val_generations": (val_generations, 1),
            "eval_batch_size": (eval_batch_size, 1),
            "games": (games, 1),
            "games_batch_size": (games_batch_size, 1),
            "seed": (seed, 0),
            "num_workers": (num_workers, 0),
        }
        wrong = [
            f"{name}: must be at least {bound}, got {value}"
            for name, (value, bound) in least.items()
            if value < bound
        ]
        choices: dict[str, tuple[str, Any]] = {
            "states": (states, StateSource),
            "validation": (validation, ValidationSource),
            "batch_unit": (batch_unit, BatchUnit),
        }
        wrong += [
            f"{name}: must be one of {get_args(known)}, got {value!r}"
            for name, (value, known) in choices.items()
            if value not in get_args(known)
        ]
        if epoch_steps is None and states != "fixed":
            wrong.append(
                f"epoch_steps: states {states!r} have no end; say how many steps an epoch has"
            )
        if not wrong and batch_unit == "completions" and batch_size % generations:
            wrong.append(no_whole_groups(batch_size, generations))
        if wrong:
            raise ValueError("; ".join(wrong))
        self.lexicon_size = lexicon
        self.states: StateSource = states
        self.stagger = stagger
        self.epoch_steps = epoch_steps
        self.batch_size = batch_size
        self.batch_unit: BatchUnit = batch_unit
        self.generations = generations
        self.num_iterations = num_iterations
        self.validation: ValidationSource = validation
        self.val_prompts = val_prompts
        self.val_generations = val_generations
        self.eval_batch_size = eval_batch_size
        self.games = games
        self.games_batch_size = games_batch_size
        self.seed = seed
        self.num_workers = num_workers
        self._order_seed: int | None = None
        self._train: States | None = None
        self._val: States | None = None
        self._secrets: list[int] = []

    @property
    def lexicon(self) -> Lexicon:
        """The words that may be guessed."""
        return lexicon(self.lexicon_size)

    @property
    def prompts(self) -> int:
        """States of a training batch."""
        whole = self.batch_unit == "prompts"
        return self.batch_size if whole else self.batch_size // self.generations

    # Lightning's hooks

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002
        """Make the rows, the validation states and the list of games.

        Raises ValueError if not one batch can be made of the fixed rows.
        """
        if self._val is not None:
            return
        if self._order_seed is None:
            self._order_seed = torch.initial_seed()
        words = self.lexicon
        training, validation = fixed_states(words)
        self._train = training if self.states == "fixed" else None
        if self._train is not None and not self._order_length(len(self._train)):
            raise ValueError(
                f"batch_size: {self.prompts} states are no batch of the {len(self._train)} fixed "
                "rows; make it smaller"
            )
        if self.validation == "consistent":
            validation = self._consistent_validation(words)
        self._val = validation
        self._secrets = self._chosen_games(words)

    def train_dataloader(self) -> DataLoader[StateBatch]:
        """Serve the training batches: of rows in an order that depends on seed and epoch."""
        rows, seed = (None, None) if self._train is None else (len(self._train), self._order_seed)
        order = PromptOrder(
            rows,
            self.prompts,
            self.batch_size,
            seed,
            steps=self.epoch_steps,
            drop_last=self.batch_unit == "completions",
            iterations=self.num_iterations,
        )
        return self._loader(_Numbers(order.count), order, self._training_batch)

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """Serve the validation states [0] and the games [1], always in the same order."""
        states, games = len(self.val_states) * self.val_generations, len(self._secrets)
        return [
            self._loader(
                _Numbers(states), EpochOrder(states, self.eval_batch_size), self._validation_batch
            ),
            self._loader(
                _Numbers(games), EpochOrder(games, self.games_batch_size), self._game_batch
            ),
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on with the same states and batches."""
        return {"order_seed": self._order_seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the order seed of a checkpoint."""
        self._order_seed = state_dict["order_seed"]

    # What was served

    @property
    def val_states(self) -> States:
        """Validation states. Raises RuntimeError before `setup`."""
        if self._val is None:
            raise RuntimeError("call setup() first")
        return self._val

    def train_states(self, count: int | None = None) -> States:
        """Return the fixed rows, or the first states of a stream; `count` None: of an epoch.

        Raises RuntimeError before `setup`.
        """
        if self._val is None:
            raise RuntimeError("call setup() first")
        if self._train is not None:
            return self._train.only(slice(count))
        count = (self.epoch_steps or 0) * self.prompts if count is None else count
        return _joined([self._streamed(number) for number in range(count)])

    def fingerprint(self) -> dict[str, str]:
        """Hash the lexicon, the secrets of training, validation and the games.

        What a stream serves follows from the secrets and the seed of the run.
        """
        words = self.lexicon
        val = self.val_states
        training: Any = words.training
        if self._train is not None:
            training = (self._train.secret_B.tolist(), self._train.guess_BH.tolist())
        return {
            "lexicon": _hash(repr(words.words)),
            "train": _hash(repr((self.states, training))),
            "val": _hash(repr((val.secret_B.tolist(), val.guess_BH.tolist()))),
            "games": _hash(repr(self._secrets)),
        }

    # What the data module says of itself, to be tested

    def example_keys(self, split: Split) -> Iterator[str]:
        """Yield the secret and the history of each state, and the secret of each held-out game.

        Of a stream those of the first epoch.
        """
        words = self.lexicon.words
        states = self.train_states() if split == "train" else self.val_states
        for secret, past in zip(states.secret_B.tolist(), states.guess_BH.tolist(), strict=True):
            yield " ".join([words[secret], *(words[guess] for guess in past if guess != NONE)])
        if split == "val":
            held_out = set(self.lexicon.held_out)
            yield from (words[secret] for secret in self._secrets if secret in held_out)

    def properties(self) -> dict[str, Callable[[], str | None]]:
        """Return the tests of what the data are named for."""
        words = self.lexicon
        return {
            "validation secrets are held out": partial(
                secrets_are_held_out,
                set(self.train_states().secret_B.tolist()),
                set(self.val_states.secret_B.tolist()),
            ),
            "the fixed rows have the published make-up": partial(
                rows_are_as_published, *fixed_states(words)
            ),
        }

    # Parts

    def _order_length(self, count: int) -> int:
        if self.batch_unit == "completions":
            return count // self.prompts
        return ceil(count / self.prompts)

    def _streamed(self, number: int) -> States:
        """Return the state at a position of the endless stream."""
        words = self.lexicon
        rng = np.random.default_rng([self._order_seed or 0, number])
        secret = int(rng.choice(words.training))
        pooled = self.states == "pool"
        # Only the first games of a pool may begin in the middle.
        begun = not pooled or (self.stagger and number < self.prompts)
        turns = int(rng.integers(0, TURNS)) if begun else 0
        return random_states(secret, turns, words, rng, consistent=not pooled)

    def _consistent_validation(self, words: Lexicon) -> States:
        rng = np.random.default_rng([self.seed, 0])
        made = [
            random_states(
                int(rng.choice(words.held_out)), number % TURNS, words, rng, consistent=True
            )
            for number in range(self.val_prompts)
        ]
        return _joined(made)

    def _chosen_games(self, words: Lexicon) -> list[int]:
        """Return the secrets of the games: held-out ones and those of training in turn."""
        rng = np.random.default_rng([self.seed, 1])
        probe = words.words.index(PROBE)
        held_out = [
            secret for secret in rng.permutation(words.held_out).tolist() if secret != probe
        ]
        training = rng.permutation(words.training).tolist()[: self.games]
        held_out = [probe, *held_out][: self.games]
        paired = [secret for pair in zip(held_out, training, strict=False) for secret in pair]
        common = len(paired) // 2
        return [*paired, *held_out[common:], *training[common:]]

    def _training_batch(self, numbers: Sequence[int]) -> StateBatch:
        if self._train is not None:
            states = self._train.only(list(numbers))
        else:
            states = _joined([self._streamed(number) for number in numbers])
        return self._state_batch(states, numbers, pooled=self.states == "pool")

    def _validation_batch(self, numbers: Sequence[int]) -> StateBatch:
        rows = np.array(numbers) // self.val_generations
        return self._state_batch(self.val_states.only(rows), numbers, pooled=False)

    def _state_batch(self, states: States, numbers: Sequence[int], *, pooled: bool) -> StateBatch:
        return StateBatch(
            secret_B=torch.from_numpy(states.secret_B),
            guess_BH=torch.from_numpy(states.guess_BH),
            turn_B=torch.from_numpy(states.turn_B),
            noise_B=_seeds(self.seed, 0, numbers),
            lexicon=self.lexicon_size,
            generations=self.generations,
            iterations=self.num_iterations,
            pooled=pooled,
        )

    def _game_batch(self, numbers: Sequence[int]) -> GameBatch:
        secrets = [self._secrets[number] for number in numbers]
        held_out = set(self.lexicon.held_out)
        return GameBatch(
            secret_B=torch.tensor(secrets),
            noise_B=_seeds(self.seed, 1, numbers),
            held_out_B=torch.tensor([secret in held_out for secret in secrets]),
            lexicon=self.lexicon_size,
        )

    def _loader(
        self, dataset: Dataset[list[int]], order: Any, collate: Callable[[list[int]], Any]
    ) -> DataLoader[Any]:
        return DataLoader(
            dataset,
            batch_size=None,
            sampler=order,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            collate_fn=collate,
        )


class PromptOrder(Sampler[list[int]]):
    """Yield the positions of each training batch, every batch `iterations` times in a row.

    Rows are gone through again and again, each time in an order that depends on the seed and on how
    often they were gone through; positions of a stream go on for ever. Lightning calls `set_epoch`,
    also after resuming.

    Args:
        rows: Number of rows; None: a stream.
        prompts: Positions per batch.
        batch_size: What `ablate plan` reads as the batch, in the unit of the config.
        seed: Seed of the order of rows.
        steps: Batches per epoch; None: those that go through the rows once.
        drop_last: Leave out a short last batch of the rows.
        iterations: How often each batch comes.
    """

    def __init__(
        self,
        rows: int | None,
        prompts: int,
        batch_size: int,
        seed: int | None = None,
        *,
        steps: int | None = None,
        drop_last: bool = False,
        iterations: int = 1,
    ) -> None:
        self.rows = rows
        self.prompts = prompts
        self.batch_size = batch_size
        self.seed = seed
        self.drop_last = drop_last
        self.iterations = iterations
        self.epoch = 0
        once = rows or 0
        self.pass_steps = once // prompts if drop_last else ceil(once / prompts)
        self.steps = self.pass_steps if steps is None else steps

    @property
    def count(self) -> int:
        """Number of different positions of an epoch."""
        return self.steps * self.prompts if self.rows is None else self.rows

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is served."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps * self.iterations

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.epoch * self.steps, (self.epoch + 1) * self.steps):
            if self.rows is None:
                batch = list(range(step * self.prompts, (step + 1) * self.prompts))
            else:
                turn, place = divmod(step, self.pass_steps)
                order = np.random.default_rng([self.seed or 0, turn]).permutation(self.rows)
                batch = order[place * self.prompts : (place + 1) * self.prompts].tolist()
            for _ in range(self.iterations):
                yield list(batch)


class _Numbers(Dataset[list[int]]):
    """Serve the positions themselves, of which a batch is made."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, positions: Sequence[int]) -> list[int]:
        return list(positions)


def no_whole_groups(batch_size: int, generations: int) -> str:
    """Say that completions are no whole groups, and the nearest batch sizes that are."""
    below = batch_size // generations * generations
    near = [size for size in (below, below + generations) if size]
    return (
        f"batch_size: {batch_size} completions are no whole groups of {generations} generations; "
        f"set batch_size to {' or '.join(map(str, near))}, or batch_unit to prompts"
    )


def _joined(parts: Sequence[States]) -> States:
    return States(
        np.concatenate([part.secret_B for part in parts]),
        np.concatenate([part.guess_BH for part in parts]),
        np.concatenate([part.turn_B for part in parts]),
    )


def _seeds(seed: int, what: int, numbers: Sequence[int]) -> Tensor:
    """Return a seed of its own for every example."""
    return torch.tensor(
        [int(np.random.default_rng([seed, what, number]).integers(2**62)) for number in numbers]
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
