"""Build a configuration, make a few steps of it, and write down what there is to know."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.loggers.logger import DummyLogger

from ablate.measure.asking import Asked
from ablate.measure.quiet import quiet
from ablate.measure.structure import components, frozen
from ablate.measure.trial import Enough, Trial
from ablate.plan.facts import Facts
from ablate.run.lightning_cli import FitCall, train
from ablate.run.trainable import parameter_count, trains


def look(
    config: dict[str, Any], asked: Mapping[str, Any], cli: str | None = None
) -> dict[str, Any]:
    """Look at a resolved config: `Asked` in, `Facts` out, as plain data.

    `cli` is the entry that builds the project's own LightningCLI. Steps are first made with parts
    of a batch; where the module does not take those, with whole ones. Raises what the config's
    code raises with whole batches.
    """
    wishes = Asked.of(asked)
    try:
        return _looked(config, wishes, cli, parts=True).as_dict()
    except Exception:  # noqa: BLE001 - the second attempt raises what is not cured by it
        return _looked(config, wishes, cli, parts=False).as_dict()


def _looked(config: dict[str, Any], asked: Asked, cli: str | None, *, parts: bool) -> Facts:
    found: list[Facts] = []

    def try_out(call: FitCall) -> bool:
        if not trains(call.model):
            found.append(Facts(trains=False, components=components(call.model)))
            return False
        trainer = call.trainer
        schedulers = [
            one
            for one in trainer.callbacks  # type: ignore[attr-defined]
            if isinstance(one, GradientAccumulationScheduler)
        ]
        trial = Trial(config, asked, dict(schedulers[0].scheduling) if schedulers else None, parts)
        trainer.callbacks = [trial]  # type: ignore[attr-defined]
        # Modules and callbacks are told that this is no run to keep anything of.
        trainer.fast_dev_run = True  # type: ignore[attr-defined]
        try:
            call.fit()
        except Enough:
            pass
        finally:
            trial.close()
        found.append(trial.facts(parameter_count(call.model), frozen(call.model)))
        return False

    with tempfile.TemporaryDirectory() as directory, quiet():
        train(_short(config), Path(directory), cli, try_out, logger=DummyLogger())
    return found[0]


def _short(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config whose trainer keeps no record and runs on this process's device alone."""
    from ablate.measure.devices import here  # noqa: PLC0415

    trainer = dict(config.get("trainer") or {})
    callbacks = trainer.get("callbacks") or []
    kept = [
        one
        for one in (callbacks if isinstance(callbacks, list) else [callbacks])
        if "GradientAccumulationScheduler" in str(one)
    ]
    trainer |= {
        "callbacks": kept or None,
        "logger": None,
        "profiler": None,
        "devices": 1,
        "num_nodes": 1,
        "strategy": "auto",
        "num_sanity_val_steps": 0,
        "enable_progress_bar": False,
        "accelerator": here(trainer.get("accelerator")),
    }
    return {**config, "trainer": trainer}
