"""The workbench: runs an arm's module for a few steps, each time from its beginning."""

import contextlib
import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers.logger import DummyLogger

from ablate.audits.probes.served import TRAIN_BATCHES, Data
from ablate.audits.probes.trace import Values, numbers
from ablate.run.lightning_cli import Factory, build
from ablate.run.randomness import RandomState

KEPT = (
    "accelerator",
    "benchmark",
    "deterministic",
    "gradient_clip_algorithm",
    "gradient_clip_val",
    "max_epochs",
    "max_steps",
    "plugins",
    "use_distributed_sampler",
)
"""What a short run takes over from the configured trainer; all else of it is the probes' own."""


LENGTH = ("accumulate_grad_batches", "limit_train_batches", "max_epochs", "max_steps")
"""What a rehearsal takes over besides."""


class Validations(Enum):
    """When a short training validates: behind its last step if wanted, or behind every step."""

    LAST_STEP = "last step"
    EVERY_STEP = "every step"

    def settings(self, steps: int, *, wanted: bool) -> dict[str, int]:
        """Return the trainer's settings for a training of so many steps, one per epoch."""
        if self is Validations.EVERY_STEP:
            return {"limit_val_batches": 1, "check_val_every_n_epoch": 1}
        return {"limit_val_batches": int(wanted), "check_val_every_n_epoch": steps}


class Bench:
    """One configuration and its data; every run begins with the module as the seed makes it.

    Runs are in full precision on one device, without the configured callbacks and loggers; what
    is logged goes nowhere, and what the module writes below `directory`. A training run makes
    `waits` + 3 optimizer steps, one per epoch: a module `waits` for so many before it learns.
    """

    def __init__(
        self, config: dict[str, Any], directory: Path | None = None, cli: str | None = None
    ) -> None:
        self.directory = directory
        self._config = config
        self._entry = cli
        self._factory: Factory | None = None
        self._cli = build_short(config, directory, cli)
        self._random = RandomState.capture()
        self.data = Data(self._cli.datamodule)
        self._validations = Validations.LAST_STEP
        self.waits = 0

    @property
    def steps(self) -> int:
        """How many steps a training makes."""
        return self.waits + TRAIN_BATCHES

    @property
    def model(self) -> LightningModule:
        """The module as built, never run."""
        model: LightningModule = self._cli.model
        return model

    def built(self, config: dict[str, Any]) -> LightningCLI:
        """Build another config as this one is built."""
        if self._entry is not None:
            return build_short(config, self.directory, self._entry)
        with quiet():
            if self._factory is None:
                self._factory = Factory(short(config), self.directory, **_settings(self.directory))
            return self._factory.build(short(config))

    def beside(self, config: dict[str, Any]) -> "Bench":
        """Put another config of the same project on a bench of its own."""
        bench = Bench(config, self.directory, self._entry)
        bench.waits = self.waits
        return bench

    @property
    def callbacks(self) -> list[str]:
        """The class paths of the configured callbacks, which no run on the bench has."""
        callbacks = (self._config.get("trainer") or {}).get("callbacks") or []
        listed = callbacks if isinstance(callbacks, list) else [callbacks]
        return [str(each.get("class_path")) for each in listed if isinstance(each, dict)]

    @property
    def order(self) -> str | None:
        """The digest of the order in which the last training would have seen the data."""
        return None if self.data.served is None else self.data.served.order

    def fit(
        self,
        *callbacks: Callback,
        config: dict[str, Any] | None = None,
        steps: int | None = None,
        validates: bool = False,
        validations: Validations | None = None,
    ) -> None:
        """Train for `steps`, or for those of the bench; the module of another config if given.

        With `validates` the last step is followed by a small validation, or every step if
        `validations` says so. A schedule may need a metric in every epoch: if the training of this
        configuration fails, it is tried again with a validation behind every step, and so are all
        later ones.
        """
        count = self.steps if steps is None else steps
        train = partial(self._train, callbacks, config, count, validates, validations)
        if config is not None or Validations.EVERY_STEP in {validations, self._validations}:
            train()
            return
        try:
            train()
        except Exception:  # noqa: BLE001 - the second attempt raises what is not cured by it
            self._validations = Validations.EVERY_STEP
            train()

    def _train(
        self,
        callbacks: Sequence[Callback],
        config: dict[str, Any] | None,
        steps: int,
        validates: bool,
        validations: Validations | None,
    ) -> None:
        # Its optimizer belongs to a module: a copy has none.
        cli = self.built(self._config if config is None else config)
        settings = (validations or self._validations).settings(steps, wanted=validates)
        epochs = (self._config.get("trainer") or {}).get("max_epochs")
        if epochs not in {None, -1} and epochs < steps:
            settings["max_epochs"] = steps  # an epoch of a run has more steps than one here
        self._run(_trainer(cli, [*callbacks, _Stop(steps)], settings).fit, cli.model)

    def rehearse(self, *callbacks: Callback, batches: int) -> None:
        """Begin the training as it is configured, with its own length, and end it early."""
        cli = self.built(self._config)
        asked = self._config.get("trainer") or {}
        settings = {name: asked[name] for name in LENGTH if asked.get(name) is not None}
        validates = self._validations is Validations.EVERY_STEP
        validation = {"limit_val_batches": int(validates), "check_val_every_n_epoch": 1}
        whole = {"limit_train_batches": 1.0, **settings, **validation}
        self.data.endless = True
        try:
            self._run(_trainer(cli, [*callbacks, _Stop(batches)], whole).fit, cli.model)
        finally:
            self.data.endless = False

    def validate(
        self,
        *callbacks: Callback,
        batches: list[list[Any]] | None = None,
        model: LightningModule | None = None,
    ) -> Values:
        """Validate on the batches served, or on others, and return what was logged.

        It is a module as built that is validated, unless one is given, which keeps what it has
        become.
        """
        trainer = _trainer(self._cli, callbacks, {})
        self.data.validation = batches
        try:
            chosen = self.copied() if model is None else model
            self._run(partial(trainer.validate, verbose=False), chosen)
        finally:
            self.data.validation = None
        return numbers(trainer.callback_metrics)

    def copied(self) -> LightningModule:
        """Copy the module, and go back to the random numbers that followed its making.

        One that can't be copied, for it keeps a tensor that was computed, is built again.
        """
        try:
            model: LightningModule = copy.deepcopy(self._cli.model)
        except Exception:  # noqa: BLE001 - an attribute may refuse in any way
            model = self.built(self._config).model
        self._random.restore()
        return model

    def _run(self, entry: Callable[..., Any], model: LightningModule) -> None:
        self.data.attach(model)
        with quiet():
            entry(model, datamodule=self.data.module)


