"""Rows of numbers, and a line through them."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Hooked(LightningModule):
    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.lr = lr
        self.layer = nn.Linear(3, 1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        (x,) = batch
        loss = (self.layer(x).squeeze(-1) - x.sum(dim=1)).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        (x,) = batch
        self.log("val_loss", (self.layer(x).squeeze(-1) - x.sum(dim=1)).abs().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Rows(LightningDataModule):
    def __init__(self, rows: int = 32) -> None:
        super().__init__()
        self.rows, self.scale = rows, 1.0

    def setup(self, stage: str) -> None:
        self.data = TensorDataset(self.scale * torch.randn(self.rows, 3))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.data, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.data, batch_size=8)
