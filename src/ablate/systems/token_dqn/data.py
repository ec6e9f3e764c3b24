"""The Lightning data module of the token system: which problem each episode is about."""

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ablate.systems.token_dqn.problems import PROBLEMS, TRAINING

Draws = Literal["own", "global"]
EvaluatedOn = Literal["held_out", "training"]


class Problems(Dataset[Tensor]):
    """The places of problems in `problems.PROBLEMS`; asked for a list of its own, it gives (B,)."""

    def __init__(self, places: range) -> None:
        self.places = places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, indices: list[int]) -> Tensor:
        return torch.tensor([self.places[index] for index in indices])


class EpisodeOrder(Sampler[list[int]]):
    """Draw the problem of an epoch's one episode.

    `own` draws from the seed and the epoch alone; `global` from NumPy's global generator, as the
    origin does, where everything that draws from it, or seeds it, decides about the problem.
    """

    def __init__(self, count: int, seed: int, draws: Draws) -> None:
        self.count = count
        self.seed = seed
        self.draws: Draws = draws
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose problem is served."""
        self.epoch = epoch

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[list[int]]:
        if self.draws == "global":
            yield [int(np.random.randint(self.count))]
        else:
            yield [int(np.random.default_rng([self.seed, self.epoch]).integers(self.count))]


class TokenDataModule(LightningDataModule):
    """Serve one problem for every epoch, which is an episode, and problems to evaluate on.

    Args:
        draws: "own": every episode's problem is drawn from the run's seed. "global": from NumPy's
            global generator, as in the origin.
        evaluated_on: "held_out": the three problems that are never trained on. "training": the
            eight others, as in the origin.
        evaluation_episodes: Episodes of an evaluation, over the problems in turn.

    Raises:
        ValueError: An argument is unknown or out of range.
    """

    def __init__(
        self,
        *,
        draws: Draws = "own",
        evaluated_on: EvaluatedOn = "held_out",
        evaluation_episodes: int = 10,
    ) -> None:
        super().__init__()
        wrong = []
        if draws not in get_args(Draws):
            wrong.append(f"draws must be one of {get_args(Draws)}, got {draws!r}")
        if evaluated_on not in get_args(EvaluatedOn):
            allowed = get_args(EvaluatedOn)
            wrong.append(f"evaluated_on must be one of {allowed}, got {evaluated_on!r}")
        if evaluation_episodes < 1:
            wrong.append(f"evaluation_episodes must be at least 1, got {evaluation_episodes}")
        if wrong:
            raise ValueError("; ".join(wrong))
        self.draws: Draws = draws
        self.evaluation_episodes = evaluation_episodes
        # The seed of seed_everything, whatever has been drawn since.
        self.seed = torch.initial_seed() % 2**63
        known = range(len(TRAINING))
        self.splits = {
            "train": known,
            "val": range(len(TRAINING), len(PROBLEMS)) if evaluated_on == "held_out" else known,
        }

    def train_dataloader(self) -> DataLoader[Tensor]:
        """Serve the place of one problem, (1,), in every epoch."""
        places = self.splits["train"]
        order = EpisodeOrder(len(places), self.seed, self.draws)
        return DataLoader(Problems(places), batch_size=None, sampler=order)

    def val_dataloader(self) -> DataLoader[Tensor]:
        """Serve the places of the problems to evaluate on in one batch, (B,)."""
        places = self.splits["val"]
        turns = [index % len(places) for index in range(self.evaluation_episodes)]
        return DataLoader(Problems(places), batch_size=None, sampler=[turns])

    def fingerprint(self) -> dict[str, str]:
        """Return what identifies the problems."""
        return {split: repr([PROBLEMS[i] for i in places]) for split, places in self.splits.items()}

    def example_keys(self, split: str) -> Iterable[str]:
        """Return what identifies each example of a split: what its function is to do."""
        return [PROBLEMS[place].docstring for place in self.splits[split]]
