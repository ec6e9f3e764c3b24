"""What a run is expected to reach, and when: milestones, success, plateaus, the first steps."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ablate.errors import quoted
from ablate.spec.direction import Direction
from ablate.spec.fields import Figure
from ablate.spec.strict import Strict

MEASURED = ("seconds_per_step", "memory_gb")
"""Names under which a run measures itself, beside what its module logs."""

OF_SUCCESS = ("success", "steps_to_success")
"""Metrics that a run with a success criterion logs: 1 once it has held, and at which step.

A run that has not succeeded logs one step more than it was to have.
"""

Steps = Annotated[int, Field(ge=1)]


class Action(StrEnum):
    """What is done when something is reached or missed; all of it is always recorded."""

    NOTE = "note"
    WARN = "warn"
    NOTIFY = "notify"
    STOP = "stop"


class Comparison(StrEnum):
    """How a statistic is held against a bound."""

    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"

    def holds(self, value: float, bound: float) -> bool:
        """Say whether a value is on the wanted side of a bound; NaN is on none."""
        match self:
            case Comparison.ABOVE:
                return value > bound
            case Comparison.AT_LEAST:
                return value >= bound
            case Comparison.BELOW:
                return value < bound
        return value <= bound


class Bounded(Strict):
    """A metric that is to lie on one side of a bound."""

    metric: str = Field(min_length=1)
    """The name under which the module logs it; `seconds_per_step` and `memory_gb` (10^9 bytes) are
    measured."""
    above: Figure | None = None
    """It is to be higher than this."""
    at_least: Figure | None = None
    """It is to be this or higher."""
    below: Figure | None = None
    """It is to be lower than this."""
    at_most: Figure | None = None
    """It is to be this or lower."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        given = [name for name in Comparison if getattr(self, name) is not None]
        if len(given) != 1:
            names = ", ".join(Comparison)
            raise ValueError(f"give one of {names}; {len(given) or 'none'} of them is given")
        return self

    @property
    def comparison(self) -> Comparison:
        """Which side of the bound is wanted."""
        return next(name for name in Comparison if getattr(self, name) is not None)

    @property
    def bound(self) -> float:
        """What the metric is held against."""
        return float(getattr(self, self.comparison))

    @property
    def side(self) -> str:
        """The wanted side in words, such as `above 1.5`."""
        return f"{self.comparison.replace('_', ' ')} {self.bound:g}"


class Condition(Bounded):
    """What a metric is to be: a statistic of its last values, on one side of a bound."""

    statistic: Literal["last", "mean", "min", "max", "ever"] = "last"
    """The last value; the mean, the lowest or the highest of the last `window` values; or `ever`:
    any value so far."""
    window: Steps = 1
    """How many of the last values count. With fewer the condition does not hold."""

    @model_validator(mode="after")
    def _window_of_a_statistic(self) -> Self:
        if self.window > 1 and self.statistic in {"last", "ever"}:
            raise ValueError(
                f"window: {quoted(self.statistic)} has none; write statistic: mean, min or max"
            )
        return self

    @property
    def text(self) -> str:
        """The condition in words, such as `mean of the last 50 reward above 1.5`."""
        of = {
            "last": self.metric,
            "ever": f"{self.metric} ever",
        }.get(self.statistic, f"{self.statistic} of the last {self.window} {self.metric}")
        return f"{of} {self.side}"


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, Mapping) else value


Conditions = Annotated[tuple[Condition, ...], Field(min_length=1), BeforeValidator(_one_or_many)]


class Moment(Strict):
    """A moment of a training: after a step, after an epoch, or after a share of the whole."""

    step: Steps | None = None
    """After this many optimizer steps."""
    epoch: Steps | None = None
    """After this many epochs."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """After this share of the steps that the training is to have."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "Moment":
        if sum(value is not None for value in (self.step, self.epoch, self.share)) != 1:
            raise ValueError("give one of step, epoch and share")
        return self

    @property
    def text(self) -> str:
        """The moment in words."""
        if self.step is not None:
            return f"step {self.step}"
        return f"epoch {self.epoch}" if self.epoch is not None else f"{self.share:.4g} of training"


class Milestone(Strict):
    """What is expected at a moment."""

    name: str | None = Field(default=None, min_length=1)
    """What it is called; by default its moment."""
    at: Moment
    """When it is looked at: `{step: 500}`, `{epoch: 3}` or `{share: 0.5}`."""
    expect: Conditions
    """What is to hold then, all of it."""
    action: Action = Action.NOTE
    """What is done if it does not; `stop` ends the run as pruned."""

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.at.text


