"""The recipe by which a run really trained, written down as it trains."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer

Setting = bool | float | str | None

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


def optimizer_name(optimizer: Optimizer) -> str:
    """Return the full name of an optimizer's class."""
    kind = type(optimizer)
    return f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"


def group_settings(group: Mapping[str, Any]) -> dict[str, Setting]:
    """Return the settings of a group as plain values; the rate is that from before any schedule."""
    settings = {
        name: _plain(value) for name, value in sorted(group.items()) if name not in _TECHNICAL
    }
    if "initial_lr" in group:
        settings["lr"] = _plain(group["initial_lr"])
    return settings


def _plain(value: Any) -> Setting:
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 else str(tuple(value.shape))
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list | tuple):
        return ", ".join(str(_plain(item)) for item in value)
    return type(value).__name__
