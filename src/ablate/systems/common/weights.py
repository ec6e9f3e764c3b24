"""Weights that are trained once and then read from a cache by every process of a machine."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ablate.systems.common.caching import locked, replacing

State = dict[str, Tensor]
"""Weights by name."""


def trained_once(path: Path, train: Callable[[], State], what: str) -> State:
    """Return the weights of a file, which are trained first if it is not there or damaged.

    Processes that ask for the same file wait for the first. `what` is how a damaged one is told of.
    """
    found = _read(path, what)
    if found is not None:
        return found
    with locked(path):
        found = _read(path, what)
        if found is None:
            found = train()
            with replacing(path) as file:
                torch.save({"digest": _digest(found), "weights": found}, file)
    return found


def _read(path: Path, what: str) -> State | None:
    """Read cached weights; None if there are none, and a line if they are damaged."""
    if not path.exists():
        return None
    try:
        saved: Any = torch.load(path, map_location="cpu", weights_only=True)
        state: State = saved["weights"]
        if saved["digest"] == _digest(state):
            return state
        reason = "its checksum does not match"
    except Exception as error:  # noqa: BLE001 - a damaged file may fail in any way
        reason = str(error).partition("\n")[0]
    print(f"{what}: {path} is damaged ({reason}); training it again", flush=True)
    return None


def _digest(state: State) -> str:
    digest = hashlib.sha256()
    for name, weight in state.items():
        digest.update(f"{name}:{weight.dtype}:{tuple(weight.shape)}:".encode())
        digest.update(weight.contiguous().numpy().tobytes())
    return digest.hexdigest()
