"""What a module tells of its examples by group, asked after every validation."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from numbers import Integral
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from ablate.errors import SpecError, cut, printable
from ablate.run.messages import GroupMeans, Reported
from ablate.run.randomness import RandomState
from ablate.spec import Direction

HOOK = "group_metrics"
MOST = 10_000
"""How many means one answer may hold: they are stored with every run, at two of its epochs."""

_NAME = 200
_SHOWN = 60
_SHAPE = "return {grouping: {metric: {group: (mean, examples)}}}"


class Groups:
    """Keeps the means by group of a run's last validation, and of that where its objective is best.

    `best` says which value of the objective is the best; None keeps the last alone.
    """

    def __init__(self, best: Direction | None) -> None:
        self._direction = best
        self._value = math.nan
        self._last: tuple[GroupMeans, ...] = ()
        self._best: tuple[GroupMeans, ...] = ()

    @property
    def kept(self) -> tuple[GroupMeans, ...]:
        """What is kept, in the order of steps."""
        earlier = tuple(found for found in self._best if found not in self._last)
        return (*earlier, *self._last)

    def ask(self, module: LightningModule, step: int, epoch: int) -> None:
        """Ask a module after a validation. Raises SpecError for an answer that can't be stored."""
        self._last = ask(module, step, epoch)

    def see(self, report: Reported) -> None:
        """Keep the last answer as the best if the objective of a report is, the first of equals."""
        value = report.objective
        if self._direction is None or value is None or not math.isfinite(value):
            return
        if math.isnan(self._value) or self._direction.better(value, than=self._value):
            self._value = value
            self._best = tuple(found for found in self._last if found.step == report.step)

    def to_plain(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it."""
        kept = {"last": self._last, "best": self._best}
        plain = {name: [asdict(means) for means in found] for name, found in kept.items()}
        return {"value": self._value, **plain}

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Go back to what `to_plain` gave."""
        self._value = plain["value"]
        self._last = tuple(GroupMeans(**means) for means in plain["last"])
        self._best = tuple(GroupMeans(**means) for means in plain["best"])


class AskForGroups(Callback):
    """Asks a module after its validations, and keeps nothing: is its answer one to be stored?"""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ask it."""
        ask(pl_module, trainer.global_step, trainer.current_epoch)


def ask(module: LightningModule, step: int, epoch: int) -> tuple[GroupMeans, ...]:
    """Return the means by group that a module offers after a validation; none if it offers none.

    Its random numbers are those of a run that is not asked. Raises SpecError for an answer that
    can't be stored.
    """
    hook = getattr(module, HOOK, None)
    if not callable(hook):
        return ()
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    state = RandomState.capture(cuda=started)
    try:
        answer = hook()
    finally:
        state.restore()
    found = tuple(
        GroupMeans(grouping, name, step, epoch, _means(means, (grouping, name)))
        for grouping, metrics in _items(answer, ())
        for name, means in _items(metrics, (grouping,))
        if means != {}
    )
    count = sum(len(each.means) for each in found)
    if count > MOST:
        raise SpecError(
            f"{HOOK} of the module gives {count:,} means: {MOST:,} are the most; "
            "give fewer metrics, or larger groups"
        )
    return found


def _means(answer: Any, path: tuple[str, ...]) -> dict[str, tuple[float, int]]:
    return {group: _mean(value, (*path, group)) for group, value in _items(answer, path)}


def _mean(value: Any, path: tuple[str, ...]) -> tuple[float, int]:
    try:
        mean, examples = value
        mean, examples = float(mean), int(examples) if _is_whole(examples) else 0
    except (TypeError, ValueError, RuntimeError):
        examples = 0
    if examples < 1:
        raise SpecError(
            f"{HOOK} of the module: {_shown(path)} is {cut(printable(repr(value)), _SHOWN)}, not "
            f"a mean and a number of examples, which is at least 1: {_SHAPE}"
        )
    return mean, examples


def _is_whole(count: Any) -> bool:
    return isinstance(count, Integral) or float(count).is_integer()


def _items(answer: Any, path: tuple[str, ...]) -> Iterable[tuple[str, Any]]:
    """Return the items of a mapping whose keys can be stored."""
    if not isinstance(answer, Mapping):
        what = f"{_shown(path)} is" if path else "its answer is"
        raise SpecError(
            f"{HOOK} of the module: {what} a {type(answer).__name__}, not a mapping: {_SHAPE}"
        )
    for key in answer:
        if not isinstance(key, str) or not key.isprintable() or len(key) > _NAME:
            shown = cut(printable(repr(key)), _SHOWN)
            raise SpecError(
                f"{HOOK} of the module: {shown} in {_shown(path) or 'its answer'} is no name: "
                f"give a printable text of at most {_NAME} characters"
            )
    return answer.items()


def _shown(path: tuple[str, ...]) -> str:
    return "/".join(cut(part, _SHOWN) for part in path)
