"""Checkpoints that carry the name of their run."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint


class RunCheckpoint(ModelCheckpoint):
    """A ModelCheckpoint whose `filename` may hold `{arm}`, `{study}`, `{trial}` and `{seed}`.

    Takes the arguments of ModelCheckpoint. Outside ablate the names stand for themselves.
    """

    def __init__(self, filename: str | None = None, **kwargs: Any) -> None:
        super().__init__(filename=filename, **kwargs)

    def identify(self, identity: Mapping[str, str]) -> None:
        """Put the run's own names into the file name."""
        for key, name in identity.items():
            if self.filename:
                self.filename = self.filename.replace("{" + key + "}", name)
