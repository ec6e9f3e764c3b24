"""A generative adversarial network with two optimisers that it steps itself."""

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def layers(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 16), nn.LeakyReLU(0.2), nn.Linear(16, outputs))


class GAN(LightningModule):
    def __init__(self, latent: int = 4, lr: float = 1e-2, betas: tuple[float, float] = (0.5, 0.9)):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.generator, self.discriminator = layers(latent, 2), layers(2, 1)
        self.register_buffer("fixed", torch.randn(8, latent))

    def training_step(self, batch: list[Tensor], index: int) -> None:
        (real,) = batch
        optimize_g, optimize_d = self.optimizers()
        noise = torch.randn(len(real), self.hparams.latent)

        self.toggle_optimizer(optimize_g)
        loss_g = nn.functional.softplus(-self.discriminator(self.generator(noise))).mean()
        optimize_g.zero_grad()
        self.manual_backward(loss_g)
        optimize_g.step()
        self.untoggle_optimizer(optimize_g)

        self.toggle_optimizer(optimize_d)
        fake = self.generator(noise).detach()
        loss_d = (
            nn.functional.softplus(-self.discriminator(real)).mean()
            + nn.functional.softplus(self.discriminator(fake)).mean()
        )
        optimize_d.zero_grad()
        self.manual_backward(loss_d)
        optimize_d.step()
        self.untoggle_optimizer(optimize_d)
        self.log_dict({"g_loss": loss_g, "d_loss": loss_d}, prog_bar=True)

    def on_train_epoch_end(self) -> None:
        for schedule in self.lr_schedulers():
            schedule.step()

    def on_validation_epoch_end(self) -> None:
        with torch.no_grad():
            self.log("radius", self.generator(self.fixed).norm(dim=1).sub(1).abs().mean())

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        """Validate on the fixed noise alone."""

    def configure_optimizers(self) -> tuple[list, list]:
        options = {"lr": self.hparams.lr, "betas": self.hparams.betas}
        optimizers = [
            torch.optim.Adam(self.generator.parameters(), **options),
            torch.optim.Adam(self.discriminator.parameters(), **options),
        ]
        return optimizers, [
            torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9) for optimizer in optimizers
        ]


class Circle(LightningDataModule):
    def setup(self, stage: str) -> None:
        angle = 6.28 * torch.rand(32)
        self.points = TensorDataset(torch.stack([angle.cos(), angle.sin()], dim=1))

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.points, batch_size=32)
