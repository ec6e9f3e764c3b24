"""Definitions of imagined studies, in few words."""

from collections.abc import Mapping
from typing import Any

from ablate.spec import (
    AblationDefinition,
    Arm,
    Budget,
    ClassConfig,
    Config,
    Objective,
    SearchDefinition,
)
from ablate.spec.designs import declared


def ablation(
    *,
    arms: Mapping[str, Config] | None = None,
    floor: Mapping[str, Config] | None = None,
    design: str = "arms",
    **changes: Any,
) -> AblationDefinition:
    """Define an ablation of arms {name: changes}, declared one by one, and floors."""
    known: dict[str, Any] = {
        "config": {},
        "profile": "cpu",
        "seeds": (307,),
        "objective": Objective(metric="val_loss"),
        "metrics": {"val_loss": "minimize"},
    }
    floors = (Arm(name, changed, floor=True) for name, changed in (floor or {}).items())
    laid_out = (*declared({"a": {}} if arms is None else arms, design), *floors)
    return AblationDefinition(designs=(design,), arms=laid_out, **(known | changes))


def search(**changes: Any) -> SearchDefinition:
    """Define a search of a learning rate."""
    known: dict[str, Any] = {
        "config": {},
        "profile": "cpu",
        "seeds": (307,),
        "objective": Objective(metric="val_loss"),
        "space": {"lr": {"float": (1e-5, 1e-1), "log": True}},
        "window": 4,
        "sampler": ClassConfig(class_path="optuna.samplers.TPESampler"),
        "pruner": ClassConfig(class_path="optuna.pruners.HyperbandPruner"),
        "budget": Budget(trials=12, timeout=3600.0),
    }
    return SearchDefinition(**(known | changes))
