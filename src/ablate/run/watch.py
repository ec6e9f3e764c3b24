"""The callback through which a run reports, obeys and is stopped when it diverges."""

import math
import time
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from ablate.errors import SpecError, cut, nearest, printable
from ablate.run.batches import batch_digest
from ablate.run.data_digest import DataSeen
from ablate.run.group_metrics import Groups
from ablate.run.messages import Decision, Progress, Reported
from ablate.run.recipe_recorder import RecipeRecorder
from ablate.spec import Direction

Report = Callable[[Reported | Progress], Decision]
Phase = Literal["train", "val"]
_PROGRESS_S = 1.0
_SHOWN = 60
_NAME = 500
"""How many characters the name of a metric may have: it is stored with each of its values."""


class Diverged(Exception):  # noqa: N818 - an outcome, not a mistake
    """A loss or the objective is no longer a finite number."""


class Watch(Checkpoint):
    """Report epoch-level metrics and the objective; stop when told to or on a non-finite value.

    `stopped_at` is the report that was answered with "stop"; `interrupted` says that the run was
    ended before its time because `asked_to_end` came true. A run that is `given_up` already ends as
    whoever gave it up says, with what it logged last. `fingerprints` holds digests of the
    first batches, which tell that two runs saw the same data in the same order, and `data` those of
    all examples. `groups` holds what the module tells of its examples by group. `recipe` is a
    callback of its own, which sees how the run trains.

    A metric belongs to validation if it first appears at the end of a validation, otherwise to
    training; validation metrics are reported after every validation, training metrics at the end
    of every training epoch. A report holds what was logged since the one before it of its phase:
    Lightning keeps an old value for callbacks to look at, but it is no measurement of this epoch.
    A validation after the fit counts as one of its last epoch.
    `validated_at` is the optimizer step of the last validation, None before the first.

    It is a Checkpoint only in name: Lightning calls those after the module's own hooks, so that
    they see what `on_train_epoch_end` logs.
    """

    def __init__(
        self,
        job: int,
        metric: str | None,
        report: Report,
        asked_to_end: Callable[[], bool] = lambda: False,
        best: Direction | None = None,
        *,
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._asked_to_end = asked_to_end
        self._given_up = given_up
        self._job = job
        self._metric = metric
        self._report = report
        self._before: set[str] = set()
        self._old: dict[Phase, dict[str, Tensor]] = {"train": {}, "val": {}}
        self._val_names: set[str] = set()
        self._train_names: set[str] = set()
        self._logged: set[str] = set()
        self._loss: tuple[int, Tensor] | None = None
        self._told = time.monotonic()
        self.sent: list[Reported] = []
        self.metrics: dict[str, Tensor] = {}
        self.fingerprints: dict[str, str] = {}
        self.groups = Groups(best)
        self.recipe = RecipeRecorder()
        self.data = DataSeen()
        self.stopped_at: Reported | None = None
        self.validated_at: int | None = None
        self.interrupted = False

    def replay(self, reports: Iterable[Reported]) -> None:
        """Send the reports of an earlier process again, until one of them stops the run."""
        for report in reports:
            if self.stopped_at is not None and self.stopped_at.step != report.step:
                return
            if report.phase == "val":
                self._val_names |= set(report.metrics)
                self.validated_at = report.step
            else:
                self._train_names |= set(report.metrics)
            self._tell(report)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Train nothing more if a report that was sent again has stopped the run."""
        self.stopped_at = trainer.strategy.broadcast(self.stopped_at)
        if self.stopped_at is not None:
            end_after_this_epoch(trainer)

    def begin_epoch(self, trainer: Trainer) -> None:
        """Note what is old news, before any callback has logged what it finds in a new epoch."""
        self._old["train"] = dict(trainer.callback_metrics)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Note the names that training has logged by now, and what is old news."""
        self._before = (set(trainer.callback_metrics) | self._train_names) - self._val_names
        self._old["val"] = dict(trainer.callback_metrics)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report what validation logged."""
        self._val_names |= set(trainer.callback_metrics) - self._before
        if trainer.sanity_checking:
            return
        self.data.close("val")
        self.validated_at = trainer.global_step
        self.groups.ask(pl_module, trainer.global_step, _epoch(trainer))
        self._send(trainer, "val", self._val_names)

    def on_train_batch_start(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Look at the batch, before a step may change it."""
        self.data.see("train", batch)

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,
    ) -> None:
        """Look at the batch, before a step may change it."""
        if not trainer.sanity_checking:
            self.data.see(f"val {dataloader_idx}" if dataloader_idx else "val", batch)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Check the loss of the step before, so that an accelerator is not waited for."""
        self._tell_progress(trainer)
        self._see("first training batch", batch)
        self._check_loss()
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            self._loss = (trainer.global_step, loss.detach())

    def on_validation_batch_end(  # noqa: PLR0917 - Lightning's signature
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Tell that the run is alive."""
        self._tell_progress(trainer)
        self._see("first validation batch", batch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Report what training logged; end here if asked to, unless the run ends here anyway."""
        self.data.close("train")
        self._check_loss()
        self._train_names |= set(trainer.callback_metrics) - self._val_names
        self._send(trainer, "train", self._train_names)
        self.metrics = dict(trainer.callback_metrics)
        ends = self._asked_to_end() and not _is_over(trainer)
        self.interrupted = trainer.strategy.broadcast(ends)
        if self.interrupted:
            end_after_this_epoch(trainer)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Check the last loss, and note what was logged: a validation after the fit forgets it."""
        self._check_loss()
        self._logged = set(trainer.callback_metrics)

    def require_objective(self, trainer: Trainer) -> None:
        """Raise SpecError if the run, which has ended, never logged its objective."""
        require_metric(self._metric, self._logged | set(trainer.callback_metrics))

    def _see(self, name: str, batch: Any) -> None:
        """Fingerprint a batch, the first of its name."""
        if name not in self.fingerprints:
            self.fingerprints[name] = batch_digest(batch)

    def _check_loss(self) -> None:
        if self._loss is not None:
            step, loss = self._loss
            self._loss = None
            if not bool(torch.isfinite(loss).all()) and not self._given_up():
                raise Diverged(f"diverged: the training loss is {loss.item()} at step {step}")

    def _send(self, trainer: Trainer, phase: Phase, names: set[str]) -> None:
        old = self._old[phase]
        metrics = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            # Whatever is logged is a tensor of its own.
            if name in names and value is not old.get(name) and value.numel() == 1
        }
        require_names(metrics)
        if metrics:
            self._tell_metrics(trainer, phase, metrics)
        # The first process of a distributed run decides for all.
        self.stopped_at = trainer.strategy.broadcast(self.stopped_at)
        if self.stopped_at is not None:
            end_after_this_epoch(trainer)

    def _tell_metrics(
        self, trainer: Trainer, phase: Literal["train", "val"], metrics: dict[str, float]
    ) -> None:
        objective = metrics.get(self._metric) if self._metric else None
        epoch = _epoch(trainer)
        report = Reported(self._job, phase, trainer.global_step, epoch, metrics, objective)
        self.groups.see(report)
        self._tell(report)
        if objective is not None and not math.isfinite(objective) and not self._given_up():
            raise Diverged(
                f"diverged: {self._metric} is {objective} at step {trainer.global_step} "
                f"(epoch {epoch})"
            )

    def _tell(self, report: Reported) -> None:
        self.sent.append(report)
        if self._report(report) == "stop" and self.stopped_at is None:
            self.stopped_at = report

    def _tell_progress(self, trainer: Trainer) -> None:
        now = time.monotonic()
        if now - self._told >= _PROGRESS_S:
            self._told = now
            self._report(Progress(self._job, trainer.global_step, trainer.current_epoch))


