"""A classifier that is measured by metrics which are modules themselves."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanMetric, MetricCollection, MinMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score


class Measured(LightningModule):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(4, classes)
        metrics = MetricCollection(
            {"accuracy": MulticlassAccuracy(classes), "f1": MulticlassF1Score(classes)}
        )
        self.train_metrics = metrics.clone(prefix="train_")
        self.val_metrics = metrics.clone(prefix="val_")
        self.val_mean, self.val_best = MeanMetric(), MinMetric()

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        logits = self.layer(batch[0])
        self.train_metrics(logits, batch[1])
        self.log_dict(self.train_metrics, on_step=True, on_epoch=True)
        return nn.functional.cross_entropy(logits, batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        logits = self.layer(batch[0])
        self.val_metrics.update(logits, batch[1])
        self.val_mean.update(nn.functional.cross_entropy(logits, batch[1]))

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.val_metrics.compute())
        self.val_metrics.reset()
        loss = self.val_mean.compute()
        self.val_mean.reset()
        if not self.trainer.sanity_checking:
            self.val_best.update(loss)
            self.log("val_best", self.val_best.compute())
        self.log("val_loss", loss)


class Clusters(LightningDataModule):
    def setup(self, stage: str) -> None:
        y = torch.randint(3, (36,))
        self.points = TensorDataset(torch.randn(36, 4) + y[:, None], y)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=9, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=12)
