"""Random number generators that objects have of their own, by their states as plain data."""

import random
from typing import Any

import numpy as np
import torch

GENERATORS = (random.Random, np.random.Generator, np.random.RandomState, torch.Generator)
"""The kinds of generators whose states are known."""


def state_of(generator: Any) -> Any:
    """Return a generator's state as plain data, tensors included."""
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.RandomState):
        return _plain(generator.get_state(legacy=False))
    return _plain(generator.bit_generator.state)


def set_state(generator: Any, state: Any) -> None:
    """Put a generator into a state that `state_of` returned."""
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(_arrays(state))
    else:
        generator.bit_generator.state = _arrays(state)


def another(generator_class: str, state: Any) -> Any:
    """Make a generator of one of the known classes in a state; None for another class."""
    made: Any = None
    if generator_class == "torch":
        made = torch.Generator()
    elif generator_class == "python":
        made = random.Random()  # noqa: S311
    elif generator_class == "old numpy":
        made = np.random.RandomState()
    elif generator_class.startswith("numpy "):
        kind = generator_class.removeprefix("numpy ")
        if kind in {"PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"}:
            made = np.random.Generator(getattr(np.random, kind)())
    if made is not None:
        set_state(made, state)
    return made


def class_name(generator: Any) -> str:
    """Name the class of a generator for `another`."""
    if type(generator) is torch.Generator:
        return "torch" if generator.device.type == "cpu" else f"torch {generator.device}"
    if type(generator) is random.Random:
        return "python"
    if type(generator) is np.random.RandomState:
        return "old numpy"
    if type(generator) is np.random.Generator:
        return f"numpy {type(generator.bit_generator).__name__}"
    return type(generator).__qualname__


def _plain(state: Any) -> Any:
    """Put arrays of words as lists of integers."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return ("words", state.dtype.str, state.tolist()) if isinstance(state, np.ndarray) else state


def _arrays(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _arrays(value) for key, value in state.items()}
    if isinstance(state, tuple) and state[:1] == ("words",):
        return np.array(state[2], dtype=state[1])
    return state
