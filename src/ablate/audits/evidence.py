"""What the probes saw of one arm, as plain data that travels between processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from ablate.run.recipe import Recipe

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
class Measured:
    """How an arm measures itself, standing still with sets of canonical weights.

    Of each set: `outputs` and `inputs` describe what the network gave and what losses were given
    in one validation, `training` is the loss of a training step, `metrics` has what was logged.
    `losses` are those called in the validation, `definitions` the measures that metrics may be,
    `picked` how many best guesses are compared with targets.
    """

    outputs: tuple[tuple[float, ...], ...] = ()
    inputs: tuple[tuple[float, ...], ...] = ()
    losses: tuple[str, ...] = ()
    training: tuple[float | None, ...] = ()
    metrics: tuple[dict[str, float], ...] = ()
    definitions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    picked: tuple[int, ...] = ()


@dataclass(frozen=True)
class Seeding:
    """What another seed moves; what could not be seen is None.

    `tensors` maps the initial tensors that are not constant, as name and shape, to their numbers,
    `fixed` names those that both seeds begin with. `noise` is dropout, and what else is drawn in a
    step or with an example; `split` says whether other examples are validated on.
    """

    tensors: dict[str, int] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    order: bool | None = None
    noise: bool | None = None
    split: bool | None = None

    @property
    def share_fixed(self) -> float:
        """The share of initial numbers that another seed leaves as they are."""
        total = sum(self.tensors.values())
        return sum(self.tensors[name] for name in self.fixed) / total if total else 0.0


@dataclass(frozen=True)
class FileRead:
    """A file below the working directory or the home that module or data opened to read."""

    path: str
    reader: Literal["model", "data"]


@dataclass(frozen=True)
class Evidence:
    """Everything that the probes saw of one arm with one seed.

    `settings` is what the module says of itself in `extra_repr`, which no weight may show.
    `buffers` is a digest of the initial buffers. `responses` are the losses and metrics with
    canonical weights, one mapping per set of weights, without dropout; `trace` those of three
    optimizer steps from canonical weights, with it. `config` and `elsewhere` are digests of the
    configuration: all of it but the seed, and that without the model. `recipe` is how the
    configured run begins to train. `metrics` are those of an arm that has nothing to train.
    `measured` and `seeding` are None if they were not looked at; `hooks` has a digest of the code
    of each hook of validation. `skipped` names the probes that could not run, with the reason;
    `broken` those of them that an exception ended. `validated` says which weights are validated in
    a training. `made` are the files that module or data wrote. `seen` has digests of what any other
    process must see as well, `again` those of one that did the same, `looks` those of processes of
    other hash seeds; `hashed` is where code may go by that seed. `unstable` names what differs
    between two equal trainings.
    """

    parameters: int = 0
    flops: int | None = None
    submodules: tuple[Submodule, ...] = ()
    dropouts: tuple[DropoutUse, ...] = ()
    settings: str = ""
    shapes: tuple[tuple[int, ...], ...] = ()
    scales: tuple[Scale, ...] = ()
    buffers: str = ""
    responses: tuple[dict[str, float], ...] = ()
    trace: tuple[dict[str, float], ...] = ()
    config: str = ""
    elsewhere: str = ""
    train: Split = field(default_factory=Split)
    val: Split = field(default_factory=Split)
    recipe: Recipe = field(default_factory=Recipe)
    keys: dict[str, Reading] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    measured: Measured | None = None
    seeding: Seeding | None = None
    files: tuple[FileRead, ...] = ()
    made: tuple[str, ...] = ()
    hooks: dict[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    validated: str = ""
    seen: dict[str, str] = field(default_factory=dict)
    hashed: str | None = None
    unstable: tuple[str, ...] = ()
    again: dict[str, str] = field(default_factory=dict)
    looks: tuple[dict[str, str], ...] = ()
    seconds: float = 0.0

    @property
    def moved(self) -> tuple[str, ...]:
        """What of the data was not the same when it was set up again with the same seed."""
        return tuple(
            name
            for name, value in self.seen.items()
            # Steps that differ where the data do not are the machine's: equal ones were compared.
            if "data" in name and self.again.get(name, value) != value
        )

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
