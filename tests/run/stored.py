"""A package that a stored configuration is trusted with, and what it must not reach through it."""

import os
import subprocess
from collections.abc import Callable
from os import system  # noqa: F401
from typing import Any

import torch
from torch import nn

relu = torch.nn.functional.relu
popen = subprocess.Popen
path = os.path


class Model(nn.Module):
    """Takes an object, a function and anything."""

    def __init__(
        self, encoder: nn.Module | None = None, act: Callable | None = None, any_one: Any = None
    ) -> None:
        super().__init__()
        self.parts = encoder, act, any_one

    class Inner(nn.Module):
        """A class inside a class."""


class Derived(Model):
    """Passes on what it is given."""

    def __init__(self, name: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name


def double(x: torch.Tensor) -> torch.Tensor:
    """Double a tensor."""
    return 2 * x
