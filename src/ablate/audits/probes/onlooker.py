"""What happens around the validations of a short training, as an onlooker sees it."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ablate.audits.evidence import Fault

SHOWN = 4

_DROPOUT = (
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    *(nn.AlphaDropout, nn.FeatureAlphaDropout),
)
_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
_LIBRARIES = {"torch", "torchmetrics", "lightning", "pytorch_lightning"}

Snapshot = dict[str, Tensor]


class Onlooker(Callback):
    """Watches validations within a training: modes, weights before, during and behind them."""

    def __init__(self) -> None:
        self.training: dict[str, str] = {}
        """Parts that were called in training mode while validating, and their classes."""
        self._before: Snapshot = {}
        self._behind: set[str] | None = None
        self._changed: set[str] | None = None
        self._swapped: set[str] = set()
        self._called: dict[bool, dict[str, tuple[tuple[int, ...], ...]]] = {True: {}, False: {}}
        self._validated = False
        self._handles: list[RemovableHandle] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Begin anew, and see from here on which parts are called."""
        self.__init__()  # type: ignore[misc]
        for path, part in pl_module.named_modules():
            if _library(part) != "torchmetrics":
                see = functools.partial(self._see, path, pl_module)
                self._handles.append(part.register_forward_pre_hook(see))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Look away."""
        for handle in self._handles:
            handle.remove()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Keep the weights of the last step, before the module's own hook can exchange them."""
        if not self._before:
            self._before = snapshot(pl_module)

    def on_validation_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,
        *_: Any,
    ) -> None:
        """See whether the module itself, which nobody may call, is in training mode."""
        self._validated = True
        if pl_module.training and _asks_for_mode(pl_module):
            self.training["the module"] = type(pl_module).__name__

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Compare what the module is behind a validation with what it was before."""
        if self._validated and self._behind is None:
            self._behind = different(self._before, snapshot(pl_module))

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:  # noqa: ARG002
        """Compare the parameters from which training goes on: some give weights back late."""
        if self._validated and self._changed is None:
            self._changed = different(self._before, snapshot(pl_module))

    @property
    def weights(self) -> str:
        """Which weights were validated; empty where no validation was seen."""
        if not self._validated:
            return ""
        if self._swapped:
            return "other weights than those of the last step"
        trained, validated = self._called[True], self._called[False]
        only_trained = [trained[path] for path in trained if path not in validated]
        only_validated = [validated[path] for path in validated if path not in trained]
        if only_validated and sorted(only_trained) == sorted(only_validated):
            return "a copy of what is trained"
        return "those of the last step"

    def faults(self) -> list[Fault]:
        """Judge what was seen."""
        found = []
        if self.training:
            parts = [f"{path} ({kind})" for path, kind in self.training.items()]
            what = f"while validating, these are in training mode: {_shown(parts)}"
            found.append(Fault("training-mode-in-validation", what, "validation"))
        if changed := self._changed_by_validation():
            what = f"training goes on from other values behind a validation: {_shown(changed)}"
            found.append(Fault("validation-changes-weights", what, "validation"))
        return found

    def _changed_by_validation(self) -> list[str]:
        """Name parameters, and the statistics of norms; what else is kept may well be a metric."""
        behind = self._behind or set()
        parameters = behind if self._changed is None else self._changed
        return sorted(
            name
            for name in behind
            if name in parameters or (_is_statistic(name) and not self._swapped)
        )

    def _see(self, path: str, model: LightningModule, part: nn.Module, _: Any) -> None:
        trains = not (model.trainer.validating or model.trainer.evaluating)
        own = dict(part.named_parameters(recurse=False))
        if own and path not in self._called[trains]:
            self._called[trains][path] = tuple(tuple(value.shape) for value in own.values())
            if not trains:
                names = {f"{path}.{name}" if path else name: p for name, p in own.items()}
                self._swapped |= different(self._before, names)
        if not trains and part.training and acts_otherwise(part):
            self.training[path or "the module"] = type(part).__name__


def snapshot(module: nn.Module) -> Snapshot:
    """Copy the parameters of a module, and the running statistics of its norms."""
    statistics = {name: buffer for name, buffer in module.named_buffers() if _is_statistic(name)}
    return {
        name: value.detach().clone()
        for name, value in {**dict(module.named_parameters()), **statistics}.items()
        if not isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer)
    }


def different(before: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> set[str]:
    """Name the tensors in both that are not equal."""
    return {
        name
        for name, value in now.items()
        if name in before and not torch.equal(before[name], value.detach().to(before[name].device))
    }


def acts_otherwise(part: nn.Module) -> bool:
    """Say whether a module computes something else in training mode, its children apart."""
    if isinstance(part, _DROPOUT):
        return bool(part.p > 0)
    if isinstance(part, _NORMS):
        return bool(part.track_running_stats)
    if isinstance(part, nn.RNNBase):
        return part.dropout > 0 and part.num_layers > 1
    if isinstance(part, nn.MultiheadAttention):
        return bool(part.dropout > 0)
    return isinstance(part, nn.RReLU) or _asks_for_mode(part)


def _asks_for_mode(part: nn.Module) -> bool:
    """Say whether code of a project's class reads `training`."""
    return any(
        "training" in function.__code__.co_names
        for kind in type(part).__mro__
        if kind.__module__.partition(".")[0] not in _LIBRARIES
        for function in vars(kind).values()
        if inspect.isfunction(function) and function.__name__ not in _MODE_METHODS
    )


_MODE_METHODS = {"train", "eval", "training_step"}


def _is_statistic(name: str) -> bool:
    return name.rpartition(".")[2] in {"running_mean", "running_var"}


def _library(part: nn.Module) -> str:
    return type(part).__module__.partition(".")[0]


def _shown(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (
        f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    )
