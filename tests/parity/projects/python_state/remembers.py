"""Plain Python state that decides what is trained: lists, averages and generators of its own."""

import random
from collections import deque

import numpy as np
import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Replayed(Dataset):
    """Hands out points with noise from a generator of its own."""

    def __init__(self, points: Tensor) -> None:
        self.points = points
        self.numpy = np.random.default_rng(3)
        self.served = 0

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> Tensor:
        self.served += 1
        noise = torch.from_numpy(self.numpy.normal(size=2)).float()
        return self.points[index] + noise / self.served


class Remembers(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.buffer: deque[Tensor] = deque(maxlen=16)
        self.average = 1.0
        self.chance = random.Random(5)
        self.generator = torch.Generator().manual_seed(6)
        self.history: dict[str, list[float]] = {"loss": []}

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        self.buffer.extend(batch)
        old = self.buffer[self.chance.randrange(len(self.buffer))]
        x = torch.cat([batch, old[None], torch.rand(1, 2, generator=self.generator)])
        loss = (self.layer(x) - self.average).pow(2).mean()
        self.average = 0.9 * self.average + 0.1 * float(loss.detach())
        self.history["loss"].append(float(loss.detach()))
        self.log("train_loss", loss)
        self.log("average", self.average)
        return loss

    def validation_step(self, batch: Tensor, index: int) -> None:
        self.log("val_loss", (self.layer(batch) - self.average).abs().mean())

    def on_train_epoch_end(self) -> None:
        self.log("best", min(self.history["loss"]))


class Remembered(LightningDataModule):
    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []

    def setup(self, stage: str) -> None:
        points = torch.rand(32, 2)
        self.train, self.val = Replayed(points), points

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.val, batch_size=8)

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Tensor:
        if self.trainer.training:
            self.epochs.append(self.trainer.current_epoch)
        return batch * (1 + 0.01 * len(self.epochs))
