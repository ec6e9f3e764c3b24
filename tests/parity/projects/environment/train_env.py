"""A config of which the environment gives a part."""

from from_environment import FromEnvironment, Surroundings
from lightning.pytorch.cli import LightningCLI

if __name__ == "__main__":
    LightningCLI(FromEnvironment, Surroundings, parser_kwargs={"fit": {"default_env": True}})
