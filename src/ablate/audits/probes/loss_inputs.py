"""Losses that are given what they do not take: probabilities for logits, and the reverse."""

from collections.abc import Iterable

import torch
from torch import Tensor

from ablate.audits.evidence import Fault
from ablate.audits.probes.loss_calls import PROBABILITIES, LossCall

NEAR = 1e-4
"""How far a sum of probabilities may be from 1."""

ABOVE = 0.05
"""How far the logarithm of a sum of probabilities may be above 0."""


def input_faults(calls: Iterable[tuple[str, LossCall]]) -> list[Fault]:
    """Judge the inputs of losses, given with the name of the step that called them."""
    wrong: dict[str, dict[str, None]] = {}
    for step, call in calls:
        if (what := wrong_input(call)) is not None:
            wrong.setdefault(what, {})[step] = None
    return [
        Fault("wrong-loss-input", f"in {' and '.join(steps)}, {what}", next(iter(steps)))
        for what, steps in wrong.items()
    ]


def wrong_input(call: LossCall) -> str | None:
    """Say what is wrong with the input of a loss; None if nothing is."""
    given = call.input.float()
    if call.input.numel() == 0 or not bool(torch.isfinite(given).any()):
        return None
    what = None
    match call.name:
        case "cross_entropy" if _sums_to_one(given):
            what = "probabilities that sum to one: it takes logits, and applies a softmax itself"
        case "binary_cross_entropy_with_logits" if call.squashed in PROBABILITIES:
            what = f"the output of a {call.squashed}: it takes logits, and applies a sigmoid itself"
        case "nll_loss" | "kl_div" if _sums_to_one(given, last=call.name == "kl_div"):
            what = "probabilities: it takes their logarithms"
        case "nll_loss" if float(_classes(given).logsumexp(1).max()) > ABOVE:
            what = "values that are no logarithms of probabilities"
        case "binary_cross_entropy" | "nll_loss" if call.twice:
            what = f"an output to which a {call.squashed} came second"
    return None if what is None else f"{call.name} is given {what}"


def _sums_to_one(given: Tensor, *, last: bool = False) -> bool:
    """Say whether all values are probabilities of classes."""
    rows = given.reshape(-1, given.shape[-1]) if last and given.ndim else _classes(given)
    if rows.shape[1] < 2 or bool((rows < 0).any()):
        return False
    return bool(((rows.sum(1) - 1).abs() < NEAR).all())


def _classes(given: Tensor) -> Tensor:
    """Return rows of classes, (N, C): they are the second dimension, or the only one."""
    if given.ndim < 2:
        return given.reshape(1, -1)
    return given.movedim(1, -1).reshape(-1, given.shape[1])
