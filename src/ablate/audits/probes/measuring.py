"""How a module measures itself: its losses, what they are given, and what metrics come of it."""

import copy
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from ablate.audits.evidence import Fault, Measured
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import Canonical
from ablate.audits.probes.content import tensors
from ablate.audits.probes.definitions import (
    Measures,
    definitions,
    measures,
    moments,
    plain_measures,
)
from ablate.audits.probes.hooks import hook, reason
from ablate.audits.probes.loss_calls import LossCall, LossWatch, labels
from ablate.audits.probes.loss_inputs import input_faults
from ablate.audits.probes.next_token import (
    Relation,
    Sight,
    is_next_token,
    look_ahead,
    next_token_relation,
)
from ablate.audits.probes.trace import Trace, Values
from ablate.run.randomness import seeded

STEPS = ("training_step", "validation_step")
MOMENTS = 400
"""How many numbers about outputs are kept: the first calls, and the last."""


@dataclass(frozen=True)
class Measurement:
    """What the probe of losses and metrics found."""

    measured: Measured
    faults: list[Fault] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def measure(bench: Bench) -> Measurement:
    """Watch one step of training and one validation, with two sets of canonical weights."""
    watches = [_watched(bench, number) for number in (1, 2)]
    first, values = watches[0][0], [metrics for _, metrics in watches]
    validations = [watch.calls("validation_step") for watch, _ in watches]
    runs: list[tuple[Values, Measures]] = [
        (metrics, [*watch.plain, *measures(watch.watches["validation_step"])])
        for watch, metrics in watches
        if "validation_step" in watch.watches
    ]
    measured = Measured(
        outputs=tuple(tuple(watch.outputs) for watch, _ in watches),
        inputs=tuple(
            tuple(m for call in calls for m in moments(call.input)) for calls in validations
        ),
        losses=labels(validations[0]),
        training=tuple(each.get("loss") for each in values),
        metrics=tuple(values),
        definitions=definitions(values[0], runs) if runs else {},
        picked=tuple(sorted({*first.watches["validation_step"].picked})) if runs else (),
    )
    faults = input_faults((step, call) for step in STEPS for call in first.calls(step))
    faults += _threshold_faults(watch for watch, _ in watches)
    future = _future(bench, first)
    return Measurement(measured, [*faults, *future.faults()], future.skipped)


def _threshold_faults(watches: Iterable["_Watch"]) -> list[Fault]:
    """Find logits that validation compares with the threshold of probabilities."""
    for watch in watches:
        takes_logits = any(
            call.name == "binary_cross_entropy_with_logits" and not call.squashed
            for call in watch.calls("training_step")
        )
        seen = watch.watches.get("validation_step")
        if takes_logits and seen is not None and seen.no_probabilities:
            what = (
                "in validation_step, values beyond 0 and 1 are compared with 0.5, the "
                "threshold of probabilities; training takes the outputs for logits, whose "
                "threshold is 0"
            )
            return [Fault("wrong-loss-input", what, "validation_step")]
    return []


def _watched(bench: Bench, number: int) -> tuple["_Watch", Values]:
    """Let the module stand still in one step of training and a validation, and watch."""
    trace, watch = Trace(), _Watch()
    bench.fit(Canonical(number, still=1), trace, watch, steps=1, validates=True)
    return watch, trace.steps[-1]


def _future(bench: Bench, seen: "_Watch") -> "_Future":
    """Look into the future of a model that predicts next tokens and says nothing of itself."""
    relations = {step: next_token_relation(watch) for step, watch in seen.watches.items()}
    found = {step: relation for step, relation in relations.items() if relation is not None}
    future = _Future(found)
    if hook(bench.model, "autoregression") is not None:
        return future
    if found:
        bench.fit(Canonical(still=1), future, steps=1, validates=True)
    elif seen.untested:
        future.skipped["causality"] = (
            "the next token is predicted, but where tokens enter the network is not seen: offer "
            "the hook `autoregression`"
        )
    return future


