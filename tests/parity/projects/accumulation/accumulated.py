"""Attention over small sets, whose gradients are gathered over several batches."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Attention(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 1)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = nn.functional.mse_loss(self.head(self.layer(batch[0])).mean(1), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log(
            "val_loss", nn.functional.mse_loss(self.head(self.layer(batch[0])).mean(1), batch[1])
        )

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        norm = torch.stack([p.grad.norm() for p in self.parameters() if p.grad is not None]).norm()
        self.log("gradient_norm", norm)


class Sets(LightningDataModule):
    def setup(self, stage: str) -> None:
        x = torch.randn(28, 3, 8)
        self.sets = TensorDataset(x, x.mean(dim=(1, 2))[:, None])

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.sets, batch_size=4, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.sets, batch_size=14)
