"""What a module has to train."""

from lightning.pytorch import LightningModule
from torch.nn.parameter import is_lazy

_BUILDERS = ("configure_model", "setup")
"""Hooks of a fit in which a module may still make its layers."""


def trains(model: LightningModule) -> bool:
    """Say whether a module has anything to train, or may have once a fit has configured it."""
    if any(parameter.requires_grad for parameter in model.parameters()):
        return True
    return next(model.parameters(), None) is None and _builds_later(model)


def parameter_count(model: LightningModule) -> int:
    """Count the trainable parameters that have a size, shared ones once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad and not is_lazy(p))


def takes_optimizer(model: LightningModule) -> bool:
    """Say whether a module has parameters for an optimizer, or may have once it is configured."""
    return next(model.parameters(), None) is not None or _builds_later(model)


def _builds_later(model: LightningModule) -> bool:
    return any(
        getattr(type(model), hook) is not getattr(LightningModule, hook) for hook in _BUILDERS
    )
