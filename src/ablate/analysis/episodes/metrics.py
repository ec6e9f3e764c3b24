"""The rows of a comparison of episodes: what each is, which way it is better, what it takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

import numpy as np

from ablate.analysis.episodes.log import EpisodeLog
from ablate.analysis.episodes.measures import (
    AVERAGE,
    FINAL,
    WINDOWS,
    Measures,
    measured,
)
from ablate.spec import Config, Direction
from ablate.spec.episodes import EpisodeFacts

AVERAGE_RETURN = "average return"
SPEED = "speed"


class Scale(StrEnum):
    """How a change of a metric is told."""

    PERCENT = "percent"
    RATIO = "ratio"
    DIFFERENCE = "difference"


class Must(StrEnum):
    """What must be equal in two arms for a metric of theirs to be compared."""

    EPISODES = "episodes"
    HORIZON = "horizon"


@dataclass(frozen=True)
class EpisodeRun:
    """One run of an arm: its seed (None: not known), its log, and why it does not count, if so.

    `wall` are the seconds of the run, where the log itself has none; `shares` the means of further
    shares over the last episodes, by title.
    """

    seed: int | None
    log: EpisodeLog
    excluded: str = ""
    wall: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def why_not(self) -> str:
        """Why the run does not count; empty if it does."""
        return self.excluded or self.log.broken

    @cached_property
    def measures(self) -> Measures | None:
        """What the log says, None if the run does not count."""
        if self.why_not:
            return None
        found = replace(measured(self.log), shares=self.shares)
        return found if found.seconds is not None else replace(found, seconds=self.wall)


@dataclass(frozen=True)
class EpisodeArm:
    """An arm: its runs, and what is known of it beside them.

    `config` is its resolved configuration, None if it is not known. `barred` says why the arm may
    not be compared, and `doubted` why nothing can be told of it, if so.
    """

    name: str
    runs: tuple[EpisodeRun, ...]
    facts: EpisodeFacts = field(default_factory=EpisodeFacts)
    config: Config | None = None
    barred: str = ""
    doubted: str = ""

    @property
    def measures(self) -> tuple[Measures, ...]:
        """What the logs of the runs that count say."""
        return tuple(run.measures for run in self.runs if run.measures is not None)

    @property
    def seeds_change_nothing(self) -> bool:
        """Whether several runs count and all have the same returns."""
        logs = [run.log.returns for run in self.runs if run.measures is not None]
        return len(logs) > 1 and all(np.array_equal(logs[0], other) for other in logs[1:])

    def known(self, what: Must) -> tuple[int, ...]:
        """Return what is known of the arm on what must be equal; empty if nothing is."""
        if what is Must.EPISODES:
            return tuple(sorted({found.episodes for found in self.measures}))
        return () if self.facts.horizon is None else (self.facts.horizon,)


Read = Callable[[Measures, EpisodeFacts], float | None]


@dataclass(frozen=True)
class Metric:
    """A row: a number of each run, None where it was not logged.

    Rows of one `quantity` are sides of the same thing, and count once together. A metric without a
    direction is told and never decides.
    """

    key: str
    title: str
    definition: str
    quantity: str
    direction: Direction | None
    scale: Scale
    read: Read
    musts: tuple[Must, ...] = ()


def metrics_of(arms: Sequence[EpisodeArm]) -> tuple[Metric, ...]:
    """Return the metrics that at least one run of the arms has, in the order of the report.

    Where the horizons differ, returns are also divided by the horizon; where all arms have a floor
    and a ceiling, they are also told as a share of the way between the two.
    """
    horizons = {arm.facts.horizon for arm in arms}
    extra: list[Metric] = []
    if len(horizons) > 1 and None not in horizons:
        extra += [_per_step(metric) for metric in RETURNS]
    if all(arm.facts.floor is not None and arm.facts.ceiling is not None for arm in arms):
        extra += [_between(metric) for metric in RETURNS]
    titles = dict.fromkeys(title for arm in arms for run in arm.runs for title in run.shares)
    extra_shares = [_share(title) for title in titles]
    return tuple(
        metric
        for metric in (*RETURNS, *extra, *extra_shares, *OTHERS)
        if any(metric.read(found, arm.facts) is not None for arm in arms for found in arm.measures)
    )


def window_key(size: int, *, per_step: bool = False) -> str:
    """Return the key of the mean of the last returns."""
    return f"last_{size}{'_per_step' if per_step else ''}"


def _mean_of_last(size: int) -> Metric:
    def read(found: Measures, _: EpisodeFacts) -> float | None:
        window = found.windows.get(size)
        return None if window is None else window.mean

    return Metric(
        window_key(size),
        f"mean return, last {size}",
        f"mean of R over the last {size} episodes",
        AVERAGE_RETURN,
        Direction.MAXIMIZE,
        Scale.PERCENT,
        read,
        (Must.HORIZON,),
    )


def _share(title: str) -> Metric:
    return Metric(
        f"share_{title}",
        f"{title}, last {AVERAGE}",
        f"mean share over the last {AVERAGE} episodes, or all if there are fewer",
        title,
        None,
        Scale.DIFFERENCE,
        lambda found, _: found.shares.get(title),
    )


def _per_step(metric: Metric) -> Metric:
    def read(found: Measures, facts: EpisodeFacts) -> float | None:
        value = metric.read(found, facts)
        return None if value is None or facts.horizon is None else value / facts.horizon

    return replace(
        metric,
        key=f"{metric.key}_per_step",
        title=f"{metric.title}, per step",
        definition=f"{metric.definition}, over the horizon",
        read=read,
        musts=tuple(must for must in metric.musts if must is not Must.HORIZON),
    )


def _between(metric: Metric) -> Metric:
    def read(found: Measures, facts: EpisodeFacts) -> float | None:
        value = metric.read(found, facts)
        if value is None or facts.floor is None or facts.ceiling is None:
            return None
        return (value - facts.floor) / (facts.ceiling - facts.floor)

    return replace(
        metric,
        key=f"{metric.key}_of_ceiling",
        title=f"{metric.title}, floor to ceiling",
        definition=f"{metric.definition}, as a share of the way from the floor to the ceiling",
        scale=Scale.DIFFERENCE,
        read=read,
        musts=tuple(must for must in metric.musts if must is not Must.HORIZON),
    )


RETURNS = (
    Metric(
        "max_return",
        "max return",
        "max R over all episodes",
        "max return",
        Direction.MAXIMIZE,
        Scale.PERCENT,
        lambda found, _: found.highest.value,
        (Must.HORIZON, Must.EPISODES),
    ),
    Metric(
        "final_return",
        "final return",
        "R of the last episode, one draw of a noisy series",
        "final return",
        Direction.MAXIMIZE,
        Scale.PERCENT,
        lambda found, _: found.final,
        (Must.HORIZON,),
    ),
    *map(_mean_of_last, sorted(WINDOWS, reverse=True)),
)

OTHERS = (
    Metric(
        "min_loss",
        "min loss",
        "min L over all episodes that trained",
        "min loss",
        Direction.MINIMIZE,
        Scale.PERCENT,
        lambda found, _: None if found.lowest_loss is None else found.lowest_loss.value,
        (Must.EPISODES,),
    ),
    Metric(
        "success",
        "success",
        "mean solved share over all episodes",
        "success",
        Direction.MAXIMIZE,
        Scale.DIFFERENCE,
        lambda found, _: found.success,
        (Must.EPISODES,),
    ),
    Metric(
        "success_end",
        f"success, last {AVERAGE}",
        f"mean solved share over the last {AVERAGE} episodes",
        "success",
        Direction.MAXIMIZE,
        Scale.DIFFERENCE,
        lambda found, _: found.success_end,
    ),
    Metric(
        "stable",
        "stable training",
        "share of the runs whose training passes as stable",
        "stability",
        None,
        Scale.DIFFERENCE,
        lambda found, _: float(found.stability.passed) if found.trained else None,
    ),
    Metric(
        "positive",
        f"positive, last {FINAL}",
        f"share of the last {FINAL} episodes with R > 0",
        "consistency",
        None,
        Scale.DIFFERENCE,
        lambda found, _: found.windows[FINAL].share if FINAL in found.windows else None,
    ),
    Metric(
        "sd",
        f"sd, last {FINAL}",
        f"standard deviation (n - 1) of R over the last {FINAL} episodes",
        "consistency",
        None,
        Scale.PERCENT,
        lambda found, _: found.windows[FINAL].sd if FINAL in found.windows else None,
    ),
    Metric(
        "episodes_per_minute",
        "episodes per minute",
        "N over the minutes of the run",
        SPEED,
        Direction.MAXIMIZE,
        Scale.RATIO,
        lambda found, _: found.episodes_per_minute,
        (Must.HORIZON,),
    ),
    Metric(
        "steps_per_minute",
        "steps per minute",
        "steps in the environment over the minutes of the run",
        SPEED,
        Direction.MAXIMIZE,
        Scale.RATIO,
        lambda found, _: found.steps_per_minute,
    ),
    Metric(
        "seconds",
        "time to result in s",
        "seconds from the start of the run to the end of its last episode",
        SPEED,
        Direction.MINIMIZE,
        Scale.RATIO,
        lambda found, _: found.seconds,
        (Must.HORIZON, Must.EPISODES),
    ),
)
