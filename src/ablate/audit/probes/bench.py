"""The workbench: runs an arm's module for a few steps, each time from its beginning."""

import contextlib
import copy
import logging
import math
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI
from torch import Tensor, nn

from ablate.audit.probes.served import TRAIN_BATCHES, Data, randomness, reseed, restore
from ablate.run.lightning_cli import build

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

SCHEDULES = ("schedule[", "step_schedule[")
"""What the later rates of a schedule are called, of one by epoch and of one by step.

A schedule by step is as long as the few steps of a probe, not as those of a run.
"""

SCHEDULE_STEPS = 1_000
UNKNOWN_LENGTH = 100

Values = dict[str, float]


class Bench:
    """One configuration and its data; every run begins with the module as the seed makes it.

    Runs are in full precision on one device, without the configured callbacks and loggers; what
    the module writes goes below `directory`. A training run makes three optimizer steps, one per
    epoch.
    """

    def __init__(self, config: dict[str, Any], directory: Path | None = None) -> None:
        self.directory = directory
        self._config = config
        self._cli = build_short(config, directory)
        self._random = randomness()
        self.data = Data(self._cli.datamodule)
        self._validates = False

    @property
    def model(self) -> LightningModule:
        """The module as built, never run."""
        model: LightningModule = self._cli.model
        return model

    @property
    def order(self) -> str | None:
        """The digest of the order in which the last training would have seen the data."""
        return self.data.served.order if self.data.served else None

    def fit(
        self,
        *callbacks: Callback,
        config: dict[str, Any] | None = None,
        steps: int = TRAIN_BATCHES,
        validates: bool = False,
    ) -> None:
        """Train for some steps, the module of another config if one is given.

        With `validates` the last step is followed by a small validation. A schedule may need a
        metric in every epoch: then every step is.
        """
        more = {
            "limit_val_batches": 1 if validates or self._validates else 0,
            "check_val_every_n_epoch": 1 if self._validates else steps,
        }
        # Its optimizer belongs to a module: a copy has none.
        cli = build_short(self._config if config is None else config, self.directory)
        trainer = _trainer(cli, [*callbacks, _Stop(steps)], more)
        try:
            self._run(trainer.fit, cli.model)
        except Exception:
            if self._validates or config is not None:
                raise
            self._validates = True
            self.fit(*callbacks, steps=steps, validates=validates)

    def validate(self, *callbacks: Callback, batches: list[list[Any]] | None = None) -> Values:
        """Validate on the batches served, or on others, and return what was logged."""
        trainer = _trainer(self._cli, callbacks, {})
        self.data.validation = batches
        try:
            self._run(partial(trainer.validate, verbose=False), self._copy())
        finally:
            self.data.validation = None
        return numbers(trainer.callback_metrics)

    def _copy(self) -> LightningModule:
        """Copy the module, and go back to the random numbers that followed its making."""
        restore(self._random)
        model: LightningModule = copy.deepcopy(self._cli.model)
        return model

    def _run(self, do: Callable[..., Any], model: LightningModule) -> None:
        self.data.attach(model)
        with quiet():
            do(model, datamodule=self.data.module)


def build_short(config: dict[str, Any], directory: Path | None = None) -> LightningCLI:
    """Build the module and the data of a config, with a trainer for runs of a few steps."""
    with quiet():
        return build(
            short(config),
            directory,
            [],
            logger=False,
            enable_checkpointing=False,
            inference_mode=False,
            num_sanity_val_steps=0,
            limit_train_batches=1,
        )


