"""The recipe by which a model is trained, as it was observed: optimizers, schedules, clipping."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

KIND = "recipe"
GRADIENTS = "gradients"
"""The kinds of facts under which a run records its recipe, and how long its gradients were."""

BY_HAND = "set by hand"
"""What a schedule is called that no scheduler makes."""

Setting = bool | float | str | None
Pace = Literal["step", "epoch", "never"]
Reduction = Literal["mean", "sum"]


@dataclass(frozen=True)
class ParameterGroup:
    """What an optimizer does with some parameters: its class, its settings, their names.

    `gains` are those whose values were all 1 when the training began, as the gains of norms are.
    """

    optimizer: str
    settings: dict[str, Setting]
    names: tuple[str, ...]
    gains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """A schedule of the learning rate: its class, and how often it is stepped.

    `steps` says how often in the whole run, `rates` are its rates at the beginning, after each
    quarter and at the end, as shares of the highest; without a known length there are none.
    """

    kind: str
    pace: Pace | None
    steps: int | None = None
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; what was not seen is None or empty.

    `epochs` and `steps` of optimizers are those of the whole run, `examples` as many as a step is
    made of, in the mean, `seen` as many as the whole run has seen. `clip` is the norm at which
    gradients are clipped, `norm` the least norm of a step's gradient before it, of `measured`
    steps. `peak` is the highest learning rate. `dtypes` are those of values within the model while
    it trains, or that of an autocast.
    """

    groups: tuple[ParameterGroup, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    steps: int | None = None
    epochs: int | None = None
    examples: int | None = None
    seen: int | None = None
    accumulation: int | None = None
    clip: float | None = None
    norm: float | None = None
    measured: int = 0
    peak: float | None = None
    dtypes: tuple[str, ...] = ()
    reduction: Reduction | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, to be stored as JSON."""
        return asdict(self)

    @staticmethod
    def of(data: Any) -> "Recipe":
        """Read what `as_dict` gave, also after a journey through JSON."""
        return _READER.validate_python(data)

    @staticmethod
    def recorded(facts: Mapping[str, Mapping[str, Any]]) -> "Recipe | None":
        """Read the recipe that a run has recorded among its facts, None if it has none."""
        if KIND not in facts:
            return None
        return Recipe.of({**facts[KIND], **facts.get(GRADIENTS, {})})


_READER = TypeAdapter(Recipe)
