"""A CLI with hooks around its fit."""

import torch
from hooked import Hooked, Rows
from lightning.pytorch.cli import LightningCLI


class HookedCLI(LightningCLI):
    def before_fit(self) -> None:
        self.datamodule.scale = 3.0
        torch.nn.init.constant_(self.model.layer.bias, 0.25)

    def after_fit(self) -> None:
        print("fitted", self.trainer.global_step)


if __name__ == "__main__":
    HookedCLI(Hooked, Rows)
