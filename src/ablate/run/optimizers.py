"""Optimizers as plain data: their classes, the settings of their groups, whose they are."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from ablate.run.recipe import ParameterGroup, Setting

_TECHNICAL = {
    "params",
    "param_names",
    "initial_lr",
    "foreach",
    "fused",
    "capturable",
    "differentiable",
    "max_lr",
    "min_lr",
    "max_momentum",
    "base_momentum",
}
"""What a group holds that is no setting of its own, or changes nothing but the speed."""


def groups_of(
    optimizers: Iterable[Optimizer], names: Mapping[Tensor, str]
) -> tuple[ParameterGroup, ...]:
    """Describe the groups of optimizers; `names` are those of the parameters that are trained."""
    return tuple(
        ParameterGroup(
            type(optimizer).__name__,
            group_settings(group),
            tuple(names[p] for p in group["params"] if p in names),
            tuple(names[p] for p in group["params"] if p in names and _is_gain(p)),
        )
        for optimizer in optimizers
        for group in optimizer.param_groups
    )


def _is_gain(parameter: Tensor) -> bool:
    return parameter.ndim == 1 and parameter.numel() > 1 and bool((parameter == 1).all())


def group_settings(group: Mapping[str, Any]) -> dict[str, Setting]:
    """Return the settings of a group as plain values; the rate is that from before any schedule."""
    settings = {
        name: _plain(value) for name, value in sorted(group.items()) if name not in _TECHNICAL
    }
    if "initial_lr" in group:
        settings["lr"] = _plain(group["initial_lr"])
    return settings


def _plain(value: Any) -> Setting:
    if isinstance(value, Tensor):
        return float(value) if value.numel() == 1 else str(tuple(value.shape))
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list | tuple):
        return ", ".join(str(_plain(item)) for item in value)
    return type(value).__name__
