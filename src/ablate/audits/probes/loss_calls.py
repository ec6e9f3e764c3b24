"""The calls of torch's losses within a step, and the tokens that the step embeds."""

import inspect
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

LOSSES: dict[Callable[..., Any], str] = {
    getattr(functional, name): name
    for name in (
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "cosine_embedding_loss",
        "cross_entropy",
        "gaussian_nll_loss",
        "hinge_embedding_loss",
        "huber_loss",
        "kl_div",
        "l1_loss",
        "mse_loss",
        "multi_margin_loss",
        "multilabel_margin_loss",
        "multilabel_soft_margin_loss",
        "nll_loss",
        "poisson_nll_loss",
        "smooth_l1_loss",
        "soft_margin_loss",
    )
}
"""Every loss of an input and a target, with its name."""

SQUASHING: dict[Callable[..., Any], str] = {
    functional.softmax: "softmax",
    torch.softmax: "softmax",
    torch.Tensor.softmax: "softmax",
    functional.log_softmax: "log_softmax",
    torch.log_softmax: "log_softmax",
    torch.Tensor.log_softmax: "log_softmax",
    torch.sigmoid: "sigmoid",
    torch.Tensor.sigmoid: "sigmoid",
    functional.sigmoid: "sigmoid",
}
TOKENS = (functional.embedding, functional.one_hot)
"""What takes tokens into a network."""

COMPARING: dict[Callable[..., Any], str] = {
    torch.sub: "difference",
    torch.Tensor.sub: "difference",
    torch.Tensor.__sub__: "difference",
    torch.Tensor.__rsub__: "difference",
    torch.eq: "equality",
    torch.Tensor.eq: "equality",
    torch.Tensor.__eq__: "equality",
}
"""What metrics that are written by hand are made of."""

ABOVE: frozenset[Callable[..., Any]] = frozenset(
    {torch.gt, torch.Tensor.gt, torch.Tensor.__gt__, torch.ge, torch.Tensor.ge, torch.Tensor.__ge__}
)
BEST: frozenset[Callable[..., Any]] = frozenset({torch.topk, torch.Tensor.topk})
HALF = 0.5
"""The threshold of probabilities."""

ALTERED = " of altered targets"
MOST_VALUES = 100_000
NEAR = 1e-5

MOST = 60
"""How many comparisons are kept."""

PROBABILITIES = frozenset({"softmax", "sigmoid"})

EQUAL_NAMES = {
    "nll_loss": "cross_entropy",
    "binary_cross_entropy_with_logits": "binary_cross_entropy",
}
"""Losses that measure the same, given logarithms or logits."""

_TERMS = ("input", "target", "reduction", "size_average", "reduce")
"""Arguments of a loss that do not set what it measures."""


@dataclass(frozen=True, eq=False)
class LossCall:
    """One call of a loss: what it was given, and what it gave.

    `squashed` says which function made the input, `twice` that it was made of what one had made
    already, `altered` that the target holds other values than the batch.
    """

    name: str
    input: Tensor
    target: Tensor
    value: Tensor
    arguments: dict[str, Any] = field(default_factory=dict)
    squashed: str = ""
    twice: bool = False
    altered: bool = False

    @property
    def mean(self) -> float:
        """The loss, averaged where it was left apart."""
        return float(self.value.detach().double().mean())

    @property
    def ignored(self) -> int | None:
        """The target that counts for nothing, of the losses that have one."""
        index = self.arguments.get("ignore_index")
        return index if isinstance(index, int) else None

    @property
    def label(self) -> str:
        """Name the loss with what makes it another one: smoothing, class weights, a margin."""
        reduction = self.arguments.get("reduction", "mean")
        altered = [
            f"{name} {_written(value)}"
            for name, value in sorted(self.arguments.items())
            if name not in _TERMS and self._matters(name, value)
        ]
        if reduction == "sum":
            altered.append("summed")
        name = EQUAL_NAMES.get(self.name, self.name)
        return f"{name} with {', '.join(altered)}" if altered else name

    def _matters(self, name: str, value: Any) -> bool:
        if name == "ignore_index":
            return bool((self.target == value).any()) if not _is_share(self.target) else False
        if isinstance(value, Tensor):
            return bool((value != 1).any())
        return bool(value != _defaults(self.name).get(name))


