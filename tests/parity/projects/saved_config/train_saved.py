"""Train a line; the study reads the config that this script saves."""

from lightning.pytorch.cli import LightningCLI
from saved_parts import Line, Noise

if __name__ == "__main__":
    LightningCLI(Line, Noise)
