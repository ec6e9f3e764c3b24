"""Train what is under `fit:` in a config for all subcommands."""

from keyed_parts import Digits, Keyed
from lightning.pytorch.cli import LightningCLI

if __name__ == "__main__":
    LightningCLI(Keyed, Digits)
