"""A model that is watched on a terminal, too."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class BarredToo(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Bilinear(2, 2, 1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.layer(batch[0], batch[0]).sub(1).pow(2).mean()
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.layer(batch[0], batch[0]).sub(1).abs().mean(), prog_bar=True)


class BarredTooData(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(32, 2))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8)
