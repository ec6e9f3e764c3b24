"""Five plain modules of different build, without a fault, and one to plant faults in.

None of the five knows of the audit: no hooks, no base class of ours.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from torch.utils.data import DataLoader, IterableDataset, Sampler, TensorDataset


def random_split(count: int, *shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, *shape, generator=generator)
    return x, (x.flatten(1).sum(1) > 0).long()


# A classifier with dictionaries for batches


class DictData(LightningDataModule):
    def __init__(self, batch_size: int = 8) -> None:
        super().__init__()
        self.batch_size = batch_size

    def _loader(self, seed: int, shuffle: bool) -> DataLoader:
        x, y = random_split(40, 6, seed=seed)
        rows = [{"features": {"x": a}, "label": b} for a, b in zip(x, y, strict=True)]
        return DataLoader(rows, batch_size=self.batch_size, shuffle=shuffle)

    def train_dataloader(self) -> DataLoader:
        return self._loader(0, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return self._loader(1, shuffle=False)


class DictClassifier(LightningModule):
    def __init__(self, width: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(6, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 2)
        )

    def training_step(self, batch: dict[str, Any], index: int) -> dict[str, Tensor]:
        loss = functional.cross_entropy(self.net(batch["features"]["x"]), batch["label"])
        self.log("train_loss", loss)
        return {"loss": loss}

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        logits, label = self.net(batch["features"]["x"]), batch["label"]
        self.log("val_loss", functional.cross_entropy(logits, label))
        self.log("val_accuracy", (logits.argmax(1) == label).float().mean())


class Replays(DictClassifier):
    """Learns from a memory once that is full, in steps of its own."""

    def __init__(
        self, width: int = 8, dropout: float = 0.1, fill: int = 100, noise: float = 0.0
    ) -> None:
        super().__init__(width, dropout)
        self.automatic_optimization = False
        self.fill = fill
        self.noise = noise
        self.memory: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: dict[str, Any], index: int) -> None:
        self.memory += zip(batch["features"]["x"], batch["label"], strict=True)
        if len(self.memory) < self.fill:
            return
        x, label = (torch.stack(column) for column in zip(*self.memory[-16:], strict=True))
        loss = functional.cross_entropy(self.net(x + self.noise), label)
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.log("train_loss", loss)


class Wanders(DictClassifier):
    """Changes its weights without a gradient: keeps a random step that lowers the loss."""

    def __init__(self, width: int = 8, dropout: float = 0.1, reach: float = 0.1) -> None:
        super().__init__(width, dropout)
        self.automatic_optimization = False
        self.reach = reach

    @torch.no_grad()
    def training_step(self, batch: dict[str, Any], index: int) -> None:
        x, label = batch["features"]["x"], batch["label"]
        before = functional.cross_entropy(self.net(x), label)
        for parameter in self.parameters():
            step = self.reach * torch.randn_like(parameter)
            parameter.add_(step)
            if functional.cross_entropy(self.net(x), label) > before:
                parameter.sub_(step)
        self.log("train_loss", before)


# A convolutional network with batch norm, tuples for batches and a metric with a state


class Images(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.train, self.val = (TensorDataset(*random_split(24, 1, 8, 8, seed=s)) for s in (0, 1))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=6, shuffle=True, drop_last=True)

    def val_dataloader(self) -> list[DataLoader]:
        return [DataLoader(self.val, batch_size=6)]


class Accuracy(nn.Module):
    """Counts over an epoch, as metric libraries do."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("right", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(()))

    def update(self, logits: Tensor, label: Tensor) -> None:
        self.right += (logits.argmax(1) == label).sum()
        self.seen += len(label)

    def compute(self) -> Tensor:
        value = self.right / self.seen
        self.right.zero_()
        self.seen.zero_()
        return value


class ConvNet(LightningModule):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, channels, 3), nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.head = nn.Linear(channels, 2)
        self.accuracy = Accuracy()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        return functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        logits = self(batch[0])
        self.accuracy.update(logits, batch[1])
        self.log("val_loss", functional.cross_entropy(logits, batch[1]))

    def on_validation_epoch_end(self) -> None:
        self.log("val_accuracy", self.accuracy.compute())


# A recurrent network over sequences of different length


