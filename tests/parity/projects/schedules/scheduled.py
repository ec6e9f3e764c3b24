"""Two parts of a network, one with a schedule per step, the other slowed on a plateau."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Scheduled(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.first, self.second = nn.Linear(2, 4), nn.Linear(4, 1)

    def _loss(self, batch: list[Tensor]) -> Tensor:
        return (self.second(self.first(batch[0]).tanh()) - 1).pow(2).mean()

    def training_step(self, batch: list[Tensor], index: int) -> None:
        loss = self._loss(batch)
        optimizers = self.optimizers()
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()
        self.lr_schedulers()[0].step()
        self.log("train_loss", loss)
        self.log("lr", optimizers[1].param_groups[0]["lr"])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val_loss", self._loss(batch))

    def on_train_epoch_end(self) -> None:
        self.lr_schedulers()[1].step(self.trainer.callback_metrics["val_loss"])

    def configure_optimizers(self) -> tuple[list, list]:
        first = torch.optim.Adam(self.first.parameters(), lr=0.1)
        second = torch.optim.SGD(self.second.parameters(), lr=0.5)
        return [first, second], [
            torch.optim.lr_scheduler.LinearLR(first, total_iters=10),
            torch.optim.lr_scheduler.ReduceLROnPlateau(second, patience=0, threshold=0.5),
        ]


class Ones(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.points = TensorDataset(torch.rand(24, 2))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=6)
