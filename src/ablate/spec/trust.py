"""What a configuration that comes from a database is trusted with."""

from dataclasses import dataclass

LIBRARIES = frozenset({"ablate", "torch", "lightning", "pytorch_lightning", "lightning_fabric"})
"""Packages that every stored configuration may name; of these only what a training consists of."""

SCRIPT = "__main__"
"""What a script's own classes are named by."""


@dataclass(frozen=True)
class Trust:
    """The packages that a stored configuration may name, and variables of the environment.

    The libraries are trusted with every stored configuration. `classes` are those that the user's
    own files name too: each is trusted wherever its package has it from.

    A user's own configuration has none of this: what the user's own files say is done.
    """

    packages: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def covers(self, package: str) -> bool:
        """Say whether a package is trusted."""
        return package in LIBRARIES or package in self.packages
