"""The recipe that runs, whatever is written: what a few steps show of optimizers and schedules.

A probe keeps its own count of steps: a module may step optimizers and schedules by itself.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from ablate.audits.evidence import Fault
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.hooks import hook
from ablate.audits.probes.loss_terms import detached_terms, reduction
from ablate.audits.probes.rates import Followed, Plan, rate_faults
from ablate.audits.probes.served import Data
from ablate.audits.probes.unregistered import names_of_hidden, reached_parameters
from ablate.run.optimizers import groups_of
from ablate.run.recipe import BY_HAND, Pace, ParameterGroup, Recipe, Reduction, Schedule

BATCHES = 4
OVERSHOOT = 30.0
"""How many times too long every gradient must be for a few early steps to prove anything."""

_FEWEST_STEPS = 3
_SHORTER = 0.999
_SAME_NORM = 0.01
_VISIBLE = 1e-5
"""The least step, as a share of a value, that single precision surely shows."""

_THAWING = re.compile("finetun|freez", re.IGNORECASE)
"""How callbacks are called that give parameters to an optimizer later on."""

_SHOWN = 4


def rehearse(bench: Bench) -> tuple[Recipe, list[Fault]]:
    """Begin the configured training, and say by which recipe it goes and what is wrong with it."""
    seen = Rehearsal(bench.data)
    bench.rehearse(seen, batches=BATCHES)
    later = any(_THAWING.search(name) for name in bench.callbacks)
    slight = {"outside-optimizer"} if later else set()
    return seen.recipe(), [replace(f, slight=f.slight or f.code in slight) for f in seen.faults]


@dataclass
class _Use:
    """What an optimizer has done: its steps, and the gradients' norms before and behind it."""

    steps: int = 0
    before: float | None = None
    rates: list[float] = field(default_factory=list)
    norms: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class _Parameter:
    """What has become of a parameter: who owns it, what reached it, what has moved it."""

    owner: Optimizer | None
    initial: Tensor
    reached: bool = False
    fresh: bool = False
    stale_steps: int = 0
    due: bool = False
    """Whether a step had to show."""


