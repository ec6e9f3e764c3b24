"""Do one job: resolve, probe or run a configuration."""

import contextlib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ablate.errors import AblateError
from ablate.run import resume
from ablate.run.checkpoints import RunCheckpoint
from ablate.run.failures import failure
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
            {"resolve": _resolve, "probe": _probe}[job.task](job, channel)
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
    cli = build(config, None, [], **limits)
    _fit_or_validate(cli)
    logged = cli.trainer.callback_metrics
    require_metric(job.metric, logged)
    epochs = (job.config.get("trainer") or {}).get("max_epochs")
    channel(Probed(job.id, parameter_count(cli), sorted(logged), 1 if epochs is None else epochs))
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
    cli.trainer.callbacks.insert(0, resume.Keeper(job, checkpoint, watch, earlier))  # type: ignore[attr-defined]
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
    _fit_or_validate(cli, watch, checkpoint if earlier else None)
    if watch.interrupted:
        channel(Finished(job.id, "interrupted", "interrupted at the end of an epoch"))
        return
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


def _fit_or_validate(
    cli: LightningCLI, watch: Watch | None = None, checkpoint: Path | None = None
) -> None:
    """Fit a module that has something to train, validate one that has not."""
    if any(parameter.requires_grad for parameter in cli.model.parameters()):
        path = str(checkpoint) if checkpoint else None
        cli.trainer.fit(
            cli.model, datamodule=cli.datamodule, ckpt_path=path, weights_only=bool(path) or None
        )
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
