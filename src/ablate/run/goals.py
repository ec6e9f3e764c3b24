"""The callback that follows the goals of a run while it trains."""

import time
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from statistics import fmean
from typing import Any

import psutil
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from ablate.plan import GoalTracker, Judgement, Verdict
from ablate.plan.goals import facts
from ablate.run.messages import Judged
from ablate.run.ranks import is_first
from ablate.run.watch import end_after_this_epoch
from ablate.spec import Action, Goals
from ablate.spec.goals import MEASURED, OF_SUCCESS

SECONDS, MEMORY = MEASURED
SUCCESS, STEPS_TO_SUCCESS = OF_SUCCESS

_GIGA = 1e9


class FollowGoals(Checkpoint):
    """Read what is logged at every step, judge the goals, and stop the run where they say so.

    A milestone is judged when everything logged at its step is known: at the start of the next
    batch, after a validation at that step. `stopped_by` is the judgement that ended the run.
    `measures` are logged for others to read: the highest memory so far, and the mean seconds of the
    steps since they were logged last.

    It is a Checkpoint only in name: Lightning calls those after the module's own hooks, so that
    they see what these log.
    """

    def __init__(
        self,
        goals: Goals,
        job: int,
        tell: Callable[[Judged], Any] = lambda _: None,
        measures: Sequence[str] = (),
    ) -> None:
        self._goals = goals
        self._measured = tuple(measures)
        self._job = job
        self._tell = tell
        self._wanted = goals.metrics
        judged = any(each.metric in MEASURED for each in goals.conditions())
        self._measures = judged or bool(measures)
        self._memory = 0.0
        self._seconds: list[float] = []
        self._old: dict[str, Tensor] = {}
        self._began: float | None = None
        self.tracker = GoalTracker(goals)
        self.stopped_by: Judgement | None = None

    @property
    def missed(self) -> Judgement | None:
        """The goal that the run missed, and that ended it."""
        stopped = self.stopped_by
        return stopped if stopped and stopped.verdict is Verdict.MISSED else None

    def facts(self) -> dict[str, Any]:
        """Return what is stored of the goals."""
        return facts(self.tracker.judgements)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Learn how many steps the training is to have."""
        total = trainer.estimated_stepping_batches
        self.tracker.total = int(total) if isfinite(total) else None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Take what is there for old: Lightning makes an epoch's values anew at its end."""
        self._logged(trainer)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Judge what the steps so far have decided."""
        self._say(trainer, self.tracker.reach(trainer.global_step, trainer.current_epoch))
        if self._began is None:
            self._began = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Read what training has logged."""
        values = self._logged(trainer)
        if self._measures:
            began, self._began = self._began, time.perf_counter()
            values[MEMORY] = memory_gb()
            self._memory = max(self._memory, values[MEMORY])
            if began is not None:
                values[SECONDS] = self._began - began
                self._seconds.append(values[SECONDS])
        self._see(trainer, values)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Read what validation has logged."""
        if not trainer.sanity_checking:
            self._see(trainer, self._logged(trainer))
            self._log(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Read what training has logged of the whole epoch."""
        self._see(trainer, self._logged(trainer))
        self._log(trainer)

    def end(self, trainer: Trainer) -> None:
        """Judge what is left, once everything is trained and validated."""
        self._say(trainer, self.tracker.end(trainer.global_step, trainer.current_epoch))

    def _log(self, trainer: Trainer) -> None:
        """Put success and what is measured among the metrics, where it can be searched for."""
        logged = trainer.callback_metrics
        if MEMORY in self._measured and self._memory:
            logged[MEMORY] = torch.tensor(self._memory, dtype=torch.float64)
        if SECONDS in self._measured and self._seconds:
            logged[SECONDS] = torch.tensor(fmean(self._seconds), dtype=torch.float64)
            self._seconds = []
        if self._goals.success is None:
            return
        reached = self.tracker.success
        total = self.tracker.total or trainer.global_step
        if reached is None and not total:
            return  # nothing is trained: one step more would be the first
        logged.update(
            {
                SUCCESS: torch.tensor(float(reached is not None)),
                STEPS_TO_SUCCESS: torch.tensor(float(reached.step if reached else total + 1)),
            }
        )

    def _logged(self, trainer: Trainer) -> dict[str, float]:
        """Return the wanted metrics that have been logged since the last look."""
        found = trainer.callback_metrics
        # Whatever is logged is a tensor of its own.
        new = {
            name: found[name]
            for name in self._wanted
            if name in found and found[name] is not self._old.get(name)
        }
        self._old.update(new)
        return {name: float(value) for name, value in new.items() if value.numel() == 1}

    def _see(self, trainer: Trainer, values: Mapping[str, float]) -> None:
        self._say(trainer, self.tracker.see(trainer.global_step, trainer.current_epoch, values))

    def _say(self, trainer: Trainer, judgements: Sequence[Judgement]) -> None:
        for judgement in judgements if is_first() else ():
            self._tell(Judged(self._job, judgement))
        stop = next((each for each in judgements if each.action is Action.STOP), None)
        if trainer.world_size > 1 and self._may_stop:
            # Every process reads what it has logged itself: the first one decides for all.
            stop = trainer.strategy.broadcast(stop)
        self.stopped_by = self.stopped_by or stop
        if self.stopped_by is not None:
            end_after_this_epoch(trainer)

    @property
    def _may_stop(self) -> bool:
        goals = self._goals
        single = (goals.success, goals.plateau, goals.watch)
        acts = any(goal and goal.action is Action.STOP for goal in (*goals.milestones, *single))
        return acts or goals.divergence is not None


def memory_gb() -> float:
    """Return what this process holds of memory, of the GPU's at its peak if it has one, in GB."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.max_memory_allocated() / _GIGA
    return int(psutil.Process().memory_info().rss) / _GIGA