def build_short(
    config: dict[str, Any], directory: Path | None = None, cli: str | None = None
) -> LightningCLI:
    """Build the module and the data of a config, with a trainer for runs of a few steps.

    `cli` is the entry that builds the project's own LightningCLI.
    """
    with quiet():
        return build(short(config), directory, [], cli, bare=True, **_settings(directory))


def _settings(directory: Path | None) -> dict[str, Any]:
    return {
        "logger": _Unheard(directory),
        "enable_checkpointing": False,
        "inference_mode": False,
        "num_sanity_val_steps": 0,
    }


def short(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config whose trainer suits a run of a few steps."""
    trainer = config.get("trainer") or {}
    kept = {key: copy.deepcopy(trainer[key]) for key in KEPT if trainer.get(key) is not None}
    for key in ("max_epochs", "max_steps"):
        if kept.get(key, -1) != -1:
            kept[key] = max(kept[key], TRAIN_BATCHES)
    kept |= {"devices": 1, "limit_train_batches": 1}
    if "plugins" not in kept:
        kept["precision"] = "32-true"
    return {**config, "trainer": kept}


def _trainer(cli: LightningCLI, callbacks: Sequence[Callback], settings: dict[str, Any]) -> Trainer:
    with quiet():
        trainer = cli.instantiate_trainer(**settings)
    trainer.callbacks.extend(callbacks)  # type: ignore[attr-defined]
    return trainer


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what Lightning says about short runs; compile nothing."""
    names = ("pytorch", "fabric", "fabric.utilities.rank_zero", "fabric.utilities.seed")
    loggers = [logging.getLogger(f"lightning.{name}") for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.compiler.set_stance("force_eager"):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Unheard(DummyLogger):
    """Takes what is logged and keeps nothing: callbacks that only log refuse to be without one."""

    def __init__(self, directory: Path | None) -> None:
        super().__init__()
        self._directory = directory

    @property
    def save_dir(self) -> str | None:
        """The folder in which the module may write."""
        return None if self._directory is None else str(self._directory)


class _Stop(Callback):
    """Ends a run after some batches, whatever its configured length."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._left = steps

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._left = self._steps

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self._left -= 1
        trainer.should_stop = self._left <= 0
