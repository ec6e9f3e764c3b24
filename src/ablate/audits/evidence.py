"""What the probes saw of one arm, as plain data that travels between processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

Reading = Literal["read", "dead", "unknown"]


@dataclass(frozen=True)
class Submodule:
    """A child module: its trainable parameters, and FLOPs of one example's validation step."""

    path: str
    kind: str
    parameters: int
    flops: int


@dataclass(frozen=True)
class DropoutUse:
    """The dropout within a submodule: rates in order, and how many of its modules have weights."""

    submodule: str
    rates: tuple[float, ...]
    layers: int


@dataclass(frozen=True)
class Scale:
    """The standard deviation of a tensor's initial values."""

    name: str
    shape: tuple[int, ...]
    std: float


@dataclass(frozen=True)
class Split:
    """The examples of one split; what the probes could not see is None.

    `digest` is over the content of the examples looked at, `order` over that of the first batches
    of the first epoch. `longest` and `mean_length` are of the first dimension behind the batch.
    `targets` is over the targets of the examples in their order, where these tell examples apart.
    """

    examples: int | None = None
    digest: str | None = None
    order: str | None = None
    longest: int | None = None
    mean_length: float | None = None
    targets: str | None = None


@dataclass(frozen=True)
class Fault:
    """Something wrong with one arm alone; a slight one weighs less than its code says."""

    code: str
    what: str
    where: str
    slight: bool = False


@dataclass(frozen=True)
class Evidence:
    """Everything that the probes saw of one arm with one seed.

    `settings` is what the module says of itself in `extra_repr`, which no weight may show.
    `responses` are the losses and metrics with canonical weights, one mapping per set of weights,
    without dropout; `trace` those of three optimizer steps from canonical weights, with it.
    `config` and `elsewhere` are digests of the configuration: all of it but the seed, and that
    without the model. `metrics` are those of an arm that has nothing to train. `skipped` names
    the probes that could not run, with the reason.
    """

    parameters: int = 0
    flops: int | None = None
    submodules: tuple[Submodule, ...] = ()
    dropouts: tuple[DropoutUse, ...] = ()
    settings: str = ""
    shapes: tuple[tuple[int, ...], ...] = ()
    scales: tuple[Scale, ...] = ()
    responses: tuple[dict[str, float], ...] = ()
    trace: tuple[dict[str, float], ...] = ()
    config: str = ""
    elsewhere: str = ""
    train: Split = field(default_factory=Split)
    val: Split = field(default_factory=Split)
    keys: dict[str, Reading] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, to be sent or stored as JSON."""
        return asdict(self)

    @staticmethod
    def of(data: dict[str, Any]) -> "Evidence":
        """Read what `as_dict` gave, also after a journey through JSON."""
        return _READER.validate_python(data)


_READER = TypeAdapter(Evidence)


def learned(arms: Mapping[str, Evidence]) -> dict[str, Evidence]:
    """Return the evidence of the arms that have parameters to train; the others are floors."""
    return {arm: evidence for arm, evidence in arms.items() if evidence.parameters}
