"""A callback that keeps a moving average of the weights and validates with it."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Average(Callback):
    def __init__(self, decay: float = 0.9) -> None:
        self.decay = decay
        self.average: dict[str, Tensor] = {}
        self.kept: dict[str, Tensor] = {}
        self.updates = 0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any
    ) -> None:
        self.updates += 1
        decay = min(self.decay, self.updates / (10 + self.updates))
        for name, weight in pl_module.state_dict().items():
            old = self.average.get(name, weight)
            self.average[name] = (decay * old + (1 - decay) * weight).detach().clone()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.average:
            self.kept = {k: v.clone() for k, v in pl_module.state_dict().items()}
            pl_module.load_state_dict(self.average)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.kept:
            pl_module.load_state_dict(self.kept)
            self.kept = {}

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average, "updates": self.updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.average, self.updates = state_dict["average"], state_dict["updates"]


class Averaged(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 5), nn.Softplus(), nn.Linear(5, 1))

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = self.layers(batch[0]).sub(1).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self.layers(batch[0]).sub(1).abs().mean())


class Sevens(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(24, 2))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6)
