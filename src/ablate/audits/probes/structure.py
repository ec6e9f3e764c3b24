"""What a module is made of: its parts, their parameters, dropout and initial scales."""

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from ablate.audits.evidence import DropoutUse, Scale, Submodule
from ablate.audits.probes.content import digest

DOMINANT = 0.8
"""Share of the parameters from which on a child is shown by its own children."""

DROPOUTS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


def count(module: nn.Module) -> int:
    """Count the trainable parameters, shared ones once."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def trainable(model: nn.Module) -> bool:
    """Say whether a module has anything to train."""
    return any(parameter.requires_grad for parameter in model.parameters())


def parts(model: nn.Module) -> dict[str, nn.Module]:
    """Name the children of a module; a child with most of the parameters by its own children."""
    named: dict[str, nn.Module] = {}
    total = count(model)
    for name, child in model.named_children():
        inner = dict(child.named_children())
        if len(inner) > 1 and count(child) > DOMINANT * total:
            named |= {f"{name}.{path}": part for path, part in inner.items()}
        else:
            named[name] = child
    return named


def submodules(model: nn.Module, flops: Mapping[str, int]) -> tuple[Submodule, ...]:
    """List the parts that have parameters or compute something."""
    listed = (
        Submodule(path, type(part).__name__, count(part), flops.get(path, 0))
        for path, part in parts(model).items()
    )
    return tuple(part for part in listed if part.parameters or part.flops)


def dropouts(model: nn.Module) -> tuple[DropoutUse, ...]:
    """List the dropout within every part, rates of 0 left out."""
    uses = []
    for path, part in parts(model).items():
        rates = tuple(rate for module in part.modules() for rate in _rates(module) if rate > 0)
        layers = sum(any(True for _ in m.parameters(recurse=False)) for m in part.modules())
        uses.append(DropoutUse(path, rates, layers))
    return tuple(uses)


def _rates(module: nn.Module) -> Iterator[float]:
    if isinstance(module, DROPOUTS):
        yield module.p
    elif isinstance(getattr(module, "dropout", None), float):
        yield module.dropout  # type: ignore[misc]


def tree(model: nn.Module) -> str:
    """Hash the path, class and settings of every module."""
    return digest(
        f"{path}:{type(part).__module__}.{type(part).__qualname__}({part.extra_repr()})".encode()
        for path, part in model.named_modules()
    )


def shapes(model: nn.Module) -> tuple[tuple[int, ...], ...]:
    """List the shapes of the parameters, in order."""
    return tuple(tuple(parameter.shape) for parameter in model.parameters())


@torch.no_grad()
def scales(model: nn.Module) -> tuple[Scale, ...]:
    """Measure the spread of every trainable matrix."""
    return tuple(
        Scale(name, tuple(p.shape), float(p.detach().float().std()))
        for name, p in model.named_parameters()
        if p.requires_grad and p.ndim > 1 and p.numel() > 1
    )
