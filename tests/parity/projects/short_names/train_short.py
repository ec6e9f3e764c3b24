"""Pick module, data, optimiser and callbacks by their short names."""

import short_parts  # noqa: F401 - makes the names known
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import LightningCLI

if __name__ == "__main__":
    LightningCLI(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
    )
