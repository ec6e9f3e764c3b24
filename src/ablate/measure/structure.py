"""What a module and its optimizers hold."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer


def components(module: nn.Module) -> dict[str, int]:
    """Count all parameters by part of a module; what a shared parameter is counted in comes first.

    A part that holds everything is taken apart in its turn.
    """
    prefix, inner = "", module
    while True:
        own = [p for p in inner.parameters(recurse=False) if not is_lazy(p)]
        children = [(name, part) for name, part in inner.named_children() if _count(part)]
        if own or len(children) != 1:
            break
        name, inner = children[0]
        prefix = f"{prefix}{name}."
    seen: set[int] = set()
    found = {f"{prefix}{name}": _count(part, seen) for name, part in children}
    rest = sum(p.numel() for p in own if id(p) not in seen)
    if rest:
        found[prefix.removesuffix(".") or "itself"] = rest
    return {name: count for name, count in found.items() if count}


def frozen(module: nn.Module) -> int:
    """Count the parameters that are not trained."""
    return sum(p.numel() for p in module.parameters() if not p.requires_grad and not is_lazy(p))


def size_of(tensors: Iterable[Tensor]) -> int:
    """Return the bytes that tensors hold, shared storage once."""
    seen: dict[int, int] = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def gradients(module: nn.Module) -> Iterator[Tensor]:
    """Yield the gradients that there are."""
    return (p.grad for p in module.parameters() if p.grad is not None)


def states(optimizers: Iterable[Optimizer]) -> Iterator[Tensor]:
    """Yield the tensors that optimizers keep."""
    for optimizer in optimizers:
        yield from _tensors(list(optimizer.state.values()))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)


def _count(module: nn.Module, seen: set[int] | None = None) -> int:
    known = set() if seen is None else seen
    total = 0
    for parameter in module.parameters():
        if id(parameter) not in known and not is_lazy(parameter):
            known.add(id(parameter))
            total += parameter.numel()
    return total
