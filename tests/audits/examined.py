"""Put plain configs on the workbench as the audit does."""

from typing import Any

from ablate.audits.checks import compare_evidence
from ablate.audits.evidence import Evidence
from ablate.audits.evidence_checks import Declared
from ablate.audits.findings import Finding
from ablate.audits.probe_request import ProbeRequest
from ablate.audits.probes import examine
from ablate.run.lightning_cli import resolve
from ablate.spec import Direction, paths

SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01}}


def plain(model: str, data: str | None = None, optimizer: dict[str, Any] | None = SGD) -> Any:
    """Return the config of a module of `modules.py`, every default filled in."""
    config: dict[str, Any] = {
        "seed_everything": 1,
        "model": {"class_path": f"tests.audits.modules.{model}"},
        "trainer": {"max_epochs": 5, "accelerator": "cpu"},
    }
    if data:
        config["data"] = {"class_path": f"tests.audits.modules.{data}"}
    if optimizer:
        config["optimizer"] = optimizer
    return resolve(config)


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a config with other values at some paths, every default filled in."""
    other = paths.fresh(config)
    for path, value in changes.items():
        paths.put(other, path, value)
    return resolve(other)


def evidence(config: dict[str, Any], *metrics: str, **changes: Any) -> Evidence:
    """Examine a config and read the evidence; its keys are tried if some are declared."""
    keys = {path: [value] for path, value in changes.items()} if changes else None
    return examined(config, keys=keys, metrics=metrics)


def examined(config: dict[str, Any], **request: Any) -> Evidence:
    """Examine a config as a `ProbeRequest` asks, over the wire, and read the evidence."""
    return Evidence.of(examine(config, ProbeRequest(**request).as_dict()))


def audited(
    config: dict[str, Any], arms: dict[str, dict[str, Any]], **metrics: str
) -> list[Finding]:
    """Examine arms, each a mapping of changes, and compare them."""
    seen = {}
    for name, changes in arms.items():
        arm = changed(config, changes)
        keys = {path: [paths.get(config, path)] for path in changes if paths.has(config, path)}
        seen[name] = examined(arm, keys=keys, metrics=tuple(metrics))
    directions = {name: Direction(direction) for name, direction in metrics.items()}
    declared = Declared(arms, directions)
    return compare_evidence(seen, declared)


def codes(findings: list[Finding], *severities: str) -> set[str]:
    """Return the codes of findings, of some severities or of all."""
    return {item.code for item in findings if not severities or item.severity in severities}
