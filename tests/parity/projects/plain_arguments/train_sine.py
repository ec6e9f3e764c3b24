"""Fit a sine: the script says which classes, the config holds their arguments."""

from lightning.pytorch.cli import LightningCLI
from sine import Sine, SineData

if __name__ == "__main__":
    LightningCLI(Sine, SineData)
