"""Definitions of imagined studies, in few words."""

from ablate.spec import (
    AblationDefinition,
    Arm,
    Budget,
    ClassConfig,
    Objective,
    SearchDefinition,
)
from ablate.spec.designs import declared


def ablation(*, arms=None, floor=None, design="arms", **changes):
    """Define an ablation of arms {name: changes}, declared one by one, and floors."""
    known = {
        "config": {},
        "profile": "cpu",
        "seeds": (307,),
        "objective": Objective(metric="val_loss"),
        "metrics": {"val_loss": "minimize"},
    }
    floors = (Arm(name, own, floor=True) for name, own in (floor or {}).items())
    laid_out = (*declared({"a": {}} if arms is None else arms, design), *floors)
    return AblationDefinition(designs=(design,), arms=laid_out, **(known | changes))


def search(**changes):
    """Define a search of a learning rate."""
    known = {
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
