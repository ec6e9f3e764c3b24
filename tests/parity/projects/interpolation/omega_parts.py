"""Module and data that must agree on a size."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Omega(LightningModule):
    def __init__(self, size: int, lr: float) -> None:
        super().__init__()
        self.lr = lr
        self.layer = nn.Linear(size, 1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.layer(batch[0]).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.layer(batch[0]).abs().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class OmegaData(LightningDataModule):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(32, self.size))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8)
