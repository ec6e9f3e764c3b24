"""What a module is made of: components, dropout, initial scales, FLOPs."""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ablate.audit.evidence import Component, DropoutUse, Scale
from ablate.audit.probes.content import digest, size

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


def parts(model: nn.Module) -> dict[str, nn.Module]:
    """Name the children of a module; a child with most of the parameters by its own children."""
    found: dict[str, nn.Module] = {}
    total = count(model)
    for name, child in model.named_children():
        inner = dict(child.named_children())
        if len(inner) > 1 and count(child) > DOMINANT * total:
            found |= {f"{name}.{path}": part for path, part in inner.items()}
        else:
            found[name] = child
    return found


def components(model: nn.Module, flops: dict[str, int]) -> tuple[Component, ...]:
    """List the parts that have parameters or compute something."""
    listed = (
        Component(path, type(part).__name__, count(part), flops.get(path, 0))
        for path, part in parts(model).items()
    )
    return tuple(each for each in listed if each.parameters or each.flops)


def dropouts(model: nn.Module) -> tuple[DropoutUse, ...]:
    """List the dropout within every part, rates of 0 left out."""
    found = []
    for path, part in parts(model).items():
        rates = tuple(rate for module in part.modules() for rate in _rates(module) if rate > 0)
        layers = sum(any(True for _ in m.parameters(recurse=False)) for m in part.modules())
        found.append(DropoutUse(path, rates, layers))
    return tuple(found)


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


class Flops(Callback):
    """Counts the FLOPs of the first validation step: in all, and within every part."""

    def __init__(self) -> None:
        self.total = 0
        self.parts: dict[str, int] = {}

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Count during the first step, whatever the module calls in it."""
        step = pl_module.validation_step

        @functools.wraps(step)
        def counted(*args: Any, **kwargs: Any) -> Any:
            pl_module.validation_step = step  # type: ignore[method-assign]
            batch = args[0] if args else next(iter(kwargs.values()))
            with self._counting(pl_module) as finish:
                output = step(*args, **kwargs)
                finish(max(1, size(batch)))
            return output

        pl_module.validation_step = counted  # type: ignore[method-assign]

    @contextmanager
    def _counting(self, model: LightningModule) -> Iterator[Callable[[int], None]]:
        spent: dict[str, int] = {}
        open_at: dict[str, int] = {}
        fast = torch.backends.mha.get_fastpath_enabled()
        with ExitStack() as stack:
            # Fused attention is not counted.
            torch.backends.mha.set_fastpath_enabled(False)
            stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            counter = stack.enter_context(FlopCounterMode(display=False))

            def enter(path: str, *_: Any) -> None:
                open_at[path] = counter.get_total_flops()

            def leave(path: str, *_: Any) -> None:
                spent[path] = spent.get(path, 0) + counter.get_total_flops() - open_at[path]

            for path, part in parts(model).items():
                for each in _called(part):
                    before = each.register_forward_pre_hook(functools.partial(_call, enter, path))
                    after = each.register_forward_hook(functools.partial(_call, leave, path))
                    stack.callback(before.remove)
                    stack.callback(after.remove)

            def finish(examples: int) -> None:
                self.total = counter.get_total_flops() // examples
                self.parts = {path: flops // examples for path, flops in spent.items()}

            yield finish


def _called(part: nn.Module) -> Iterator[nn.Module]:
    """Yield what is called of a part: the modules within, if it is a mere container."""
    if not isinstance(part, nn.ModuleList | nn.ModuleDict):
        yield part
        return
    for child in part.children():
        yield from _called(child)


def _call(hook: Callable[..., None], path: str, *_: Any) -> None:
    hook(path)
