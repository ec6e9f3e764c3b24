"""The script's function builds a CLI that parses only, and fits by itself."""

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from main_parts import Cubes, Fitter


def main() -> None:
    cli = LightningCLI(
        Fitter, Cubes, run=False, trainer_defaults={"callbacks": [ModelCheckpoint(save_last=True)]}
    )
    with torch.no_grad():
        for parameter in cli.model.parameters():
            parameter.mul_(0.5)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


if __name__ == "__main__":
    main()
