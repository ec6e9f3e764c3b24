"""Written for the package's older name."""

from pl_parts import PLData, PLModule
from pytorch_lightning.cli import LightningCLI

if __name__ == "__main__":
    LightningCLI(PLModule, PLData)
