"""A network that computes in float64, optimised by LBFGS."""

from collections.abc import Callable

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Doubled(LightningModule):
    def __init__(self, penalty: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.layer(batch[0]).sub(batch[1]).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.layer(batch[0]).sub(batch[1]).abs().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(self.parameters(), lr=0.1, max_iter=3, history_size=4)


class Sixes(LightningDataModule):
    def setup(self, stage: str) -> None:
        x = torch.rand(24, 3, dtype=torch.float64)
        self.points = TensorDataset(x, x.prod(dim=1, keepdim=True))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6)
