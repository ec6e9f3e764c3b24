"""The command line: one small file per command."""

from ablate.cli.app import main

__all__ = ["main"]
