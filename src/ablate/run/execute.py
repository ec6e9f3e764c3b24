"""Do one job: resolve, probe or run a configuration."""

import contextlib
import importlib
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ablate.errors import AblateError, RunError
from ablate.run import resume
from ablate.run.checkpoints import RunCheckpoint
from ablate.run.failures import failure
from ablate.run.lightning_cli import build, resolve
from ablate.run.messages import (
    Answered,
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

Interrupted = Callable[[], bool]
"""Says whether a run has been asked to end at the end of its epoch."""

Channel = Callable[[Event], Decision]
"""Takes an event; answers a supervised run's report with a decision, all else with continue."""


def execute(job: Job, channel: Channel, interrupted: Interrupted = lambda: False) -> None:
    """Do a job, telling the channel what happens; never raises for a failing job."""
    try:
        if job.task == "run":
            _run(job, channel, interrupted)
        else:
            {"resolve": _resolve, "probe": _probe, "call": _call}[job.task](job, channel)
    except (Exception, SIGTERMException) as error:  # noqa: BLE001 - whatever it is, the study goes on
        if not isinstance(error, (Diverged, AblateError)):
            with contextlib.suppress(OSError):  # the disk of the log may be full
                traceback.print_exc()
        channel(failure(job, error, interrupted()))


def _resolve(job: Job, channel: Channel) -> None:
    channel(Resolved(job.id, resolve(job.config)))
    channel(Finished(job.id, "complete"))


def _probe(job: Job, channel: Channel) -> None:
    limits = {"fast_dev_run": 1, "logger": False, "enable_checkpointing": False}
    config = _without_file_writers(job.config)
    with tempfile.TemporaryDirectory() as directory:
        cli = build(config, Path(directory), [], **limits)
        epochs = (job.config.get("trainer") or {}).get("max_epochs")
        if epochs is not None:  # the run's own: a development run has one, but ends by steps too
            cli.trainer.fit_loop.max_epochs = epochs
        _fit_or_validate(cli)
    logged = cli.trainer.callback_metrics
    require_metric(job.metric, logged)
    channel(Probed(job.id, parameter_count(cli), sorted(logged), 1 if epochs is None else epochs))
    channel(Finished(job.id, "complete"))


def _call(job: Job, channel: Channel) -> None:
    module, _, name = job.function.partition(":")
    if not module.startswith("ablate."):
        raise RunError(f"only functions of ablate can be called, not {job.function!r}")
    function: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
    channel(Answered(job.id, function(job.config, **job.arguments)))
    channel(Finished(job.id, "complete"))


def _run(job: Job, channel: Channel, interrupted: Interrupted) -> None:
    assert job.directory is not None  # noqa: S101
    if interrupted():
        channel(Finished(job.id, "interrupted", "interrupted before it started"))
        return
    directory = Path(job.directory)
    (directory / "config.yaml").write_text(dump_yaml(job.config), encoding="utf-8")
    checkpoint = directory / resume.FILE
    earlier = resume.load(checkpoint, job) if job.resume else None
    if earlier is None:
        checkpoint.unlink(missing_ok=True)
    if job.resume:
        resume.remove_leftovers(checkpoint)
    watch = Watch(job.id, job.metric, channel, interrupted)
    cli = build(job.config, directory, [watch])
    keeper = resume.Keeper(job, checkpoint, watch, earlier)
    cli.trainer.callbacks.insert(0, keeper)  # type: ignore[attr-defined]
    for callback in cli.trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, RunCheckpoint):
            callback.identify(job.identity)
    epochs = cli.trainer.max_epochs
    channel(
        Started(
            job.id,
            parameter_count(cli),
            1 if epochs is None else epochs,
            earlier["epoch"] if earlier else None,
        )
    )
    if earlier:
        watch.fingerprints |= earlier["fingerprints"]
        watch.replay(earlier["reports"])
        resume.restore(cli.trainer, earlier)
    fitted = _fit_or_validate(cli, checkpoint if earlier else None)
    if watch.interrupted:
        channel(Finished(job.id, "interrupted", "interrupted at the end of an epoch"))
        return
    if fitted and watch.stopped_at is None and _validation_is_due(cli, watch):
        keeper.restore_random(cli.trainer)
        _validate(cli)
    watch.require_objective(cli.trainer)
    checkpoint.unlink(missing_ok=True)
    stop = watch.stopped_at
    channel(
        Finished(
            job.id,
            "pruned" if stop else "complete",
            epochs=stop.epoch + 1 if stop else cli.trainer.current_epoch,
            steps=stop.step if stop else cli.trainer.global_step,
            fingerprints={**watch.fingerprints, **_fingerprints(cli.datamodule)},
        )
    )


def _fit_or_validate(cli: LightningCLI, checkpoint: Path | None = None) -> bool:
    """Fit a module that has something to train, validate one that has not; say if it was fitted."""
    if not any(parameter.requires_grad for parameter in cli.model.parameters()):
        _validate(cli)
        return False
    path = str(checkpoint) if checkpoint else None
    cli.trainer.fit(
        cli.model, datamodule=cli.datamodule, ckpt_path=path, weights_only=bool(path) or None
    )
    return True


def _validation_is_due(cli: LightningCLI, watch: Watch) -> bool:
    """Say whether a fit that could validate has not validated its final weights."""
    return cli.trainer.enable_validation and watch.validated_at != cli.trainer.global_step


def _validate(cli: LightningCLI) -> None:
    cli.trainer.validate(cli.model, datamodule=cli.datamodule, verbose=False)


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
