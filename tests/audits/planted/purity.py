"""Modules and data whose validation is not pure, as somebody may write them, and sound ones beside.

Every class here works with `DictData` or one of the data modules below.
"""

import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torchmetrics
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
)

from tests.audits.modules import random_split


class Classifier(LightningModule):
    """A sound classifier: dropout and batch norm, off in validation."""

    def __init__(self, width: int = 8, norm: bool = True) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(6, width),
            nn.BatchNorm1d(width) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(width, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        logits = self(batch[0])
        size = len(batch[1])
        self.log("val_loss", functional.cross_entropy(logits, batch[1]), batch_size=size)
        self.log("val_score", (logits.argmax(1) == batch[1]).float().mean(), batch_size=size)


class Points(LightningDataModule):
    def __init__(self, batch_size: int = 6) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.train, self.val = (TensorDataset(*random_split(30, 6, seed=s)) for s in (0, 1))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=self.batch_size)


# Parts in training mode


class TrainsOn(Classifier):
    """Goes back to training mode too early."""

    def on_validation_start(self) -> None:
        self.train()


class NormOfTheBatch(Classifier):
    """Takes batch statistics of the validation data, and keeps them."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.net[1].train()
        super().validation_step(batch, index)


class NeverEvaluates(Classifier):
    def on_validation_model_eval(self) -> None:
        pass


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x) if self.training else x


class NoisyPart(Classifier):
    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.net[2] = Noisy()

    def eval(self) -> "NoisyPart":
        super().eval()
        self.net[2].training = True
        return self


# Validation changes the model


class AdaptsInValidation(Classifier):
    """Adapts to the validation data before it is scored."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        with torch.enable_grad():
            entropy = -(self(batch[0]).softmax(1) * self(batch[0]).log_softmax(1)).sum(1).mean()
            gradients = torch.autograd.grad(entropy, list(self.net[0].parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(self.net[0].parameters(), gradients, strict=True):
                parameter.sub_(0.1 * gradient)
        super().validation_step(batch, index)


class AveragesInValidation(Classifier):
    """Moves its average once per validation, not per step."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.average = copy.deepcopy(self.net).requires_grad_(requires_grad=False)

    def on_validation_epoch_start(self) -> None:
        for mine, other in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mine.data.lerp_(other.data, 0.1)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        logits = self.average(batch[0])
        self.log("val_loss", functional.cross_entropy(logits, batch[1]), batch_size=len(batch[1]))


class ForgetsToSwapBack(Classifier):
    """Rounds the weights for validation, and trains on with the rounded ones."""

    def on_validation_start(self) -> None:
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(parameter.mul(8).round().div(8))


# Values that hang on the global seed


class AlwaysDrops(Classifier):
    """Calls functional dropout, which is on unless told otherwise."""

    def forward(self, x: Tensor) -> Tensor:
        return self.net[4](functional.dropout(self.net[:3](x), 0.3))


class Samples(Classifier):
    """Samples its latent variable in validation, too."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.net[:3](x)
        return self.net[4](hidden + torch.randn_like(hidden) * 0.5)


class MasksAtRandom(Classifier):
    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x = batch[0].clone()
        x[:, random.randrange(6)] = 0
        super().validation_step([x * np.random.uniform(0.5, 1.5), batch[1]], index)


# Values that hang on earlier validations


class BestSoFar(Classifier):
    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.best = float("inf")
        self.losses: list[Tensor] = []

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.losses.append(functional.cross_entropy(self(batch[0]), batch[1], reduction="none"))

    def on_validation_epoch_end(self) -> None:
        self.best = min(self.best, float(torch.cat(self.losses).mean()))
        self.losses.clear()
        self.log("val_loss", self.best)


class NeverClears(Classifier):
    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.losses: list[Tensor] = []

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.losses.append(functional.cross_entropy(self(batch[0]), batch[1], reduction="none"))

    def on_validation_epoch_end(self) -> None:
        self.log("val_loss", torch.cat(self.losses).mean())


class NeverResets(Classifier):
    """Updates a metric and reads it by hand, and never resets it."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.mean = torchmetrics.MeanMetric()

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.mean.update(functional.cross_entropy(self(batch[0]), batch[1], reduction="none"))

    def on_validation_epoch_end(self) -> None:
        self.log("val_loss", self.mean.compute())


class Smoothed(Classifier):
    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.register_buffer("smooth", torch.zeros(()))
        self.losses: list[Tensor] = []

    def on_validation_epoch_start(self) -> None:
        self.losses = []

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.losses.append(functional.cross_entropy(self(batch[0]), batch[1], reduction="none"))

    def on_validation_epoch_end(self) -> None:
        self.smooth.mul_(0.9).add_(0.1 * torch.cat(self.losses).mean())
        self.log("val_loss", self.smooth)


# Weights of another kind


class Averaged(Classifier):
    """Averages its weights in training; with `swap` it validates the average."""

    def __init__(self, width: int = 8, kind: str = "last") -> None:
        super().__init__(width)
        self.kind = kind
        self.average = copy.deepcopy(self.net).requires_grad_(requires_grad=False)

    def on_train_batch_end(self, *_: Any) -> None:
        for mine, other in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mine.data.lerp_(other.data, 0.1)

    def _swap(self) -> None:
        for mine, other in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mine.data, other.data = other.data, mine.data

    def on_validation_start(self) -> None:
        if self.kind == "swap":
            self._swap()

    def on_validation_end(self) -> None:
        if self.kind == "swap":
            self._swap()

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.kind in {"last", "swap"}:
            return self.net(x)
        if self.kind == "copy":
            return self.average(x)
        return torch.func.functional_call(self.net, dict(self.average.named_parameters()), (x,))


# Examples that are random


class Shaken(Dataset[tuple[Tensor, Tensor]]):
    """Adds noise to every example that it is asked for, from the global generator or its own."""

    def __init__(self, seed: int, local: bool = False) -> None:
        self.x, self.y = random_split(30, 6, seed=seed)
        self.generator = torch.Generator().manual_seed(0) if local else None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index] + 0.1 * torch.randn(6, generator=self.generator), self.y[index]


class ShakenData(Points):
    def __init__(self, local: bool = False) -> None:
        super().__init__()
        self.val = Shaken(1, local=local)


class AugmentedTraining(Points):
    """Sound: only training examples are shaken."""

    def __init__(self) -> None:
        super().__init__()
        self.train = Shaken(0)


def crop(rows: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    start = random.randrange(3)
    x = torch.stack([functional.pad(row[start : start + 4], (0, 2)) for row, _ in rows])
    return [x, torch.stack([y for _, y in rows])]


class CroppedData(Points):
    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=6, collate_fn=crop)


class ShakenStream(IterableDataset[tuple[Tensor, Tensor]]):
    def __init__(self, seed: int, noise: float = 0.1) -> None:
        self.seed = seed
        self.noise = noise

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in zip(*random_split(30, 6, seed=self.seed), strict=True):
            yield x + self.noise * torch.randn(6), y


class StreamedData(LightningDataModule):
    def __init__(self, noise: float = 0.1) -> None:
        super().__init__()
        self.noise = noise

    def train_dataloader(self) -> DataLoader:
        return DataLoader(ShakenStream(0), batch_size=6)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(ShakenStream(1, self.noise), batch_size=6)


# Draws that are uneven


class OtherLoader(Points):
    """Loads its validation data with other arguments."""

    def __init__(self, kind: str = "none") -> None:
        super().__init__()
        self.kind = kind

    def val_dataloader(self) -> DataLoader:
        val = self.val
        if self.kind == "subset":
            return DataLoader(Subset(val, torch.randperm(30)[:12].tolist()), 6)
        loaders: dict[str, dict[str, Any]] = {
            "none": {},
            "replacement": {"sampler": RandomSampler(val, replacement=True)},
            "some": {"sampler": RandomSampler(val, num_samples=12)},
            "drop_last": {"drop_last": True},
            "shuffle": {"shuffle": True},
            "shuffle, drop_last": {"shuffle": True, "drop_last": True},
            "local": {
                "sampler": RandomSampler(val, generator=torch.Generator().manual_seed(3)),
            },
        }
        return DataLoader(val, 8, **loaders[self.kind])


# What cannot be tested at once, or at all


class OffByDefault(Classifier):
    """Its score leaves 0 only once it has been trained a little."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.register_buffer("steps", torch.zeros(()))

    def on_train_batch_end(self, *_: Any) -> None:
        self.steps += 1

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        super().validation_step(batch, index)
        self.log("val_constant", 0.5, batch_size=len(batch[1]))


class Rare(Classifier):
    """Scores examples that only a large part of the data holds, as an average of batch values."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        logits = self(batch[0])
        rare = batch[0][:, 0] > 1.5
        right = (logits.argmax(1) == batch[1])[rare].float()
        self.log("val_score", right.mean() if len(right) else 0.0, batch_size=1)


# Sound modules that look like faulty ones


class WithMetrics(Classifier):
    """Metrics of torchmetrics, logged as such, and one that is reset when validation begins."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.loss, self.hand = torchmetrics.MeanMetric(), torchmetrics.MeanMetric()
        self.accuracy = torchmetrics.Accuracy(task="multiclass", num_classes=2)
        self.kept = self.net[4](torch.zeros(1, width))  # no leaf: it cannot be copied

    def on_validation_epoch_start(self) -> None:
        self.hand.reset()

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        logits = self(batch[0])
        losses = functional.cross_entropy(logits, batch[1], reduction="none")
        self.loss.update(losses)
        self.hand.update(losses)
        self.accuracy(logits, batch[1])
        self.log("val_loss", self.loss)
        self.log("val_score", self.accuracy)

    def on_validation_epoch_end(self) -> None:
        self.log("val_hand", self.hand.compute())


class OwnNoise(Classifier):
    """Samples in validation, from a generator of its own that has a seed."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        self.generator = torch.Generator().manual_seed(7)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        noise = torch.randn(batch[0].shape, generator=self.generator)
        super().validation_step([batch[0] + 0.1 * noise, batch[1]], index)


class Rollouts(Classifier):
    """Plays episodes in validation, from a seed that is always the same."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        dice = np.random.default_rng(5)
        state, total = torch.zeros(1, 6), 0.0
        for _ in range(5):
            action = float(self(state).softmax(1)[0, 1])
            total += action
            state = state + torch.as_tensor(dice.normal(size=6), dtype=torch.float32) + action
        self.log("val_return", total, batch_size=1)


class Contrastive(Classifier):
    """Has in-batch negatives in training, and a score of single pairs in validation."""

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        left, right = self(batch[0]), self(batch[0] + 0.1 * torch.randn_like(batch[0]))
        return functional.cross_entropy(left @ right.T, torch.arange(len(left)))

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        near = functional.cosine_similarity(self(batch[0]), self(batch[0] * 1.1))
        self.log("val_score", near.mean(), batch_size=len(near))


class Breaks(Classifier):
    """Refuses batches of one when `strict`."""

    def __init__(self, strict: bool = False) -> None:
        super().__init__()
        self.strict = strict

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        if self.strict and len(batch[1]) == 1:
            raise RuntimeError("a batch of one")
        super().validation_step(batch, index)


# What hangs on the hash seed


class Words(LightningDataModule):
    """Numbers its words in the order of a set."""

    def __init__(self, ordered: bool = False) -> None:
        super().__init__()
        words = {f"word{number}" for number in range(12)}
        vocabulary = sorted(words) if ordered else list(words)
        self.numbers = {word: number for number, word in enumerate(vocabulary)}

    def _loader(self, start: int) -> DataLoader:
        rows = []
        for number in range(start, start + 30):
            word = f"word{number % 12}"
            row = functional.one_hot(torch.tensor(self.numbers[word] % 6), 6).float()
            rows.append((row + number / 100, number % 2))
        return DataLoader(rows, batch_size=6)

    def train_dataloader(self) -> DataLoader:
        return self._loader(0)

    def val_dataloader(self) -> DataLoader:
        return self._loader(40)
