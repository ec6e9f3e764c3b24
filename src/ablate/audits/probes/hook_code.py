"""The code of the hooks that validate, as digests: equal code does the same, whoever owns it."""

import dis
import inspect
from collections.abc import Callable, Iterator, Set
from types import CodeType, FunctionType
from typing import Any

from lightning.pytorch import LightningModule

from ablate.audits.probes.content import digest, spelt
from ablate.audits.probes.loss_calls import LOSSES

HOOKS = (
    "validation_step",
    "on_validation_start",
    "on_validation_epoch_start",
    "on_validation_batch_start",
    "on_validation_batch_end",
    "on_validation_epoch_end",
    "on_validation_end",
    "on_validation_model_eval",
)
LIBRARIES = ("lightning", "pytorch_lightning", "torch", "torchmetrics")
MEASURES = frozenset({"log", "log_dict", *LOSSES.values()})
"""Names by which a function that a hook calls is known to measure something."""

WORDS = ("accuracy", "error", "eval", "loss", "metric", "score")
DEPTH = 4


def hook_code(model: LightningModule) -> dict[str, str]:
    """Return a digest of the code of each hook of validation that the module has of its own.

    It covers the methods and functions that a hook calls, if they log or compute losses. Names of
    child modules and of other attributes, of files and of variables, and docstrings, do not count.
    """
    found = {}
    attributes = _attributes(model)
    for name in HOOKS:
        function = _method(model, name)
        if function is not None:
            parts = _parts(function, model, attributes, DEPTH, {name})
            found[name] = digest(part.encode() for part in parts)
    return found


def _attributes(model: LightningModule) -> set[str]:
    """Name what the module's methods assign, whether this arm has it or not, and its children."""
    names = {name for name, _ in model.named_children()}
    for base in type(model).__mro__:
        for value in vars(base).values():
            if (function := _own(value)) is not None:
                written = dis.get_instructions(function.__code__)
                names |= {each.argval for each in written if each.opname == "STORE_ATTR"}
    return names


def _method(model: LightningModule, name: str) -> FunctionType | None:
    """Return a method of the class; properties are not asked for."""
    return _own(inspect.getattr_static(type(model), name, None))


def _own(value: Any) -> FunctionType | None:
    """Return the function behind a method or a name, if no library wrote it."""
    function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    function = inspect.unwrap(function) if callable(function) else None
    if not isinstance(function, FunctionType):
        return None
    return None if function.__module__.split(".")[0] in LIBRARIES else function


def _parts(
    function: FunctionType,
    model: LightningModule,
    attributes: Set[str],
    depth: int,
    known: set[str],
) -> Iterator[str]:
    yield from _written(function.__code__, function.__doc__, attributes)
    if depth == 0:
        return
    for name in _names(function.__code__):
        called = _method(model, name) or _own(function.__globals__.get(name))
        if called is not None and name not in known and _measures(called):
            known.add(name)
            yield from _parts(called, model, attributes, depth - 1, known)


def _measures(function: Callable[..., Any]) -> bool:
    """Say whether a function logs something, or computes a loss or a metric, as its names tell."""
    name = function.__name__
    if name == "forward":
        return False
    names = set(_names(function.__code__))
    return bool(names & MEASURES) or any(word in name for word in WORDS)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _written(code: CodeType, documentation: str | None, attributes: Set[str]) -> Iterator[str]:
    """Write a function's instructions, names and constants."""
    yield code.co_code.hex()
    for name in code.co_names:
        yield "an attribute" if name in attributes else name
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _written(constant, None, attributes)
        elif documentation is None or constant != documentation:
            yield spelt(constant)
