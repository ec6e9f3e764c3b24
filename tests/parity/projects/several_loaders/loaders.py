"""Trained on two loaders at once, validated on two, one after the other."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Domains(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def training_step(self, batch: dict[str, list[Tensor]], index: int) -> Tensor:
        losses = {
            name: nn.functional.mse_loss(self.layer(x), x.sum(dim=1, keepdim=True))
            for name, (x,) in batch.items()
        }
        self.log_dict({f"train_{name}": loss for name, loss in losses.items()})
        return sum(losses.values())

    def validation_step(self, batch: list[Tensor], index: int, dataloader_idx: int = 0) -> None:
        (x,) = batch
        loss = nn.functional.mse_loss(self.layer(x), x.sum(dim=1, keepdim=True))
        self.log("val_loss", loss, batch_size=len(x))
        self.log(f"val_worst_{dataloader_idx}", loss, reduce_fx="max", add_dataloader_idx=False)


class TwoDomains(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.near, self.far = TensorDataset(torch.rand(32, 3)), TensorDataset(torch.rand(20, 3) * 3)

    def train_dataloader(self) -> CombinedLoader:
        loaders = {
            "near": DataLoader(self.near, batch_size=8, shuffle=True),
            "far": DataLoader(self.far, batch_size=4, shuffle=True),
        }
        return CombinedLoader(loaders, "max_size_cycle")

    def val_dataloader(self) -> list[DataLoader]:
        return [DataLoader(self.near, batch_size=12), DataLoader(self.far, batch_size=12)]
