"""LightningCLI as the resolver and builder of configurations."""

import copy
import io
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningCLI
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ablate.errors import SpecError
from ablate.run.config_errors import CLASS_KEYS, explained, unknown_key
from ablate.run.defaults import left_to_code, recorded
from ablate.run.run_folder import placed
from ablate.run.schedules import Schedule, StepSchedule
from ablate.spec import paths


class _CLI(LightningCLI):
    """LightningCLI without its own files, whose schedules may be stepped per step."""

    def __init__(self, config: dict[str, Any], **kwargs: Any) -> None:
        config = copy.deepcopy(config)
        if config.get("trainer") is None:
            config["trainer"] = {}
        super().__init__(
            args=config,
            run=False,
            save_config_callback=None,
            parser_kwargs={"exit_on_error": False},
            **kwargs,
        )

    @staticmethod
    def configure_optimizers(
        lightning_module: LightningModule,
        optimizer: Optimizer,
        lr_scheduler: LRScheduler | None = None,
    ) -> Any:
        """Step a `Schedule` at its own interval, fitted to the run; else do as Lightning does."""
        if not isinstance(lr_scheduler, Schedule):
            return LightningCLI.configure_optimizers(lightning_module, optimizer, lr_scheduler)
        _fit_to_run(lr_scheduler, lightning_module.trainer)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": lr_scheduler, "interval": lr_scheduler.interval},
        }


def _fit_to_run(schedule: Schedule, trainer: Trainer) -> None:
    """Tell a schedule the length of the run; raise SpecError if it does not suit the schedule."""
    name = type(schedule).__name__
    if schedule.interval == "epoch":
        length, needs = trainer.max_epochs or -1, "trainer.max_epochs"
    else:
        steps = trainer.estimated_stepping_batches
        length = -1 if math.isinf(steps) else int(steps)
        needs = "trainer.max_epochs or trainer.max_steps"
    if length < 0:
        raise SpecError(f"lr_scheduler: {name} needs a run of known length: set {needs}")
    try:
        schedule.fit_to(length)
    except ValueError as error:
        raise SpecError(f"lr_scheduler: {name}: {error}") from None
    warmup = schedule.warmup if isinstance(schedule, StepSchedule) else 0
    if warmup > (schedule.length or length) and not trainer.fast_dev_run:  # type: ignore[attr-defined]
        warnings.warn(
            f"lr_scheduler: {name} warms up for {warmup} steps, but the run has {schedule.length}: "
            "the rate only rises and never reaches its full value",
            stacklevel=2,
        )


class _Resolver(_CLI):
    """A CLI that only parses."""

    def instantiate_classes(self) -> None:
        """Build nothing."""


class _Builder(_CLI):
    """A CLI that builds the objects of one run in the run's own directory."""

    def __init__(
        self, config: dict[str, Any], callbacks: list[Callback], trainer_arguments: dict[str, Any]
    ) -> None:
        self._callbacks = callbacks
        self._trainer_arguments = trainer_arguments
        super().__init__(config)

    @property
    def auto_configure_optimizers(self) -> bool:
        """Leave out the optimizer of a module that has nothing to train."""
        model = getattr(self, "model", None)
        return model is None or next(model.parameters(), None) is not None

    @auto_configure_optimizers.setter
    def auto_configure_optimizers(self, value: bool) -> None:
        """Take the value that LightningCLI starts with."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer with the run's arguments and callbacks over the configured ones.

        Lightning judges the configured flags and callbacks as they are; then progress bars go.
        """
        trainer = super().instantiate_trainer(**{**kwargs, **self._trainer_arguments})
        built: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
        kept = [callback for callback in built if not isinstance(callback, ProgressBar)]
        trainer.callbacks = [*kept, *self._callbacks]  # type: ignore[attr-defined]
        return trainer


def resolve(config: dict[str, Any]) -> dict[str, Any]:
    """Fill in every default of a config; raise SpecError naming the key that does not hold.

    Seeds the global random number generators as a side effect, as LightningCLI does.
    """
    written = left_to_code(config)
    with explained(written), _silenced():
        cli = _Resolver(written)
        resolved = recorded(cli.parser, cli.config, written, {"trainer": cli.trainer_class})
    for path, value in paths.flatten(config).items():
        # jsonargparse drops an empty mapping under an unknown key without a word.
        if value == {} and path.split(".")[-1] not in CLASS_KEYS and not paths.has(resolved, path):
            raise SpecError(unknown_key(path, config))
    return resolved


def build(
    config: dict[str, Any], directory: Path | None, callbacks: list[Callback], **trainer: Any
) -> LightningCLI:
    """Build module, data and trainer of a config; the trainer writes below `directory`.

    Raises SpecError where a constructor refuses its arguments.
    """
    asked = config.get("trainer") or {}
    arguments = {
        "enable_model_summary": bool(asked.get("enable_model_summary")),
        **({"default_root_dir": str(directory)} if directory else {}),
        **trainer,
    }
    written = left_to_code(placed(config, directory) if directory else config)
    with explained(written):
        return _Builder(written, callbacks, arguments)


def left_out(cli: LightningCLI) -> list[str]:
    """Name what a config asks to be drawn on a terminal, which runs do without."""
    asked = cli.config_init["trainer"]
    callbacks = asked.get("callbacks")
    if not isinstance(callbacks, list):
        callbacks = [callbacks]
    bars = [type(callback).__name__ for callback in callbacks if isinstance(callback, ProgressBar)]
    return bars or (["trainer.enable_progress_bar"] if asked.get("enable_progress_bar") else [])


@contextmanager
def _silenced() -> Iterator[None]:
    logger = logging.getLogger("lightning.fabric.utilities.seed")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
