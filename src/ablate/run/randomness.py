"""The random numbers of a process: their states, kept and given back."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class RandomState:
    """What the generators of Python, NumPy, torch and the GPUs will draw next.

    `numpy` is what `numpy.random.get_state` returns. `cuda` has the state of each GPU, or none.
    """

    python: tuple[Any, ...]
    numpy: tuple[Any, ...]
    torch: Tensor
    cuda: tuple[Tensor, ...] = ()

    @classmethod
    def capture(cls, *, cuda: bool = True) -> "RandomState":
        """Return the state as it is now; `cuda` starts the GPUs in this process, if there are any.

        A state that was captured without them leaves theirs alone.
        """
        gpus = torch.cuda.get_rng_state_all() if cuda and torch.cuda.is_available() else ()
        numpy = tuple(np.random.get_state())
        return cls(random.getstate(), numpy, torch.get_rng_state(), tuple(gpus))

    def restore(self) -> None:
        """Go back to this state."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)

    def to_plain(self) -> dict[str, Any]:
        """Return what a checkpoint may hold that is loaded with `weights_only`: no NumPy array."""
        kind, words, *rest = self.numpy
        return {
            "python": self.python,
            "numpy": (kind, torch.tensor(np.asarray(words, dtype=np.int64)), *rest),
            "torch": self.torch,
            "cuda": list(self.cuda),
        }

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> "RandomState":
        """Read what `to_plain` gave."""
        kind, words, *rest = plain["numpy"]
        numpy = (kind, words.numpy().astype(np.uint32), *rest)
        return cls(plain["python"], numpy, plain["torch"], tuple(plain["cuda"]))


def seed_all(seed: int) -> None:
    """Seed the random numbers of Python, NumPy, torch and the GPUs."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the random numbers of the block and go back to their state behind it."""
    state = RandomState.capture()
    seed_all(seed)
    try:
        yield
    finally:
        state.restore()