class LossWatch(TorchFunctionMode):
    """Keeps the calls of losses, differences and equalities, and the integers embedded, in order.

    `substitute` gives other integers to be embedded in the place of some, or None. `given` are the
    tensors of the batch: what is compared with other values is compared with altered targets.
    `picked` are the numbers of best guesses that are compared with targets; `no_probabilities`
    says whether values beyond 0 and 1 were compared with the threshold of probabilities.
    """

    def __init__(
        self,
        substitute: Callable[[Tensor], Tensor | None] | None = None,
        given: Sequence[Tensor] = (),
    ) -> None:
        super().__init__()
        self._given = Given(given)
        self._best: dict[int, int] = {}
        self.picked: list[int] = []
        self.no_probabilities = False
        self.calls: list[LossCall] = []
        self.tokens: list[Tensor] = []
        self.compared: list[tuple[str, Tensor, bool]] = []
        self._substitute = substitute
        self._squashed: dict[int, tuple[str, bool]] = {}
        self._alive: list[Tensor] = []

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Any = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, and note it if it is one of those watched."""
        kwargs = kwargs or {}
        if func in TOKENS and args:
            args = (self._embedded(args[0]), *args[1:])
        result = func(*args, **kwargs)
        if func in LOSSES:
            self._note(func, args, kwargs, result)
        elif func in COMPARING and isinstance(result, Tensor) and result.numel() > 1:
            self._compare(COMPARING[func], args, result)
        elif func in BEST:
            self._best[_place(result.indices)] = result.indices.shape[-1]
            self._alive.append(result.indices)
        elif func in ABOVE and len(args) == 2:
            self._threshold(*args)
        elif func in SQUASHING and args and isinstance(result, Tensor):
            self._squash(SQUASHING[func], args[0], result)
        return result

    def _compare(self, kind: str, args: Any, result: Tensor) -> None:
        sides = [side for side in args[:2] if isinstance(side, Tensor)]
        altered = not any(map(self._given.holds, sides))
        self.compared = [*self.compared, (kind, result.detach(), altered)][-MOST:]
        if kind == "equality":
            picked = (self._best.get(_place(side)) for side in sides)
            self.picked += [count for count in picked if count is not None]

    def _threshold(self, values: Any, threshold: Any) -> None:
        if not isinstance(values, Tensor) or isinstance(threshold, Tensor):
            return
        if values.is_floating_point() and threshold == HALF:
            self.no_probabilities |= bool(((values < 0) | (values > 1)).any())

    def _embedded(self, tokens: Tensor) -> Tensor:
        self.tokens.append(tokens.detach())
        other = None if self._substitute is None else self._substitute(tokens)
        return tokens if other is None else other

    def _squash(self, name: str, given: Tensor, result: Tensor) -> None:
        before, _ = self._squashed.get(_place(given), ("", False))
        self._squashed[_place(result)] = (name, before in PROBABILITIES)
        self._alive.append(result)  # else its memory is given to another tensor

    def _note(
        self, func: Callable[..., Any], args: Any, kwargs: dict[str, Any], result: Any
    ) -> None:
        given = inspect.signature(func).bind(*args, **kwargs)
        given.apply_defaults()
        values = given.arguments
        names = list(values)
        if not isinstance(result, Tensor) or len(names) < 2:
            return
        first, second = values[names[0]], values[names[1]]
        squashed, twice = self._squashed.get(_place(first), ("", False))
        self.calls.append(
            LossCall(
                LOSSES[func],
                first.detach(),
                second.detach(),
                result.detach(),
                {name: values[name] for name in names[2:]},
                squashed,
                twice,
                altered=not self._given.holds(second),
            )
        )


class Given:
    """The values of a batch, by which a target is known as it came, or shifted by another."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        small = [t.detach() for t in tensors if 0 < t.numel() <= MOST_VALUES and not t.is_complex()]
        self._flat = [tensor.double().flatten() for tensor in small]
        self._sorted = [values.sort().values for values in self._flat]

    def holds(self, target: Tensor) -> bool:
        """Say whether a target has the values of a tensor of the batch; shares and yes or no do."""
        if not self._flat or not 0 < target.numel() <= MOST_VALUES or target.is_complex():
            return True
        values = target.detach().double().flatten()
        if bool(((values == 0) | (values == 1)).all()):
            return True
        shifts = [left - values for left in self._flat if len(left) == len(values)]
        return any(_within(values, known) for known in self._sorted) or any(
            _within(shift, known) for shift in shifts for known in self._sorted
        )


def _within(values: Tensor, known: Tensor) -> bool:
    """Say whether all values stand among known ones, which are sorted."""
    right = torch.searchsorted(known, values).clamp(max=len(known) - 1)
    left = (right - 1).clamp(min=0)
    gaps = torch.minimum((known[right] - values).abs(), (known[left] - values).abs())
    return bool((gaps <= NEAR * values.abs().clamp(min=1)).all())


def _place(tensor: Tensor) -> int:
    """Return where a tensor's memory begins: that of its views is the same."""
    return tensor.untyped_storage().data_ptr()


def _is_share(target: Tensor) -> bool:
    return target.is_floating_point()


def _defaults(name: str) -> dict[str, Any]:
    parameters = inspect.signature(getattr(functional, name)).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def _written(value: Any) -> str:
    if isinstance(value, Tensor):
        return "per class" if value.numel() > 1 else f"{float(value):.4g}"
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def labels(calls: Collection[LossCall]) -> tuple[str, ...]:
    """Name the losses called, each once, in the order of their first call."""
    return tuple(dict.fromkeys(call.label for call in calls))
