"""What a coordinator and its workers say to each other: plain data, one JSON line each."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["complete", "pruned", "failed", "interrupted"]


@dataclass(frozen=True)
class Job:
    """One thing for a worker to do with one configuration.

    `resolve` fills in every default; `probe` trains and validates on one batch to see that the
    configuration works and what it logs; `run` trains; `call` hands the configuration and the
    arguments to a function of ablate, named as `module:function`. A `supervised` run waits for a
    decision after every report. A run keeps a checkpoint in its directory, written at the first
    end of an epoch that is at least `checkpoint_every` seconds after the last; with `resume` it
    continues from there if it can, else it starts afresh.
    """

    id: int
    task: Literal["resolve", "probe", "run", "call"]
    config: dict[str, Any]
    metric: str | None = None
    directory: str | None = None
    identity: dict[str, str] = field(default_factory=dict)
    supervised: bool = False
    resume: bool = False
    checkpoint_every: float = 5.0
    function: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready:
    """A worker is up; `facts` describe its device and libraries."""

    facts: dict[str, Any]


@dataclass(frozen=True)
class Resolved:
    """A configuration with every default filled in."""

    job: int
    config: dict[str, Any]


@dataclass(frozen=True)
class Probed:
    """What a configuration is and logs: parameter count, metric names, epochs it will run."""

    job: int
    parameters: int
    metrics: list[str]
    max_epochs: int


@dataclass(frozen=True)
class Answered:
    """What the function of a call returned, as plain data."""

    job: int
    result: dict[str, Any]


@dataclass(frozen=True)
class Started:
    """A run has built its model and data.

    `resumed_epoch` is the first epoch that it trains if it continues from a checkpoint; the reports
    of the epochs before it are sent again, in their order.
    """

    job: int
    parameters: int
    max_epochs: int
    resumed_epoch: int | None = None


@dataclass(frozen=True)
class Progress:
    """A run is alive: the step and epoch it has come to, told at most once per second."""

    job: int
    step: int
    epoch: int


@dataclass(frozen=True)
class Reported:
    """Metrics at the end of a validation or of a training epoch.

    `objective` is the deciding metric's value if this report holds it.
    """

    job: int
    phase: Literal["train", "val"]
    step: int
    epoch: int
    metrics: dict[str, float]
    objective: float | None


@dataclass(frozen=True)
class Finished:
    """A job has ended.

    `wrong_config` says that its configuration could never have run. `no_space` says that a disk was
    full: the run is interrupted, not failed. `error` is the type of the exception that ended it,
    "OutOfMemory" for any lack of memory.
    """

    job: int
    status: Status
    reason: str | None = None
    epochs: int | None = None
    steps: int | None = None
    fingerprints: dict[str, str] = field(default_factory=dict)
    wrong_config: bool = False
    no_space: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Lost:
    """The worker of a job died, or was killed."""

    job: int
    reason: str


Event = Ready | Resolved | Probed | Answered | Started | Progress | Reported | Finished | Lost
Decision = Literal["continue", "stop"]

_EVENTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (Ready, Resolved, Probed, Answered, Started, Progress, Reported, Finished, Lost)
}


def encode(message: Any) -> bytes:
    """Write a message as one line."""
    return json.dumps({"message": type(message).__name__, **asdict(message)}).encode() + b"\n"


def decode_event(line: bytes) -> Event:
    """Read an event from a line."""
    data = json.loads(line)
    event: Event = _EVENTS[data.pop("message")](**data)
    return event
