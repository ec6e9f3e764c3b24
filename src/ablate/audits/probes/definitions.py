"""Which well-known measure of predictions and targets a logged metric is, by its value."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ablate.audits.probes.loss_calls import ALTERED, LossCall, LossWatch
from ablate.audits.probes.trace import Values

NEAR = 1e-5

Measures = list[tuple[str, float]]
"""Names of measures and their values in one validation, in the order of their computation."""


def measures(watch: LossWatch) -> Measures:
    """Compute what the losses and comparisons of one validation allow to be computed."""
    found = [pair for call in watch.calls for pair in _of_call(call)]
    if len(watch.calls) > 1:
        found.append(("the sum of its losses", sum(call.mean for call in watch.calls)))
    for kind, result, altered in watch.compared:
        values = result.double()
        if kind == "equality":
            found.append(("accuracy", float(values.mean())))
        else:
            squares, to = float(values.square().mean()), ALTERED if altered else ""
            found += [(f"mse_loss{to}", squares), (f"root of mse_loss{to}", squares**0.5)]
            # Whoever subtracts may mean a penalty: only a loss that is called has a loss's name.
            whose = " to no value of the batch" if altered else ""
            size = float(values.abs().mean())
            found += [(f"the mean size of a difference{whose}", size), (f"l1_loss{to}", size)]
    return found


def plain_measures(outputs: Sequence[Tensor], given: Sequence[Tensor]) -> Measures:
    """Compute what the scores that a network gives come to, against the classes of a batch.

    A loss that is written by hand is known by these.
    """
    found: Measures = []
    for scores in outputs:
        for classes in given:
            if _are_classes(scores, classes):
                loss = torch.nn.functional.cross_entropy(scores.double(), classes.long())
                right = scores.argmax(1) == classes
                found += [("cross_entropy", float(loss)), ("accuracy", float(right.float().mean()))]
    return found


def _are_classes(scores: Tensor, classes: Tensor) -> bool:
    return (
        scores.is_floating_point()
        and scores.ndim == classes.ndim + 1 == 2
        and len(scores) == len(classes) > 0
        and not classes.is_floating_point()
        and bool(((classes >= 0) & (classes < scores.shape[1])).all())
    )


def definitions(
    metrics: Values, runs: Sequence[tuple[Values, Measures]]
) -> dict[str, tuple[str, ...]]:
    """Name for every metric the measures whose values it has in all runs, if there are any."""
    known = [pairs for _, pairs in runs]
    if any([name for name, _ in pairs] != [name for name, _ in known[0]] for pairs in known):
        return {}
    named = {}
    for metric in metrics:
        values = [each.get(metric, math.nan) for each, _ in runs]
        names = dict.fromkeys(
            measured[0][0]
            for measured in zip(*known, strict=True)
            if all(_near(a, b) for a, (_, b) in zip(values, measured, strict=True))
        )
        if names:
            named[metric] = tuple(names)
    return named


def _near(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=NEAR, abs_tol=NEAR * 0.1)


def _of_call(call: LossCall) -> Iterator[tuple[str, float]]:
    label = call.label + (ALTERED if call.altered else "")
    yield label, call.mean
    if call.name in {"cross_entropy", "nll_loss"}:
        yield f"exp({label})", math.exp(min(call.mean, 700.0))
    for name, measure in MEASURES.get(call.name, {}).items():
        try:
            yield name + (ALTERED if call.altered else ""), float(measure(call))
        except (RuntimeError, IndexError):  # shapes of a kind that the measure does not know
            continue


def _accuracy(call: LossCall) -> Tensor:
    right, counted = _right(call)
    return right[counted].float().mean()


def _accuracy_of_all(call: LossCall) -> Tensor:
    right, _ = _right(call)
    return right.float().mean()


def _right(call: LossCall) -> tuple[Tensor, Tensor]:
    picked = call.input.argmax(1 if call.input.ndim > 1 else 0)
    target = call.target.argmax(1) if call.target.is_floating_point() else call.target
    right = picked == target
    return right, torch.ones_like(right) if call.ignored is None else target != call.ignored


def _binary(threshold: float) -> Callable[[LossCall], Tensor]:
    def accuracy(call: LossCall) -> Tensor:
        return ((call.input > threshold) == (call.target > 0.5)).float().mean()

    return accuracy


def _mse(call: LossCall) -> Tensor:
    return (call.input.double() - call.target.double()).square().mean()


def _rmse(call: LossCall) -> Tensor:
    return _mse(call).sqrt()


def _mae(call: LossCall) -> Tensor:
    return (call.input.double() - call.target.double()).abs().mean()


_CLASSES = {"accuracy": _accuracy, "accuracy over ignored targets too": _accuracy_of_all}
_ERRORS = {"mse_loss": _mse, "root of mse_loss": _rmse, "l1_loss": _mae}
MEASURES: Mapping[str, Mapping[str, Callable[[LossCall], Tensor]]] = {
    "cross_entropy": _CLASSES,
    "nll_loss": _CLASSES,
    "binary_cross_entropy_with_logits": {"binary accuracy": _binary(0.0)},
    "binary_cross_entropy": {"binary accuracy": _binary(0.5)},
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"), _ERRORS),
}


def moments(tensor: Tensor) -> tuple[float, ...]:
    """Describe a tensor by its size and three sums, by which equal ones are known again."""
    flat = tensor.detach().double().flatten().nan_to_num()
    if flat.numel() == 0:
        return (0.0, 0.0, 0.0, 0.0)
    places = torch.arange(flat.numel(), dtype=torch.float64, device=flat.device)
    weighed = flat * torch.cos(places)
    return float(flat.numel()), float(flat.sum()), float(flat.abs().sum()), float(weighed.sum())