class _Steps(Callback):
    """Does something else in the place of the first step of training and of validation."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Begin with training."""
        self._wrap(pl_module, "training_step")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Go on with validation."""
        self._wrap(pl_module, "validation_step")

    def _wrap(self, model: LightningModule, name: str) -> None:
        step = getattr(model, name)

        @functools.wraps(step)
        def instead(*args: Any, **kwargs: Any) -> Any:
            setattr(model, name, step)
            return self._instead(model, name, functools.partial(step, *args, **kwargs))

        setattr(model, name, instead)

    def _instead(self, model: LightningModule, name: str, step: functools.partial[Any]) -> Any:
        raise NotImplementedError


class _Watch(_Steps):
    """Watches the first step of training and of validation."""

    def __init__(self) -> None:
        self.watches: dict[str, LossWatch] = {}
        self.outputs: list[float] = []
        self.plain: Measures = []
        self.untested = False

    def calls(self, step: str) -> list[LossCall]:
        """Return the calls of losses in a step."""
        return self.watches[step].calls if step in self.watches else []

    def _instead(self, model: LightningModule, name: str, step: functools.partial[Any]) -> Any:
        given = tensors((step.args, step.keywords))
        with LossWatch(given=given) as watch, _Outputs(model) as outputs:
            result = step()
        self.watches[name] = watch
        self.outputs = outputs.moments
        self.plain = plain_measures(outputs.last, given)
        self.untested |= _untested(watch, (step.args, step.keywords))
        return result


class _Future(_Steps):
    """Repeats steps with other tokens, where targets are tokens."""

    def __init__(self, relations: Mapping[str, Relation]) -> None:
        self._relations = relations
        self.sights: dict[str, Sight] = {}
        self.skipped: dict[str, str] = {}

    def faults(self) -> list[Fault]:
        """Judge what predictions of the next token see."""
        copied = [step for step, sight in self.sights.items() if sight.copied]
        ahead = {step: sight for step, sight in self.sights.items() if sight.future}
        found = []
        if copied:
            what = (
                f"in {' and '.join(copied)}, the target of a position is the token given at that "
                "position, and the output there sees it: copying it is all there is to learn"
            )
            found.append(Fault("targets-unshifted", what, copied[0]))
        if ahead:
            told = " and ".join(
                f"at {sight.future} of {sight.tried} positions tried in {step}"
                for step, sight in ahead.items()
            )
            what = (
                "altering the tokens from a position on changes outputs that predict them or what "
                f"is before them, {told}"
            )
            found.append(Fault("sees-the-future", what, next(iter(ahead))))
        return found

    def _instead(self, model: LightningModule, name: str, step: functools.partial[Any]) -> Any:  # noqa: ARG002
        def again() -> None:
            with seeded(0), torch.no_grad():
                step.func(*copy.deepcopy(step.args), **copy.deepcopy(step.keywords))

        if (relation := self._relations.get(name)) is not None:
            try:
                self.sights[name] = look_ahead(relation, again)
            except Exception as error:  # noqa: BLE001 - a step may refuse to be repeated
                self.skipped["causality"] = reason(error)
        return step()


def _untested(watch: LossWatch, batch: Any) -> bool:
    """Say whether targets are tokens of the batch, shifted by one."""
    targets = [
        call.target
        for call in watch.calls
        if call.name in {"cross_entropy", "nll_loss"} and not call.target.is_floating_point()
    ]
    return any(is_next_token(target, leaf) for target in targets for leaf in tensors(batch))


class _Outputs:
    """Describes what the parts of a module with parameters give, and the module itself."""

    def __init__(self, model: LightningModule) -> None:
        self._parts = [model, *_with_parameters(model)]
        self._handles: list[Any] = []
        self.moments: list[float] = []
        self.last: list[Tensor] = []

    def __enter__(self) -> "_Outputs":
        self._handles = [part.register_forward_hook(self._note) for part in self._parts]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _note(self, part: nn.Module, args: Any, output: Any) -> None:  # noqa: ARG002
        self.last = tensors(output)[:1]
        for tensor in tensors(output):
            if isinstance(tensor, Tensor) and len(self.moments) < MOMENTS:
                self.moments += moments(tensor)


def _with_parameters(model: nn.Module) -> list[nn.Module]:
    """List the modules that own parameters, at any depth."""
    return [
        module
        for module in model.modules()
        if module is not model and any(True for _ in module.parameters(recurse=False))
    ]
