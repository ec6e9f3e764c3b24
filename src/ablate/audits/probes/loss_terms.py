"""How a training loss is put together: summed or averaged, and of which terms."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ablate.audits.probes.canonical import freeze
from ablate.audits.probes.content import size, tensors
from ablate.run.randomness import seeded
from ablate.run.recipe import Reduction

TOLERANCE = 0.02
"""How far a doubled gradient may be from twice the other, as a share of it."""

NUDGE = 0.1
"""By how much of its spread each tensor of weights is moved."""

_SUMS = {"add", "add_", "sub", "sub_", "__rsub__", "__radd__", "__add__", "__sub__", "rsub"}
_LINEAR = ("Add", "Sub", "Mul", "Div", "Neg", "Mean", "Sum", "Squeeze", "View", "Alias", "Clone")
"""How the names of operations begin through which a term of a sum stays a term."""

_SMALL = 1e-6


def reduction(module: LightningModule, batch: Any) -> Reduction | None:
    """Say whether the loss of a doubled batch has the same gradient, or twice as much.

    None where the batch cannot be doubled, or the gradient is neither: examples may be compared
    with each other, or random numbers be drawn.
    """
    many = doubled(batch)
    if many is None:
        return None
    try:
        with _standing_still(module):
            once, twice = (_gradient(module, each) for each in (batch, many))
    except Exception:  # noqa: BLE001 - a module may insist on its batch size
        return None
    if once is None or twice is None or float(once.norm()) <= 0:
        return None
    for factor, name in ((1.0, "mean"), (2.0, "sum")):
        if float((twice - factor * once).norm()) <= TOLERANCE * factor * float(once.norm()):
            return name  # type: ignore[return-value]
    return None


def doubled(batch: Any) -> Any:
    """Put a batch behind itself; None if its tensors do not all begin with one batch dimension."""
    found, count = tensors(batch), size(batch)
    if not count or any(tensor.ndim and len(tensor) != count for tensor in found):
        return None
    try:
        return _twice(batch, count)
    except TypeError:
        return None


def _twice(value: Any, count: int) -> Any:
    if isinstance(value, Tensor):
        return torch.cat([value, value]) if value.ndim else value
    if isinstance(value, Mapping):
        return {key: _twice(item, count) for key, item in value.items()}
    if type(value) in {list, tuple}:
        if len(value) == count and not tensors(value):
            return value + value
        return type(value)(_twice(item, count) for item in value)
    if isinstance(value, tuple):  # a named one
        return type(value)(*(_twice(item, count) for item in value))
    if isinstance(value, str | int | float | None):
        return value
    raise TypeError(f"a batch with a {type(value).__name__} is not doubled")


def detached_terms(module: LightningModule, batch: Any) -> str:
    """Describe terms of the loss that move with the weights and yet have no gradient."""
    try:
        with _standing_still(module):
            before = _terms(module, batch)
            if not before:
                return ""
            _nudge(module)
            after = _terms(module, batch)
    except Exception:  # noqa: BLE001 - a module may not take it, and then nothing is proved
        return ""
    if len(before) != len(after):
        return ""
    moved = [b for b, a in zip(before, after, strict=True) if abs(b - a) > _SMALL * max(1, abs(b))]
    if not moved:
        return ""
    values = ", ".join(f"{value:.3g}" for value in moved[:3])
    return (
        f"{len(moved)} of the terms that the training loss is the sum of (here {values}) moves "
        "with the weights, but has no gradient: it trains nothing"
    )


@contextmanager
def _standing_still(module: LightningModule) -> Iterator[None]:
    """Let training steps be made outside of a training, without dropout, and log nothing."""
    modes = [(part, part.training) for part in module.modules()]
    freeze(module)
    module.log = _ignore  # type: ignore[method-assign]
    try:
        with torch.enable_grad():
            yield
    finally:
        del module.log
        for part, training in modes:
            part.training = training


def _ignore(*_: Any, **__: Any) -> None:
    """Log nothing."""


def _loss(module: LightningModule, batch: Any) -> Tensor | None:
    with seeded(0):
        outputs = module.training_step(batch, 0)
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    return loss if isinstance(loss, Tensor) and loss.requires_grad else None


def _gradient(module: LightningModule, batch: Any) -> Tensor | None:
    loss = _loss(module, batch)
    if loss is None:
        return None
    parameters = [p for p in module.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    return torch.cat([g.double().flatten() for g in gradients if g is not None])


def _terms(module: LightningModule, batch: Any) -> list[float]:
    """Return the values that are added to the loss without a gradient, in order."""
    with _Sums() as sums:
        loss = _loss(module, batch)
    if loss is None:
        return []
    nodes = set(_additive(loss.grad_fn))
    return [value for node, value in sums.found if node in nodes]


def _additive(node: Any) -> Iterator[Any]:
    """Yield the operations of a graph through which a term of a sum reaches the loss."""
    seen, left = set(), [node]
    while left:
        here = left.pop()
        if here is None or here in seen or not here.name().startswith(_LINEAR):
            continue
        seen.add(here)
        yield here
        left += [following for following, _ in here.next_functions]


class _Sums(TorchFunctionMode):
    """Notes every sum of a number with a gradient and one without: the node, and the latter."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Any, float]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if (
            getattr(func, "__name__", "") in _SUMS
            and isinstance(result, Tensor)
            and result.ndim == 0
            and result.requires_grad
        ):
            plain = [a for a in args[:2] if not (isinstance(a, Tensor) and a.requires_grad)]
            if len(plain) == 1 and (value := _number(plain[0])) is not None:
                self.found.append((result.grad_fn, value))
        return result


def _number(value: Any) -> float | None:
    if isinstance(value, Tensor):
        return float(value) if value.numel() == 1 else None
    return float(value) if isinstance(value, int | float) else None


@torch.no_grad()
def _nudge(module: LightningModule) -> None:
    generator = torch.Generator().manual_seed(0)
    for p in module.parameters():
        if p.requires_grad and p.is_floating_point():
            noise = torch.randn(p.shape, generator=generator).to(p)
            p.add_(NUDGE * noise * (float(p.detach().abs().mean()) or 1.0))