def pad(rows: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    sequences = [row for row, _ in rows]
    lengths = torch.tensor([len(row) for row in sequences])
    return pad_sequence(sequences, batch_first=True), lengths, torch.tensor([y for _, y in rows])


class Sequences(LightningDataModule):
    def _loader(self, seed: int) -> DataLoader:
        generator = torch.Generator().manual_seed(seed)
        rows = []
        for _ in range(20):
            length = int(torch.randint(2, 12, (), generator=generator))
            row = torch.randn(length, 3, generator=generator)
            rows.append((row, int(row.sum() > 0)))
        return DataLoader(rows, batch_size=5, collate_fn=pad)

    def train_dataloader(self) -> DataLoader:
        return self._loader(0)

    def val_dataloader(self) -> DataLoader:
        return self._loader(1)


class Recurrent(LightningModule):
    def __init__(self, width: int = 8, lr: float = 0.01) -> None:
        super().__init__()
        self.lr = lr
        self.rnn = nn.LSTM(3, width, num_layers=2, dropout=0.2, batch_first=True)
        self.head = nn.Linear(width, 2)

    def _loss(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        x, lengths, y = batch
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.rnn(packed)
        return functional.cross_entropy(self.head(hidden[-1]), y)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        return self._loss(batch)

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> None:
        self.log("val_loss", self._loss(batch), batch_size=len(batch[2]))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"},
        }


# Two networks against each other, optimized by hand


class Adversaries(LightningModule):
    """Owns its loaders, too: there is no data module."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 2))
        self.critic = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1))

    def training_step(self, batch: list[Tensor], index: int) -> None:
        real, noise = batch
        for optimizer, network, sign in zip(
            self.optimizers(), (self.generator, self.critic), (1, -1), strict=True
        ):
            self.toggle_optimizer(optimizer)
            gap = self.critic(real).mean() - self.critic(self.generator(noise)).mean()
            optimizer.zero_grad()
            self.manual_backward(sign * gap)
            optimizer.step()
            self.untoggle_optimizer(optimizer)
            self.log(f"train_gap_{type(network).__name__}_{sign}", gap)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        real, noise = batch
        distance = (self.generator(noise) - real).norm(dim=1).mean()
        self.log("val_distance", distance)

    def configure_optimizers(self) -> tuple[list[Any], list[Any]]:
        return [
            torch.optim.Adam(self.generator.parameters(), lr=1e-3),
            torch.optim.Adam(self.critic.parameters(), lr=1e-3),
        ], []

    def _loader(self, seed: int) -> DataLoader:
        data = TensorDataset(random_split(32, 2, seed=seed)[0], random_split(32, 2, seed=9)[0])
        return DataLoader(data, batch_size=8)

    def train_dataloader(self) -> DataLoader:
        return self._loader(0)

    def val_dataloader(self) -> DataLoader:
        return self._loader(1)


# A stream: examples come in batches, and nobody knows how many


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = random_split(30, 4, seed=self.seed)
        return iter(list(zip(x, y.float(), strict=True)))


class Streams(LightningDataModule):
    def train_dataloader(self) -> DataLoader:
        return DataLoader(Stream(0), batch_size=4)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Stream(1), batch_size=4)


class Regressor(LightningModule):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x = batch[0].mul_(2.0)  # it may: a loader makes a new batch every time
        return functional.mse_loss(self.net(x)[:, 0], batch[1])

    def on_validation_epoch_start(self) -> None:
        self.errors: list[Tensor] = []

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.errors.append((self.net(batch[0].mul_(2.0))[:, 0] - batch[1]).square())

    def on_validation_epoch_end(self) -> None:
        self.log("val_error", torch.cat(self.errors).mean().sqrt())


# Indices in an order of their own, and nobody knows how many


class Order(Sampler[int]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(0, 30, 2))


class Ordered(LightningDataModule):
    def _loader(self, seed: int) -> DataLoader:
        x, y = random_split(30, 4, seed=seed)
        return DataLoader(TensorDataset(x, y.float()), batch_size=3, sampler=Order())

    def train_dataloader(self) -> DataLoader:
        return self._loader(0)

    def val_dataloader(self) -> DataLoader:
        return self._loader(1)


# One module to plant faults in

PAD = 0
WORDS = 6
Fault = Literal[
    "none",
    "future",
    "padding",
    "neighbours",
    "aggregation",
    "idle",
    "random",
    "loud",
    "property",
    "hooks fail",
    "noise",
]


def pad_pairs(rows: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    source, target = (
        pad_sequence(list(part), batch_first=True) for part in zip(*rows, strict=True)
    )
    return {"source": source, "target": target}


class Translations(LightningDataModule):
    """Pairs of sequences of words 1..5; `leak` puts validation examples among those trained on."""

    def __init__(
        self, leak: int = 0, longest: int = 8, own_context: bool = False, val_count: int = 30
    ) -> None:
        super().__init__()
        self.own_context = own_context
        generator = torch.Generator().manual_seed(3)

        def words() -> Tensor:
            length = int(torch.randint(3, longest + 1, (), generator=generator))
            return torch.randint(1, WORDS, (length,), generator=generator)

        pairs = [(words(), words()) for _ in range(60 + val_count)]
        self.val = pairs[:val_count]
        self.train = [*pairs[val_count:], *self.val[:leak]]

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=4, collate_fn=pad_pairs)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=4, collate_fn=pad_pairs)

    def contexts(self, split: str) -> Iterable[tuple[str, list[str]]]:
        pairs = self.train if split == "train" else self.val
        for number, pair in enumerate(pairs):
            shown = self.train[0] if not self.own_context else pairs[number if number < 2 else 0]
            if shown is not pair or self.own_context:
                yield repr(pair), [repr(shown)]


class Translator(LightningModule):
    """Predicts each word from the words before it and the mean of the source."""

    def __init__(
        self,
        *,
        width: int = 8,
        dropout: float = 0.0,
        twice: bool = False,
        scale: float = 1.0,
        fault: Fault = "none",
        unused: int = 3,
        draws: int = 0,
    ) -> None:
        super().__init__()
        torch.randn(draws)
        self.fault = fault
        self.embedding = nn.Embedding(WORDS, width)
        nn.init.normal_(self.embedding.weight, std=0.5 * scale)
        self.idle = nn.Linear(width, width) if fault == "idle" else None
        self.drop = nn.Sequential(*[nn.Dropout(dropout) for _ in range(1 + twice)])
        self.head = nn.Linear(width, WORDS)

    def forward(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        embedded_BSD = self.embedding(source_BS)
        real_BS1 = (source_BS != PAD)[..., None].float()
        if self.fault == "padding":
            real_BS1 = torch.ones_like(real_BS1)
        context_B1D = (embedded_BSD * real_BS1).sum(1, keepdim=True) / real_BS1.sum(1, keepdim=True)
        if self.fault == "neighbours":
            context_B1D = context_B1D - context_B1D.mean(0)
        words_BTD = self.embedding(target_BT) * (target_BT != PAD)[..., None]
        before_BTD = functional.pad(words_BTD.cumsum(1)[:, :-1], (0, 0, 1, 0))
        if self.fault == "future":
            before_BTD = words_BTD.sum(1, keepdim=True) - words_BTD
        logits = self.head(self.drop(context_B1D + before_BTD))
        if self.fault == "random":
            logits = logits + int.from_bytes(os.urandom(2), "big") * 1e-4 * logits[:, :1]
        if self.fault == "noise":
            logits = logits + torch.randn_like(logits)
        return logits * 40 if self.fault == "loud" else logits

    def example_losses(self, batch: dict[str, Tensor]) -> Tensor:
        if self.fault == "hooks fail":
            raise ZeroDivisionError("no losses today")
        target = batch["target"]
        losses = functional.cross_entropy(
            self(batch["source"], target).transpose(1, 2),
            target,
            ignore_index=PAD,
            reduction="none",
        )
        return losses.sum(1) / (target != PAD).sum(1)

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        return Translator._losses(self, batch).mean()

    def _losses(self, batch: dict[str, Tensor]) -> Tensor:
        fault, self.fault = self.fault, "none" if self.fault == "hooks fail" else self.fault
        try:
            return self.example_losses(batch)
        finally:
            self.fault = fault

    def on_validation_epoch_start(self) -> None:
        self.seen: list[Tensor] = []

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        losses = self._losses(batch)
        self.seen.append(losses.mean(0, keepdim=True) if self.fault == "aggregation" else losses)

    def on_validation_epoch_end(self) -> None:
        self.log("val_loss", torch.cat(self.seen).mean())

    def chance_loss(self, batch: dict[str, Tensor]) -> float:
        if self.fault == "hooks fail":
            raise ZeroDivisionError("no chance today")
        torch.rand(3)
        return float(torch.tensor(WORDS).log())

    def autoregression(self, batch: dict[str, Tensor]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        if self.fault == "hooks fail":
            raise ZeroDivisionError("no future today")
        return batch["target"], lambda target: self(batch["source"], target)

    def properties(self) -> dict[str, Callable[[], str | None]]:
        def order() -> str | None:
            return "it is not" if self.fault == "property" else None

        def fails() -> str | None:
            raise ZeroDivisionError("no properties today")

        return {"order": fails if self.fault == "hooks fail" else order}


class Untouched(LightningModule):
    """Begins with zeros and sees the data in one order: no seed can change it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 1)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return functional.mse_loss(self.net(batch[0])[:, 0], batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", functional.mse_loss(self.net(batch[0])[:, 0], batch[1]))


class Constant(LightningModule):
    """Predicts one class and is right `accuracy` of the time: nothing to train."""

    def __init__(self, accuracy: float = 0.5) -> None:
        super().__init__()
        self.accuracy = accuracy

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        self.log("val_loss", 1.0)
        self.log("val_accuracy", self.accuracy)
