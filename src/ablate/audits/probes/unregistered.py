"""Parameters that a loss reaches and no module owns: a list or a dict of layers hides them."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

DEPTH = 2
"""How many containers deep a hidden module is looked for, to name it."""


def reached_parameters(loss: Tensor) -> Iterator[Tensor]:
    """Yield the parameters from which a loss was computed with a gradient, each once."""
    known: set[Any] = set()
    waiting = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in known:
            continue
        known.add(node)
        waiting += [former for former, _ in node.next_functions]
        if isinstance(leaf := getattr(node, "variable", None), nn.Parameter):
            yield leaf


def names_of_hidden(module: nn.Module, hidden: Collection[Tensor]) -> list[str]:
    """Name hidden parameters by the attributes that hold them, as far as they are found."""
    known = {id(p) for p in hidden}
    names = []
    for path, part in module.named_modules():
        for attribute, value in vars(part).items():
            start = f"{path}.{attribute}" if path else attribute
            for name, parameter in _within(value, start, DEPTH):
                if id(parameter) in known:
                    known.remove(id(parameter))
                    names.append(name)
    return names


def _within(value: Any, name: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, nn.Parameter):
        yield name, value
    elif isinstance(value, nn.Module):
        yield from value.named_parameters(name)
    elif depth:
        items: Any = ()
        if isinstance(value, Mapping):
            items = value.items()
        elif isinstance(value, list | tuple | set):
            items = enumerate(value)
        for key, item in items:
            yield from _within(item, f"{name}[{key!r}]", depth - 1)
