"""A module that leaves much behind: a generator, a cache and a count, none of them its own."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

GENERATOR = torch.Generator().manual_seed(42)
CACHE: dict[int, Tensor] = {}
STEPS = 0


class Stateful(LightningModule):
    built = 0

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        type(self).built += 1
        self.number = type(self).built
        self.layers = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        global STEPS  # noqa: PLW0603
        STEPS += 1
        (x,) = batch
        if index not in CACHE:
            CACHE[index] = torch.randn(x.shape, generator=GENERATOR)
        noise = CACHE[index] + 0.1 * torch.randn(x.shape, generator=GENERATOR)
        loss = (self.layers(x + noise) - self.number).pow(2).mean()
        self.log("train_loss", loss)
        self.log("steps", float(STEPS))
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", (self.layers(batch[0]) - self.number).abs().mean())


class Fixed(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(32, 2))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8)