class Success(Strict):
    """When a run has done what it is for."""

    all: Conditions
    """What is to hold at one step, all of it."""
    action: Action = Action.NOTE
    """What is done then; `stop` ends the run as complete."""


class Plateau(Strict):
    """When a metric is taken not to get better any more."""

    metric: str = Field(min_length=1)
    """The name under which the module logs it."""
    direction: Direction
    """Whether its lower or its higher value is the better one."""
    steps: Steps
    """How many optimizer steps without a better value are a plateau."""
    window: Steps = 1
    """How many of the last values are averaged."""
    min_delta: Annotated[Figure, Field(ge=0)] = 0.0
    """By how much a value has to be better to count as better."""
    action: Action = Action.WARN
    """What is done then; `stop` ends the run as complete."""


class FirstSteps(Strict):
    """What is to hold all through the first steps."""

    steps: Steps
    """How many optimizer steps are watched."""
    all: Conditions
    """What is to hold as soon as there are values enough, all of it."""
    action: Action = Action.STOP
    """What is done as soon as it does not; `stop` ends the run as pruned."""


class Divergence(Strict):
    """When a run is taken to have diverged; it ends there, as failed."""

    metric: str = Field(min_length=1)
    """The name under which the module logs it, a loss."""
    times: Annotated[Figure, Field(gt=1)] = 100.0
    """A value above so many times the median of the first values has diverged, if the median is
    above 0; so has one that is no finite number."""
    first: Steps = 100
    """How many values those are."""


def _as_success(value: Any) -> Any:
    return {"all": value} if isinstance(value, list | tuple) else value


WrittenSuccess = Annotated[Success | None, BeforeValidator(_as_success)]


class Goals(Strict):
    """What the runs of a study are expected to reach, and when."""

    milestones: tuple[Milestone, ...] = ()
    """What is expected at moments of the training."""
    success: WrittenSuccess = None
    """When a run has done what it is for; a list stands for all of its conditions."""
    plateau: Plateau | None = None
    """When it is taken not to get better any more."""
    watch: FirstSteps | None = None
    """What is to hold all through the first steps."""
    divergence: Divergence | None = None
    """When it is taken to have diverged."""

    @model_validator(mode="after")
    def _a_name_each(self) -> "Goals":
        titles = [milestone.title for milestone in self.milestones]
        for title in titles:
            if titles.count(title) > 1:
                raise ValueError(f"milestones: {quoted(title)} is there twice: name each")
        return self

    def conditions(self) -> Iterator[Condition]:
        """Yield every condition."""
        for milestone in self.milestones:
            yield from milestone.expect
        yield from self.success.all if self.success else ()
        yield from self.watch.all if self.watch else ()

    @property
    def metrics(self) -> frozenset[str]:
        """The names of the metrics that the module has to log."""
        named = {condition.metric for condition in self.conditions()}
        named |= {goal.metric for goal in (self.plateau, self.divergence) if goal}
        return frozenset(named) - {*MEASURED}

    @property
    def any(self) -> bool:
        """Whether anything is expected."""
        single = (self.success, self.plateau, self.watch, self.divergence)
        return bool(self.milestones or any(single))


class Occasion(StrEnum):
    """What somebody may want to hear of."""

    BEST = "best"
    FAILURE = "failure"
    MILESTONE = "milestone"
    SUCCESS = "success"
    DONE = "done"


class Notify(Strict):
    """Who hears of what happens in a study. It is read from the study's file, and never stored."""

    on: Annotated[tuple[Occasion, ...], Field(min_length=1)] = (
        Occasion.FAILURE,
        Occasion.SUCCESS,
        Occasion.DONE,
    )
    """The occasions; a goal whose action is `notify` is told of in any case."""
    command: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """A program and its arguments. It gets the news as JSON on its standard input."""
    url: str | None = Field(default=None, pattern=r"^(https?://|\$\{env:)")
    """An address of http or https that the news is posted to, as JSON."""

    @model_validator(mode="after")
    def _somebody(self) -> "Notify":
        if self.command is None and self.url is None:
            raise ValueError("give command, url or both")
        return self


NO_GOALS = Goals()
"""Nothing is expected."""
