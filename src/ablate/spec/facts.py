"""The kinds of facts that are recorded of a run, by which a changed result is explained."""

from enum import StrEnum


class Fact(StrEnum):
    """A kind of what a run rested on."""

    SOURCES = "sources"
    """SHA-256 by module, of those imported from outside the installed packages."""
    DATA = "data"
    """Digests of the examples of the first training epoch and of the first validation."""
    FILES = "files"
    """SHA-256 by path, of files below the working directory that were opened for reading."""
    VARIABLES = "variables"
    """SHA-256 by name, of variables of the environment that the sources name."""
    DISTRIBUTIONS = "distributions"
    """Versions by name, of the installed distributions that were imported."""
