"""Which part of a network gives an example another output beside other examples."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from ablate.audits.probes.content import tensors

_RELATIVE = 1e-4

Totals = Mapping[str, tuple[float, ...]]
"""The number of values, their sum and that of their sizes, by part, in the order of the parts."""


class PartOutputs(Callback):
    """Adds up what each part of a module gives in a validation."""

    def __init__(self) -> None:
        self.totals: dict[str, tuple[float, ...]] = {}
        self._handles: list[Any] = []

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Watch every part, the innermost first to answer."""
        self.totals = {}
        self._handles = [
            part.register_forward_hook(partial(self._add, path))
            for path, part in pl_module.named_modules()
            if path
        ]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Let the parts go."""
        for handle in self._handles:
            handle.remove()

    def _add(self, path: str, part: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        for tensor in tensors(output):
            if tensor.is_floating_point():
                values = tensor.detach().double()
                new = float(values.numel()), float(values.sum()), float(values.abs().sum())
                known = self.totals.get(path, (0.0, 0.0, 0.0))
                self.totals[path] = tuple(a + b for a, b in zip(known, new, strict=True))


def mixing_part(alone: Totals, together: Totals) -> str | None:
    """Name the first part whose values for some examples add up to others in one batch.

    A part that gives another number of values cannot be judged: it may pad, or answer once a batch.
    """
    for path, values in together.items():
        count, total, size = alone.get(path, (0.0, 0.0, 0.0))
        if count != values[0]:
            continue
        if max(abs(total - values[1]), abs(size - values[2])) > _RELATIVE * max(size, values[2]):
            return path
    return None
