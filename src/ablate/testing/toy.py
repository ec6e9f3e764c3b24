"""A small LightningModule and LightningDataModule, as a user would write them.

Tests copy this file into a project of their own and name its classes as `toy.Toy`, `toy.Points`.
"""

import math
import os
import signal
import time

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Points(LightningDataModule):
    """Noisy sums of four numbers, as many to validate on as to train on."""

    def __init__(self, count: int = 64, batch_size: int = 16) -> None:
        super().__init__()
        self.count = count
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        self.train, self.val = (self._points(seed) for seed in (0, 1))

    def _points(self, seed: int) -> TensorDataset:
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(self.count, 4, generator=generator)
        noise = 0.1 * torch.randn(self.count, 1, generator=generator)
        return TensorDataset(x, x.sum(1, keepdim=True) + noise)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        return DataLoader(self.val, batch_size=self.batch_size)

    def fingerprint(self) -> dict[str, str]:
        return {"train": f"points-{self.count}"}


class Toy(LightningModule):
    """A two-layer perceptron; `mishap` makes it fail in one of the ways runs fail."""

    def __init__(
        self, width: int = 8, heads: int = 2, dropout: float = 0.1, mishap: str = "none"
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not divisible by heads {heads}")
        self.mishap = mishap
        self.net = nn.Sequential(
            nn.Linear(4, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 1)
        )

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        loss: Tensor = (self.net(x) - y).square().mean()
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        if self.current_epoch >= 1:
            loss = self._suffer(loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        error = self.net(x) - y
        if self.mishap == "nan objective" and self.current_epoch >= 1:
            error = error * math.nan
        self.log("val_loss", error.square().mean())
        self.log("val_error", error.abs().mean())

    def _suffer(self, loss: Tensor) -> Tensor:
        match self.mishap:
            case "raise":
                raise KeyError("the module raised")
            case "nan loss":
                return loss * math.nan
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "sleep":
                time.sleep(0.5)
            case "slow":
                time.sleep(0.05)
            case "pollute":
                os.environ["POLLUTED"] = "yes"
                torch.set_default_dtype(torch.float64)
                torch.use_deterministic_algorithms(True)
        return loss


class Mean(LightningModule):
    """Predicts zero: nothing to train."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", batch[1].square().mean())
        self.log("val_error", batch[1].abs().mean())
