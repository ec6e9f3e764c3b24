"""A module that logs its own hyper-parameters, to two loggers."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Tabular(LightningModule):
    def __init__(self, width: int = 4, smooth: float = 0.5) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 1))

    def on_train_start(self) -> None:
        for logger in self.loggers:
            logger.log_hyperparams({**self.hparams, "started": True})
            logger.log_metrics({"hp_metric": -1.0}, step=0)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = nn.functional.smooth_l1_loss(
            self.layers(batch[0]), batch[1], beta=self.hparams.smooth
        )
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", nn.functional.l1_loss(self.layers(batch[0]), batch[1]))


class Table(LightningDataModule):
    def __init__(self, rows: int = 24) -> None:
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage: str) -> None:
        x = torch.rand(self.hparams.rows, 3)
        self.table = TensorDataset(x, x.max(dim=1, keepdim=True).values)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.table, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.table, batch_size=6)
