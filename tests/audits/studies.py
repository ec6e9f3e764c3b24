"""Studies and resolved configurations as plain data, to plant one fault in."""

import copy
from typing import Any

from ablate.audits.checks import check_ablation, check_search
from ablate.spec import (
    Ablation,
    AblationStudy,
    Search,
    SearchStudy,
    Study,
    paths,
    written_in_python,
)

STOPPING = {
    "class_path": "lightning.pytorch.callbacks.EarlyStopping",
    "init_args": {"monitor": "val_loss", "patience": 7},
}
WRITTEN: dict[str, Any] = {
    "seed_everything": 1,
    "model": {
        "class_path": "m.Net",
        "init_args": {"width": 64, "dropout": 0.16712351989226623, "kind": "a"},
    },
    "data": {"class_path": "m.Data", "init_args": {"size": 100, "batch_size": 32}},
    "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.0018, "betas": [0.9, 1]}},
    "trainer": {"max_epochs": 30, "precision": "32-true", "callbacks": [STOPPING]},
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "m.Net": {"width": 8, "dropout": 0.1, "kind": "a", "depth": 2},
    "m.Wide": {"width": 8, "dropout": 0.1, "branches": 4},
    "m.Zero": {},
    "m.Data": {"size": 10, "batch_size": 8, "num_workers": 0, "seed": 0},
    "torch.optim.Adam": {"lr": 1e-3, "betas": [0.9, 0.999], "weight_decay": 0.0},
    "torch.optim.SGD": {"lr": 1e-3, "momentum": 0.0, "weight_decay": 0.0},
}
"""The arguments of the imagined classes, with their defaults."""

ABLATION: dict[str, Any] = {
    "kind": "ablation",
    "config": "c.yaml",
    "arms": {"full": {}, "narrow": {"model.init_args.width": 16}},
    "floor": {"zero": {"model": {"class_path": "m.Zero"}}},
    "reference": "full",
    "seeds": [1, 2, 3],
    "metrics": {"val_loss": "minimize"},
    "objective": {"metric": "val_loss", "at": "last"},
}
SEARCH: dict[str, Any] = {
    "kind": "search",
    "config": "c.yaml",
    "objective": {"metric": "val_loss", "at": "last"},
    "space": {
        "optimizer.init_args.lr": {"float": [1e-5, 1e-1], "log": True},
        "model.init_args.width": {"int": [8, 64]},
        "model.init_args.kind": {"choice": ["a", "b"]},
    },
    "seeds": [1],
    "budget": {"trials": 30},
}


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    config = copy.deepcopy(base)
    for path, value in changes.items():
        paths.put(config, path, value)
    return config


def resolve(config: dict[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of the imagined classes and of a trainer."""
    full = copy.deepcopy(config)
    for name in ("model", "data", "optimizer"):
        section = full[name]
        defaults = DEFAULTS[section["class_path"]]
        section["init_args"] = {**defaults, **section.get("init_args", {})}
    trainer = {"max_steps": -1, "callbacks": None, "limit_val_batches": None, "precision": None}
    full["trainer"] = {**trainer, **full["trainer"]}
    return {"lr_scheduler": None, **full}


def ablation(written: dict[str, Any] | None = None, **changes: Any) -> AblationStudy:
    spec = Ablation(**{**ABLATION, "name": "s", "config": written or WRITTEN, **changes})
    study = written_in_python(spec).prepare("cpu")
    assert isinstance(study, AblationStudy)
    return study


def search(written: dict[str, Any] | None = None, **changes: Any) -> SearchStudy:
    spec = Search(**{**SEARCH, "name": "s", "config": written or WRITTEN, **changes})
    study = written_in_python(spec).prepare("cpu")
    assert isinstance(study, SearchStudy)
    return study


def arms_of(study: AblationStudy) -> dict[str, dict[str, Any]]:
    return {arm.name: resolve(study.configured(arm.changes, 1)) for arm in study.arms}


def found(study: Study, recorded: dict[str, Any] | None = None, **resolved: Any) -> list[Any]:
    """Audit a study statically; `resolved` replaces the configurations of arms by name."""
    if isinstance(study, SearchStudy):
        return check_search(study, resolve(study.configured({}, 1)))
    return check_ablation(study, {**arms_of(study), **resolved}, recorded or {})


def codes(findings: list[Any]) -> dict[str, str]:
    """Map the codes of findings to their severity."""
    return {item.code: item.severity for item in findings}