def short(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config whose trainer suits a run of a few steps."""
    trainer = config.get("trainer") or {}
    kept = {key: copy.deepcopy(trainer[key]) for key in KEPT if trainer.get(key) is not None}
    for key in ("max_epochs", "max_steps"):
        if kept.get(key, -1) != -1:
            kept[key] = max(kept[key], TRAIN_BATCHES)
    kept["devices"] = 1
    if "plugins" not in kept:
        kept["precision"] = "32-true"
    return {**config, "trainer": kept}


def _trainer(cli: LightningCLI, callbacks: Sequence[Callback], more: dict[str, Any]) -> Trainer:
    with quiet():
        trainer = cli.instantiate_trainer(**more)
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


def numbers(metrics: dict[str, Any]) -> Values:
    """Read logged metrics as numbers."""
    return {name: float(value) for name, value in metrics.items()}


def reason(error: BaseException) -> str:
    """Name an error in one line."""
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first}"


def trainable(model: nn.Module) -> bool:
    """Say whether a module has anything to train."""
    return any(parameter.requires_grad for parameter in model.parameters())


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


class Trace(Callback):
    """Keeps the losses, the logged metrics and the learning rates of every step."""

    def __init__(self) -> None:
        self.steps: list[Values] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Begin anew."""
        self.steps = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Add a step."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        self.steps.append(
            numbers(trainer.callback_metrics)
            | ({"loss": float(loss.detach())} if isinstance(loss, Tensor) else {})
            | {f"lr[{number}]": float(group["lr"]) for number, group in enumerate(groups)}
            | {"weights": norm(pl_module)}
        )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Add what the validation behind the last step says."""
        if self.steps:
            self.steps[-1] |= numbers(trainer.callback_metrics)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Follow the schedules to the configured end: the rates are all that is left to see."""
        if not self.steps:
            return
        epochs = trainer.max_epochs
        steps = UNKNOWN_LENGTH if epochs in {None, -1} else min(int(epochs or 0), SCHEDULE_STEPS)
        for number, each in enumerate(trainer.lr_scheduler_configs):
            if rates := _later_rates(each.scheduler, steps):
                kind = "schedule" if each.interval == "epoch" else "step_schedule"
                self.steps[-1][f"{kind}[{number}]"] = sum(rates)


def _later_rates(scheduler: Any, count: int) -> list[float]:
    found: list[float] = []
    # A schedule may need a metric, or come to its end.
    with contextlib.suppress(Exception):
        for step in range(count):
            scheduler.step()
            found += [float(g["lr"]) * (step + 1) for g in scheduler.optimizer.param_groups]
    return found


def norm(module: nn.Module) -> float:
    """Return the length of the vector of all parameters."""
    with torch.no_grad():
        squares = [p.detach().double().square().sum() for p in module.parameters()]
    return math.sqrt(sum(float(square) for square in squares))


def exact(steps: Sequence[Values], unstable: Collection[str] = ()) -> list[dict[str, str]]:
    """Write values so that equal text means equal bits, or both no number."""
    return [{n: v.hex() for n, v in step.items() if n not in unstable} for step in steps]


class Canonical(Callback):
    """Gives a module weights that depend on its parameters' order and shapes alone.

    Training starts from them. The weights are given again before the `still`-th step and before
    every validation from there on; then dropout and batch statistics stand still.
    """

    def __init__(self, number: int = 1, *, still: int | None = None, seed: int = 0) -> None:
        self._number = number
        self._still = still
        self._seed = seed
        self._step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Give the weights, and the random numbers that follow."""
        self._step = 0
        self._give(pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ARG002
        """Give the weights again where the module is to stand still."""
        self._step += 1
        if self._step == self._still:
            self._give(pl_module)
            freeze(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Give the weights again, unless training goes on."""
        if self._still is None or self._step >= self._still:
            self._give(pl_module)

    def _give(self, module: LightningModule) -> None:
        fill(module, self._number)
        reseed(self._seed)


@torch.no_grad()
def fill(module: nn.Module, number: int) -> None:
    """Fill in seeded weights: matrices ~ N(0, 1 / fan-in), vectors uniform in [0.5, 1.5).

    The vector of a padding index stays zero.
    """
    generator = torch.Generator().manual_seed(number)
    for parameter in module.parameters():
        if not parameter.is_floating_point():
            continue
        if parameter.ndim > 1:
            fan_in = max(1, parameter[0].numel())
            values = torch.randn(parameter.shape, generator=generator) * fan_in**-0.5
        else:
            values = torch.rand(parameter.shape, generator=generator) + 0.5
        parameter.copy_(values)
    for part in module.modules():
        if isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.padding_idx is not None:
            part.weight[part.padding_idx] = 0


def freeze(module: nn.Module) -> None:
    """Put a module into evaluation mode, but recurrent ones: on a GPU those must train."""
    module.eval()
    for part in module.modules():
        if isinstance(part, nn.RNNBase):
            part.train()


@dataclass(frozen=True)
class Signature:
    """What a module does with canonical weights: two steps of training, and standing still."""

    trace: tuple[Values, ...]
    response: Values


def signature(bench: Bench, number: int = 1, config: dict[str, Any] | None = None) -> Signature:
    """Train for two steps, then let the module stand still for a third and a validation."""
    watch = Trace()
    bench.fit(Canonical(number, still=TRAIN_BATCHES), watch, config=config, validates=True)
    *moving, last = watch.steps
    of_training = ("lr[", *SCHEDULES, "weights")
    response = {name: value for name, value in last.items() if not name.startswith(of_training)}
    schedules = {name: value for name, value in last.items() if name.startswith(SCHEDULES)}
    return Signature((*moving, schedules), response)
