"""Do one job: resolve, probe or run a configuration."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningCLI

from ablate.errors import AblateError
from ablate.run.checkpoints import RunCheckpoint
from ablate.run.lightning_cli import build, resolve
from ablate.run.messages import (
    Decision,
    Event,
    Finished,
    Job,
    Probed,
    Resolved,
    Started,
)
from ablate.run.watch import Diverged, Watch, require_metric
from ablate.spec import dump_yaml

Channel = Callable[[Event], Decision]
"""Takes an event; answers a supervised run's report with a decision, all else with continue."""


def execute(job: Job, channel: Channel) -> None:
    """Do a job, telling the channel what happens; never raises for a failing job."""
    try:
        {"resolve": _resolve, "probe": _probe, "run": _run}[job.task](job, channel)
    except Diverged as outcome:
        channel(Finished(job.id, "failed", str(outcome)))
    except AblateError as error:
        channel(Finished(job.id, "failed", str(error), wrong_config=True))
    except Exception as error:  # noqa: BLE001 - a run may fail in any way; the study goes on
        traceback.print_exc()
        channel(Finished(job.id, "failed", f"{type(error).__name__}: {error}"))


def _resolve(job: Job, channel: Channel) -> None:
    channel(Resolved(job.id, resolve(job.config)))
    channel(Finished(job.id, "complete"))


def _probe(job: Job, channel: Channel) -> None:
    limits = {"fast_dev_run": 1, "logger": False, "enable_checkpointing": False}
    config = _without_file_writers(job.config)
    cli = build(config, None, [], **limits)
    _fit_or_validate(cli)
    logged = cli.trainer.callback_metrics
    require_metric(job.metric, logged)
    epochs = (job.config.get("trainer") or {}).get("max_epochs")
    channel(Probed(job.id, parameter_count(cli), sorted(logged), 1 if epochs is None else epochs))
    channel(Finished(job.id, "complete"))


def _run(job: Job, channel: Channel) -> None:
    assert job.directory is not None  # noqa: S101
    directory = Path(job.directory)
    (directory / "config.yaml").write_text(dump_yaml(job.config), encoding="utf-8")
    watch = Watch(job.id, job.metric, channel)
    cli = build(job.config, directory, [watch])
    for callback in cli.trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, RunCheckpoint):
            callback.identify(job.identity)
    epochs = cli.trainer.max_epochs
    channel(Started(job.id, parameter_count(cli), 1 if epochs is None else epochs))
    _fit_or_validate(cli, watch)
    channel(
        Finished(
            job.id,
            "pruned" if watch.pruned else "complete",
            epochs=cli.trainer.current_epoch,
            steps=cli.trainer.global_step,
            fingerprints=_fingerprints(cli.datamodule),
        )
    )


def _fit_or_validate(cli: LightningCLI, watch: Watch | None = None) -> None:
    """Fit a module that has something to train, validate one that has not."""
    if any(parameter.requires_grad for parameter in cli.model.parameters()):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
        return
    cli.trainer.validate(cli.model, datamodule=cli.datamodule, verbose=False)
    if watch is not None:
        watch.on_fit_end(cli.trainer, cli.model)


def parameter_count(cli: LightningCLI) -> int:
    """Count the trainable parameters, shared ones once."""
    return sum(p.numel() for p in cli.model.parameters() if p.requires_grad)


def _fingerprints(data: LightningDataModule | None) -> dict[str, str]:
    """Ask the data for its fingerprint, if it offers one."""
    offer = getattr(data, "fingerprint", None)
    return {str(k): str(v) for k, v in offer().items()} if callable(offer) else {}


def _without_file_writers(config: dict[str, Any]) -> dict[str, Any]:
    """Drop the configured callbacks and logger: a probe writes nothing."""
    return {**config, "trainer": {**(config.get("trainer") or {}), "callbacks": None}}
