"""Sound modules that train in ways of their own: adversaries, contrast, bandits, several tasks."""

from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Splits(LightningDataModule):
    """Training and validation drawn with seeds of their own."""

    def __init__(self, batch_size: int = 8) -> None:
        super().__init__()
        self.batch_size = batch_size

    def examples(self, count: int, seed: int) -> Dataset:
        x = drawn(count, 6, seed=seed)
        return TensorDataset(x, x[:, :3].sum(1) + 0.5 * drawn(count, seed=seed + 10))

    def setup(self, stage: str) -> None:
        self.train, self.val = self.examples(96, 0), self.examples(32, 1)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, self.batch_size)


class Net(LightningModule):
    """A regressor that scores examples, not batches."""

    def __init__(self, width: int = 8, lr: float = 0.05) -> None:
        super().__init__()
        self.lr = lr
        self.net = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return functional.mse_loss(self.net(batch[0])[:, 0], batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        loss = functional.mse_loss(self.net(batch[0])[:, 0], batch[1])
        self.log("val_loss", loss, batch_size=len(batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# --- preprocessing is what is ablated ----------------------------------------------------


class Prepared(Splits):
    """Scales its inputs by what is seen in training, or leaves them as they are."""

    def __init__(self, scale: bool = True) -> None:
        super().__init__()
        self.scale = scale

    def setup(self, stage: str) -> None:
        x, z = 4 + 2 * drawn(96, 6), 4 + 2 * drawn(32, 6, seed=1)
        y, u = x.sum(1) + drawn(96, seed=3), z.sum(1) + drawn(32, seed=4)
        if self.scale:
            z = (z - x.mean(0)) / x.std(0)
            x = (x - x.mean(0)) / x.std(0)
        self.train, self.val = TensorDataset(x, y), TensorDataset(z, u)


# --- streams -----------------------------------------------------------------------------


class Stream(IterableDataset):
    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        x = drawn(self.count, 6, seed=self.seed)
        yield from zip(x, x.sum(1), strict=True)


class Streams(Splits):
    def setup(self, stage: str) -> None:
        self.train, self.val = Stream(96, 0), Stream(32, 1)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, self.batch_size)


# --- several tasks, one of which may weigh nothing ---------------------------------------


class Tasks(Splits):
    def examples(self, count: int, seed: int) -> Any:
        x = drawn(count, 6, seed=seed)
        size = x.sum(1) + 0.3 * drawn(count, seed=seed + 10)
        kind = ((x[:, 0] + x[:, 1] + 0.3 * drawn(count, seed=seed + 20)) > 0).long()
        return [
            {"x": a, "size_target": b, "kind_label": c}
            for a, b, c in zip(x, size, kind, strict=True)
        ]


class TwoTasks(LightningModule):
    def __init__(self, kind_weight: float = 1.0) -> None:
        super().__init__()
        self.kind_weight = kind_weight
        self.body = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
        self.size, self.kind = nn.Linear(8, 1), nn.Linear(8, 2)

    def losses(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        hidden = self.body(batch["x"])
        size = functional.mse_loss(self.size(hidden)[:, 0], batch["size_target"])
        return size, functional.cross_entropy(self.kind(hidden), batch["kind_label"])

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        size, kind = self.losses(batch)
        return size + self.kind_weight * kind

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        size, kind = self.losses(batch)
        self.log_dict({"val_size": size, "val_kind": kind}, batch_size=len(batch["x"]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


# --- contrast ----------------------------------------------------------------------------


class Views(Splits):
    """Two noisy views of each example, drawn anew in training and fixed in validation."""

    def examples(self, count: int, seed: int) -> Dataset:
        x = drawn(count, 6, seed=seed)
        if seed:
            return TensorDataset(
                x + 0.1 * drawn(count, 6, seed=7), x + 0.1 * drawn(count, 6, seed=8)
            )
        return Noisy(x)


class Noisy(Dataset):
    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row = self.x[index]
        return row + 0.1 * torch.randn(6), row + 0.1 * torch.randn(6)


class Contrast(LightningModule):
    """Learns from the other examples of a batch; validates each pair by itself."""

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        self.temperature = temperature
        self.net = nn.Linear(6, 4)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        left, right = (functional.normalize(self.net(x), dim=1) for x in batch)
        logits = left @ right.T / self.temperature
        return functional.cross_entropy(logits, torch.arange(len(logits)))

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        left, right = (functional.normalize(self.net(x), dim=1) for x in batch)
        self.log("val_alignment", (left * right).sum(1).mean(), batch_size=len(left))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


# --- a bandit ----------------------------------------------------------------------------


class Pulls(Splits):
    """States, the arm that was pulled at random, and its reward."""

    def examples(self, count: int, seed: int) -> Dataset:
        x = drawn(count, 6, seed=seed)
        pulled = torch.randint(0, 3, (count,), generator=torch.Generator().manual_seed(seed))
        reward = x[torch.arange(count), pulled] + 0.3 * drawn(count, seed=seed + 10)
        return TensorDataset(x, pulled, reward)


class Bandit(LightningModule):
    """A policy learned off-policy, by importance weights."""

    def __init__(self, entropy: float = 0.01) -> None:
        super().__init__()
        self.entropy = entropy
        self.policy = nn.Linear(6, 3)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, pulled, reward = batch
        chances = self.policy(x).softmax(1)
        gain = (reward * chances[torch.arange(len(x)), pulled] * 3).mean()
        return -gain + self.entropy * (chances * chances.log()).sum(1).mean()

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, pulled, reward = batch
        chances = self.policy(x).softmax(1)
        value = (reward * chances[torch.arange(len(x)), pulled] * 3).mean()
        self.log("val_reward", value, batch_size=len(x))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


# --- adversaries -------------------------------------------------------------------------


class Adversaries(LightningModule):
    """A generator and a discriminator with an optimizer each."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 6))
        self.critic = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 1))
        self.register_buffer("noise", drawn(256, 2, seed=5))

    def training_step(self, batch: list[Tensor], index: int) -> None:
        real, generated, judged = batch[0], *self.optimizers()
        fake = self.generator(torch.randn(len(real), 2))
        loss = functional.softplus(-self.critic(real)) + functional.softplus(
            self.critic(fake.detach())
        )
        judged.zero_grad()
        self.manual_backward(loss.mean())
        judged.step()
        generated.zero_grad()
        cheat = functional.softplus(-self.critic(fake)).mean()
        self.manual_backward(cheat)
        generated.step()
        self.log("train_loss", cheat)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        made = self.generator(self.noise).mean(0)
        distance = (batch[0] - made).square().sum(1).mean()
        self.log("val_distance", distance, batch_size=len(batch[0]))

    def configure_optimizers(self) -> Any:
        parts = self.generator, self.critic
        return [torch.optim.Adam(part.parameters(), lr=0.01) for part in parts]


# --- pictures, cropped at random in training alone ---------------------------------------


class Crops(Dataset):
    def __init__(self, x: Tensor, y: Tensor, *, augment: bool) -> None:
        self.x, self.y, self.augment = x, y, augment

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        picture = self.x[index]
        if self.augment:
            down, right = (int(torch.randint(0, 5, ())) for _ in range(2))
            padded = functional.pad(picture, (2, 2, 2, 2))
            picture = padded[:, down : down + 10, right : right + 10]
        return picture, self.y[index]


class Pictures(Splits):
    def __init__(self, augment: bool = True) -> None:
        super().__init__()
        self.augment = augment

    def setup(self, stage: str) -> None:
        x = drawn(128, 1, 10, 10)
        y = (x.mean((1, 2, 3)) + 0.02 * drawn(128, seed=2) > 0).long()
        self.train = Crops(x[:96], y[:96], augment=self.augment)
        self.val = Crops(x[96:], y[96:], augment=False)


class Convolutions(LightningModule):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, channels, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(channels, 2)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return functional.cross_entropy(self.head(self.body(batch[0]).flatten(1)), batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.training_step(batch, index), batch_size=len(batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


# --- a metric of a library ---------------------------------------------------------------


class Measured(Net):
    """Keeps its error in a metric of torchmetrics."""

    def __init__(self, width: int = 8) -> None:
        from torchmetrics import MeanMetric, MeanSquaredError

        super().__init__(width)
        self.seen = MeanMetric()
        self.error = MeanSquaredError()

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = super().training_step(batch, index)
        self.seen(loss)
        self.log("train_loss", self.seen, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.error(self.net(batch[0])[:, 0], batch[1])
        self.log("val_error", self.error, on_epoch=True)
