"""A schedule over the whole run, as long as the trainer says that it will be."""

from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Cycled(LightningModule):
    def __init__(self, max_lr: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(3, 6), nn.GELU(), nn.Linear(6, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.layers(batch[0]).sub(batch[1]).pow(2).mean()
        self.log("train_loss", loss)
        self.log("lr", self.lr_schedulers().get_last_lr()[0])
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.layers(batch[0]).sub(batch[1]).abs().mean())

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.AdamW(
            [
                {"params": self.layers[0].parameters(), "weight_decay": 0.1},
                {"params": self.layers[2].parameters(), "weight_decay": 0.0},
            ],
            lr=1e-3,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.hparams.max_lr, total_steps=self.trainer.estimated_stepping_batches
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Planes(LightningDataModule):
    def setup(self, stage: str) -> None:
        x = torch.randn(24, 3)
        self.points = TensorDataset(x, x.sum(dim=1, keepdim=True))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6)
