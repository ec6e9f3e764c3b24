"""A config whose values refer to each other."""

from lightning.pytorch.cli import LightningCLI
from omega_parts import Omega, OmegaData

if __name__ == "__main__":
    LightningCLI(Omega, OmegaData, parser_kwargs={"parser_mode": "omegaconf"})
