"""A config, a search and an ablation that hold; tests break one thing at a time."""

import copy
from typing import Any

CONFIG: dict[str, Any] = {
    "seed_everything": 1,
    "model": {"class_path": "toy.Net", "init_args": {"width": 16, "act": "relu"}},
    "optimizer": {
        "class_path": "torch.optim.Adam",
        "init_args": {"lr": 0.01, "betas": [0.9, 0.99]},
    },
    "lr_scheduler": {"class_path": "toy.Restarts", "init_args": {"T_0": 4, "eta_min": 0.0}},
    "trainer": {"max_epochs": 3, "callbacks": None},
}

SPACE: dict[str, Any] = {
    "optimizer.init_args.lr": {"float": [1.0e-5, 1.0e-1], "log": True},
    "optimizer.init_args.betas[0]": {"choice": [0.8, 0.9]},
    "lr_scheduler": {
        "choice": {
            "restarts": {"class_path": "toy.Restarts", "init_args": {"eta_min": 0.0}},
            "constant": None,
        }
    },
    "lr_scheduler.init_args.T_0": {"int": [2, 12], "when": {"lr_scheduler": "restarts"}},
}

SEARCH: dict[str, Any] = {
    "kind": "search",
    "config": "../configs/base.yaml",
    "objective": {"metric": "val_loss"},
    "space": SPACE,
    "seeds": [307],
    "budget": {"trials": 4},
}

ABLATION: dict[str, Any] = {
    "kind": "ablation",
    "config": "../configs/base.yaml",
    "arms": {
        "wide": {"model.init_args.width": 32},
        "gelu": {"model.init_args.act": "gelu"},
        "flat": {"lr_scheduler": None},
    },
    "reference": "gelu",
    "seeds": [307, 308],
    "metrics": {"val_accuracy": "maximize", "val_loss": "minimize"},
}


def search(**changes: Any) -> dict[str, Any]:
    """Return the search with some of its keys replaced."""
    return {**copy.deepcopy(SEARCH), **changes}


def ablation(**changes: Any) -> dict[str, Any]:
    """Return the ablation with some of its keys replaced."""
    return {**copy.deepcopy(ABLATION), **changes}


def config(**changes: Any) -> dict[str, Any]:
    """Return the config with some of its sections replaced."""
    return {**copy.deepcopy(CONFIG), **changes}
