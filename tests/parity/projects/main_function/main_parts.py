"""A cubic function, and what fits it."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Fitter(LightningModule):
    def __init__(self, lr: float, width: int = 8) -> None:
        super().__init__()
        self.lr = lr
        self.layers = nn.Sequential(nn.Linear(1, width), nn.GELU(), nn.Linear(width, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        x, y = batch
        loss = nn.functional.l1_loss(self.layers(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        x, y = batch
        self.log("val_loss", nn.functional.l1_loss(self.layers(x), y))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(self.parameters(), lr=self.lr)


class Cubes(LightningDataModule):
    def __init__(self, count: int = 40) -> None:
        super().__init__()
        self.count = count

    def setup(self, stage: str) -> None:
        x = torch.randn(self.count, 1)
        self.points = TensorDataset(x, x**3)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=20)
