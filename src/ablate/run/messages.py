"""What a coordinator and its workers say to each other: plain data."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ablate.plan import Judgement
from ablate.run.environment import WorkerFacts
from ablate.run.frames import Frame
from ablate.spec import Cause, Direction, Goals, Outcome, Trust
from ablate.spec.goals import NO_GOALS

Decision = Literal["continue", "stop"]


@dataclass(frozen=True)
class Resolve:
    """Fill in every default of a configuration; answered with Resolved.

    As in every job, `cli` is the entry that builds the project's own LightningCLI, None for plain
    LightningCLI; `trust` says what the configuration may name if it comes from a database, None
    that it is the user's own. It is refused if it links one of the `declared` paths to another.
    """

    id: int
    config: dict[str, Any]
    cli: str | None = None
    declared: tuple[str, ...] = ()
    trust: Trust | None = None


@dataclass(frozen=True)
class Probe:
    """Train and validate on one batch: does it work, what does it log? Answered with Probed."""

    id: int
    config: dict[str, Any]
    metric: str
    cli: str | None = None
    trust: Trust | None = None
    goals: Goals = NO_GOALS


@dataclass(frozen=True)
class Call:
    """Hand a configuration to a function of ablate, `module:function`; answered with Answered.

    With a `hash_seed` a worker does it in a fresh interpreter, whose texts hash by that seed.
    """

    id: int
    config: dict[str, Any]
    function: str
    arguments: dict[str, Any]
    cli: str | None = None
    trust: Trust | None = None
    hash_seed: int | None = None


@dataclass(frozen=True)
class Run:
    """Train with a resolved configuration in a directory of the run's own.

    `identity` names the run in the names of its checkpoints. A `supervised` run waits for a
    decision after every report of the objective, `metric`. A run keeps a checkpoint in its
    directory, written at the first end of an epoch that is at least `checkpoint_every` seconds
    after the last; with `resume` it continues from there if it can, else it starts afresh. An
    `exact` run continues only if its values can be those of an unbroken run. `best` says which
    value of `metric` is the best if the run is read there, and not at its end alone. `goals` is
    what it is expected to reach, `measures` what it is to measure of itself and report.
    """

    id: int
    config: dict[str, Any]
    metric: str | None
    directory: str
    identity: dict[str, str]
    supervised: bool
    resume: bool
    checkpoint_every: float
    cli: str | None = None
    exact: bool = False
    trust: Trust | None = None
    best: Direction | None = None
    goals: Goals = NO_GOALS
    measures: tuple[str, ...] = ()


Job = Resolve | Probe | Call | Run
"""One thing for a worker to do with one configuration; `id` names it in what follows."""


@dataclass(frozen=True)
class Group:
    """Do jobs, one after the other."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Interrupt:
    """End the runs among these jobs with their epoch."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class Decided:
    """The answer that a supervised run waits for."""

    job: int
    decision: Decision


Command = Group | Interrupt | Decided
"""What a worker is told."""


@dataclass(frozen=True)
class Ready:
    """A worker is up."""

    facts: WorkerFacts


@dataclass(frozen=True)
class Resolved:
    """A configuration with every default filled in."""

    job: int
    config: dict[str, Any]


@dataclass(frozen=True)
class Probed:
    """What a configuration is and logs: parameter count, metric names, epochs it will run.

    `left_out` names what it asks for and its runs do without.
    """

    job: int
    parameters: int
    metrics: list[str]
    max_epochs: int
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Answered:
    """What the function of a call returned, as plain data."""

    job: int
    result: dict[str, Any]


@dataclass(frozen=True)
class Started:
    """A worker has begun a run; `facts` are what this run stands on."""

    job: int
    facts: WorkerFacts


@dataclass(frozen=True)
class Built:
    """A run has built its model and data.

    `resumed_epoch` is the first epoch that it trains if it continues from a checkpoint; the reports
    of the epochs before it are sent again, in their order.
    """

    job: int
    parameters: int
    max_epochs: int
    resumed_epoch: int | None = None


@dataclass(frozen=True)
class ResumedInexactly:
    """A run has continued from a checkpoint, and may differ from an unbroken one; why, in words."""

    job: int
    reasons: list[str]


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
class Judged:
    """One of its goals is decided in a run."""

    job: int
    judgement: Judgement


@dataclass(frozen=True)
class GroupMeans:
    """The means of a metric over the examples of each group, at one validation.

    `grouping` says what the groups are; `means` has (mean, examples) by group.
    """

    grouping: str
    name: str
    step: int
    epoch: int
    means: dict[str, tuple[float, int]]


@dataclass(frozen=True)
class Raised:
    """The exception that ended a job: its traceback, and where in the user's own code it was.

    `frame` is None where no code of the user's took part, or the reason names it already.
    """

    frame: Frame | None
    traceback: str


@dataclass(frozen=True)
class Finished:
    """A job has ended; a run that trained says how far it came and what data it saw.

    `groups` are the means by group at its last validation, and where its objective was best.
    `facts` are what was seen of the run, by kind: plain data.
    """

    job: int
    outcome: Outcome
    epochs: int | None = None
    steps: int | None = None
    fingerprints: dict[str, str] = field(default_factory=dict)
    groups: tuple[GroupMeans, ...] = ()
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    raised: Raised | None = None


@dataclass(frozen=True)
class Lost:
    """The worker of a job died (LOST), or was killed for another cause."""

    job: int
    cause: Cause
    reason: str


Event = (
    Ready
    | Resolved
    | Probed
    | Answered
    | Started
    | Built
    | ResumedInexactly
    | Progress
    | Reported
    | Judged
    | Finished
    | Lost
)
"""What a worker tells, and what its launcher tells of it."""


def awaits_decision(job: Job, event: Event) -> bool:
    """Say whether a job goes on only when it has the answer to an event."""
    return (
        isinstance(job, Run)
        and job.supervised
        and isinstance(event, Reported)
        and event.objective is not None
    )