class Rehearsal(Callback):
    """Watches a training from its first step: optimizers, schedules, gradients, values."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._groups: tuple[ParameterGroup, ...] = ()
        self._uses: dict[Optimizer, _Use] = {}
        self._parameters: dict[str, _Parameter] = {}
        self._names: dict[Tensor, str] = {}
        self._hidden: dict[Tensor, None] = {}
        self._followed: list[Followed] = []
        self._counts: list[int] = []
        self._by_batch: list[int] = []
        self._between: list[int] = []
        self._batches = 0
        self._by_hand = False
        self._batch: Any = None
        self._dtypes: set[torch.dtype] = set()
        self._plan = Plan(None, None)
        self._schedules: tuple[Schedule, ...] = ()
        self.faults: list[Fault] = []
        self._reduction: Reduction | None = None
        self._accumulation: int | None = None
        self._handles: list[Any] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note what is to be trained, by whom, and for how long."""
        train = self._data.train
        self._plan = _planned(trainer, pl_module, known=train is not None and bool(train.length))
        named: dict[Tensor, str] = {
            p: name for name, p in pl_module.named_parameters() if p.requires_grad
        }
        self._names = named
        owners = {
            p: optimizer
            for optimizer in trainer.optimizers
            for group in optimizer.param_groups
            for p in group["params"]
        }
        self._groups = groups_of(trainer.optimizers, named)
        for p, name in named.items():
            self._parameters[name] = _Parameter(owners.get(p), p.detach().clone())
            self._handles += [
                p.register_hook(self._arriving(name, p)),  # type: ignore[no-untyped-call]
                p.register_post_accumulate_grad_hook(self._arrived(name)),  # type: ignore[no-untyped-call]
            ]
        for optimizer in trainer.optimizers:
            self._uses[optimizer] = _Use()
            self._handles.append(optimizer.register_step_post_hook(self._stepped))
        for part in pl_module.modules():
            if not any(True for _ in part.children()):
                self._handles.append(part.register_forward_hook(self._passed))
        self._followed = [Followed(config) for config in trainer.lr_scheduler_configs]
        self._counts = [0] * len(self._followed)
        self._by_batch, self._between = ([0] * len(self._counts) for _ in range(2))

    def on_train_batch_start(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Note what stepped the schedules since the last batch."""
        self._batch = batch if self._batch is None else self._batch
        self._advance(self._between)

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Note the parameters behind a loss that neither the module nor an optimizer knows."""
        groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
        owned = {*pl_module.parameters(), *(p for group in groups for p in group["params"])}
        self._hidden |= {p: None for p in reached_parameters(loss) if p not in owned}

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Measure the gradients as they come."""
        for optimizer, use in self._uses.items():
            use.before = _norm(optimizer)

    def on_train_batch_end(self, *_: Any) -> None:
        """Note what stepped the schedules within the batch."""
        self._batches += 1
        self._advance(self._by_batch)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Follow the schedules to the configured end, and try the loss on other batches."""
        for handle in self._handles:
            handle.remove()
        self._advance(self._between)
        moved = {
            name: not torch.equal(p.detach(), self._parameters[name].initial)
            for p, name in self._names.items()
        }
        self.faults = [
            *self._left_out(pl_module),
            *self._unregistered(pl_module),
            *self._unmoved(moved),
            *self._stale(),
            *self._clipped(trainer),
        ]
        self._accumulation = self._accumulated(trainer, pl_module)
        self._follow(pl_module)
        if pl_module.automatic_optimization and self._batch is not None:
            self._back_to_the_beginning()
            self._reduction = reduction(pl_module, self._batch)
            if terms := detached_terms(pl_module, self._batch):
                self.faults.append(Fault("detached-loss-term", terms, "training_step"))

    def recipe(self) -> Recipe:
        """Return the recipe that was seen."""
        batch_size = None if self._data.train is None else self._data.train.batch_size
        clips = [clip for use in self._uses.values() if (clip := _clip(use)) is not None]
        norms = [before for use in self._uses.values() for before, _ in use.norms]
        examples = (
            batch_size * self._accumulation
            if batch_size is not None and self._accumulation is not None
            else None
        )
        return Recipe(
            groups=self._groups,
            schedules=self._schedules,
            steps=self._plan.steps,
            epochs=self._plan.epochs,
            examples=examples,
            accumulation=self._accumulation,
            clip=min(clips, default=None),
            norm=min(norms, default=None),
            measured=len(norms),
            dtypes=tuple(sorted(str(d).removeprefix("torch.") for d in self._dtypes)),
            reduction=self._reduction,
        )

    # What happens while it trains

    def _arriving(self, name: str, parameter: Tensor) -> Any:
        """Note, as a gradient is about to be added, whether it is the first since the last step."""

        def note(_: Tensor) -> None:
            if parameter.grad is None or not _any(parameter.grad):
                self._parameters[name].fresh = True

        return note

    def _arrived(self, name: str) -> Any:
        def note(parameter: Tensor) -> None:
            if parameter.grad is not None and _any(parameter.grad):
                self._parameters[name].reached = True

        return note

    def _stepped(self, optimizer: Optimizer, *_: Any) -> None:
        """Judge the gradients that a step was made with."""
        use = self._uses[optimizer]
        behind = _norm(optimizer)
        if use.before is not None and behind is not None:
            use.norms.append((use.before, behind))
        use.before = None
        rates = [float(group.get("lr", 0.0)) for group in optimizer.param_groups]
        self._by_hand |= bool(use.steps) and rates != use.rates and not self._followed
        use.rates = rates
        for group in optimizer.param_groups:
            rate = float(group["lr"]) if "lr" in group else 0.0
            for p in group["params"]:
                if p not in self._names or p.grad is None:
                    continue
                seen = self._parameters[self._names[p]]
                if use.steps and seen.reached and not seen.fresh and _any(p.grad):
                    seen.stale_steps += 1
                seen.fresh = False
                if rate > 0 and not p.grad.is_sparse and not seen.due:
                    seen.due = bool(((rate * p.grad).abs() > _VISIBLE * p.detach().abs()).any())
        use.steps += 1

    def _passed(self, module: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        for value in output if isinstance(output, tuple | list) else (output,):
            if isinstance(value, Tensor) and value.is_floating_point() and module.training:
                self._dtypes.add(value.dtype)

    def _advance(self, into: list[int]) -> None:
        for place, followed in enumerate(self._followed):
            into[place] += followed.steps - self._counts[place]
            self._counts[place] = followed.steps

    # What it comes to

    def _left_out(self, module: LightningModule) -> list[Fault]:
        names = [n for n, p in self._parameters.items() if p.owner is None and p.reached]
        admitted = _admitted(module, names)
        return [
            Fault(
                "outside-optimizer",
                f"{len(some)} of {len(self._parameters)} parameters get a gradient and are in no "
                "optimizer",
                _listed(some),
                slight=slight,
            )
            for some, slight in (([n for n in names if n not in admitted], False), (admitted, True))
            if some
        ]

    def _unregistered(self, module: LightningModule) -> list[Fault]:
        if not self._hidden:
            return []
        names = names_of_hidden(module, self._hidden)
        what = (
            f"{len(self._hidden)} parameters get a gradient, belong to no part that the module "
            "knows, as those in a plain list or dict do not, and are in no optimizer: they stay "
            "at their initial values, and no checkpoint has them"
        )
        return [Fault("outside-optimizer", what, _listed(names) or "training_step")]

    def _unmoved(self, moved: Mapping[str, bool]) -> list[Fault]:
        still = [name for name, p in self._parameters.items() if p.due and not moved[name]]
        if not still:
            return []
        what = (
            f"{len(still)} of {len(self._parameters)} parameters get a gradient and are bit for "
            f"bit as before, after {self._steps()} optimizer steps"
        )
        return [Fault("unchanged-parameters", what, _listed(still))]

    def _stale(self) -> list[Fault]:
        stale = [name for name, p in self._parameters.items() if p.stale_steps]
        if not stale:
            return []
        what = (
            f"{len(stale)} of {len(self._parameters)} gradients still hold those of earlier steps "
            "when an optimizer steps: nothing sets them to zero"
        )
        return [Fault("gradients-not-zeroed", what, _listed(stale))]

    def _clipped(self, trainer: Trainer) -> list[Fault]:
        for use in self._uses.values():
            pairs = [(before, behind) for before, behind in use.norms if behind > 0]
            if len(pairs) < _FEWEST_STEPS or any(not _is_clipped(*pair) for pair in pairs):
                continue
            times = [before / behind for before, behind in pairs]
            known = trainer.gradient_clip_val is not None or _clip(use) is not None
            if known and min(times) >= OVERSHOOT:
                what = (
                    f"gradients are cut in each of {len(pairs)} steps, from a norm of "
                    f"{median(b for b, _ in pairs):.3g} to {median(a for _, a in pairs):.3g}: the "
                    "length of every step is that of the clipping"
                )
                return [Fault("every-step-clipped", what, "trainer.gradient_clip_val")]
        return []

    def _steps(self) -> int:
        return max((use.steps for use in self._uses.values()), default=0)

    def _accumulated(self, trainer: Trainer, module: LightningModule) -> int | None:
        """Return how many batches a step is made of; None if that was not seen."""
        if module.automatic_optimization:
            return int(trainer.accumulate_grad_batches)
        steps = [use.steps for use in self._uses.values()]
        if len(steps) != 1 or not steps[0] or self._batches % steps[0]:
            return None
        return self._batches // steps[0]

    def _follow(self, module: LightningModule) -> None:
        """Step the schedules to the end of the configured run."""
        seen: list[Schedule] = []
        for place, followed in enumerate(self._followed):
            found, rates = followed.to_the_end(self._pace(module, place), self._plan)
            seen.append(found)
            if rates is not None:
                self.faults += rate_faults(found, rates)
        self._schedules = (*seen, *([Schedule(BY_HAND, "step")] if self._by_hand else []))

    def _pace(self, module: LightningModule, place: int) -> Pace | None:
        """Say how often a schedule is stepped: by Lightning as it was told, or by the module."""
        if module.automatic_optimization:
            told = self._followed[place].config.interval
            return "epoch" if told == "epoch" else "step"
        if self._by_batch[place] > 1:
            return "step"
        return "epoch" if self._between[place] or self._by_batch[place] else None

    def _back_to_the_beginning(self) -> None:
        with torch.no_grad():
            for p, name in self._names.items():
                p.copy_(self._parameters[name].initial)
                p.grad = None


def _planned(trainer: Trainer, module: LightningModule, *, known: bool) -> Plan:
    """Return how long the configured run is; without the length of an epoch by its end alone."""
    epochs = trainer.max_epochs if trainer.max_epochs not in {None, -1} else None
    if not module.automatic_optimization:
        return Plan(None, epochs)
    if not known:
        return Plan(trainer.max_steps if trainer.max_steps > 0 and epochs is None else None, epochs)
    batches = trainer.num_training_batches
    steps = trainer.estimated_stepping_batches
    if steps == math.inf or int(steps) < 1:
        return Plan(None, epochs)
    if batches != math.inf and int(batches):
        of_epoch = math.ceil(int(batches) / max(1, trainer.accumulate_grad_batches))
        epochs = math.ceil(int(steps) / of_epoch)
    return Plan(int(steps), epochs)


def _any(gradient: Tensor) -> bool:
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return bool((values != 0).any())


def _norm(optimizer: Optimizer) -> float | None:
    """Return the length of the gradient that an optimizer is about to step with."""
    gradients = [
        p.grad.coalesce().values() if p.grad.is_sparse else p.grad
        for group in optimizer.param_groups
        for p in group["params"]
        if p.grad is not None
    ]
    if not gradients:
        return None
    return math.sqrt(sum(float(g.detach().double().square().sum()) for g in gradients))


def _is_clipped(before: float, behind: float) -> bool:
    return behind < _SHORTER * before


def _clip(use: _Use) -> float | None:
    """Return the norm to which longer gradients are cut; None if they are not, or cut otherwise."""
    cut = [behind for before, behind in use.norms if _is_clipped(before, behind)]
    if not cut or max(cut) > (1 + _SAME_NORM) * min(cut):
        return None
    return median(cut)


def _admitted(module: LightningModule, names: Sequence[str]) -> list[str]:
    """List those of some parameters that the module itself calls untrained."""
    untrained = hook(module, "untrained")
    if untrained is None:
        return []
    owners = tuple(f"{owner}." for owner in untrained())
    return [name for name in names if f"{name}.".startswith(owners)]


def _listed(names: Iterable[str]) -> str:
    some = list(names)
    return ", ".join(some[:_SHOWN]) + (", ..." if len(some) > _SHOWN else "")