def end_after_this_epoch(trainer: Trainer) -> None:
    """Let a run end, even before the minimum of epochs or steps that it is configured for."""
    trainer.should_stop = True
    trainer.fit_loop.min_epochs = None
    trainer.fit_loop.epoch_loop.min_steps = None


def _epoch(trainer: Trainer) -> int:
    """Return the epoch of a report: a validation after the last one counts as part of it."""
    epoch = trainer.current_epoch
    return max(epoch - 1, 0) if trainer.state.fn == TrainerFn.VALIDATING else epoch


def _is_over(trainer: Trainer) -> bool:
    """Say whether the epoch that ends now is the last one in any case."""
    epochs, steps = trainer.current_epoch + 1, trainer.global_step
    if trainer.max_epochs not in (None, -1) and epochs >= trainer.max_epochs:
        return True
    if trainer.max_steps != -1 and steps >= trainer.max_steps:
        return True
    minimum = trainer.fit_loop.min_epochs or 0, trainer.fit_loop.min_steps or 0
    return trainer.should_stop and epochs >= minimum[0] and steps >= minimum[1]


def require_names(metrics: Iterable[str]) -> None:
    """Raise SpecError if a metric has a name that can't be stored."""
    for name in metrics:
        shown = cut(printable(name[:_SHOWN]), _SHOWN)
        if len(name) > _NAME:
            raise SpecError(
                f"the module logs a metric whose name has {len(name)} characters ({shown!r}...): "
                f"{_NAME} are the most"
            )
        if name != printable(name):
            raise SpecError(
                f"the module logs a metric whose name ({shown}) holds characters that are no text: "
                "give it another one"
            )


def require_metric(metric: str | None, logged: Any) -> None:
    """Raise SpecError if `metric` is not among the logged names."""
    if metric is not None and metric not in logged:
        raise SpecError(f"the module never logs the metric {metric!r}: {nearest(metric, logged)}")
