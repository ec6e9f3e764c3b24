"""The floating-point operations of one example's validation step."""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ablate.audits.probes.content import size
from ablate.audits.probes.structure import parts
from ablate.run.counting import countable


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
            with countable(), FlopCounterMode(display=False) as counter:
                meter = _Meter(counter.get_total_flops)
                with meter.attached(pl_module):
                    output = step(*args, **kwargs)
                examples = max(1, size(batch))
                self.total = counter.get_total_flops() // examples
                self.parts = {path: flops // examples for path, flops in meter.spent.items()}
            return output

        pl_module.validation_step = counted  # type: ignore[method-assign]


class _Meter:
    """Notes how far a counter moves while each part of a module is called."""

    def __init__(self, total: Callable[[], int]) -> None:
        self._total = total
        self._entered_at: dict[str, int] = {}
        self.spent: dict[str, int] = {}

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[None]:
        """Watch the parts of a module."""
        with ExitStack() as stack:
            for path, part in parts(model).items():
                for module in _called(part):
                    enter = functools.partial(self._enter, path)
                    leave = functools.partial(self._leave, path)
                    stack.callback(module.register_forward_pre_hook(enter).remove)
                    stack.callback(module.register_forward_hook(leave).remove)
            yield

    def _enter(self, path: str, *_: Any) -> None:
        self._entered_at[path] = self._total()

    def _leave(self, path: str, *_: Any) -> None:
        flops = self._total() - self._entered_at[path]
        self.spent[path] = self.spent.get(path, 0) + flops


def _called(part: nn.Module) -> Iterator[nn.Module]:
    """Yield what is called of a part: the modules within, if it is a mere container."""
    if not isinstance(part, nn.ModuleList | nn.ModuleDict):
        yield part
        return
    for child in part.children():
        yield from _called(child)
