"""Follow the goals of a run, value by value: what is reached, what is missed, when, by how much."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf, isfinite, isnan
from statistics import fmean, median
from typing import Any

from ablate.spec import Action, Condition, Goals, Milestone

FACTS = "goals"
"""The kind of the facts that a run stores of its goals."""


class Kind(StrEnum):
    """What kind of goal it is."""

    MILESTONE = "milestone"
    SUCCESS = "success"
    AT_THE_END = "success at the end"
    PLATEAU = "plateau"
    WATCH = "watch"
    DIVERGENCE = "no divergence"


class Verdict(StrEnum):
    """How a goal stands: reached or missed, or pending where the run ended before its moment."""

    REACHED = "reached"
    MISSED = "missed"
    PENDING = "pending"


@dataclass(frozen=True)
class Measured:
    """A condition in words, the statistic found (None: too few values), and what it lacks.

    `short` is how far the statistic lies on the wrong side of the bound, 0 if the condition holds.
    """

    condition: str
    value: float | None
    short: float | None
    holds: bool


@dataclass(frozen=True)
class Judgement:
    """How a goal stands at a step, what was measured, and what is to be done about it.

    Whether a success that was reached still holds at the end is a judgement of its own: `step` and
    `epoch` are then those since which it holds, or does not hold any more.

    `action` is None where nothing is to be done: a milestone that is reached, a first step that
    is as it should be, or a goal that is pending.
    """

    kind: Kind
    title: str
    verdict: Verdict
    step: int
    epoch: int
    measured: tuple[Measured, ...] = ()
    action: Action | None = None

    @property
    def text(self) -> str:
        """The judgement in a sentence."""
        lacking = [each for each in self.measured if not each.holds] or list(self.measured)
        said = "; ".join(_found(each) for each in lacking)
        if self.kind is Kind.AT_THE_END:
            held = self.verdict is Verdict.REACHED
            how = f"held from step {self.step} on" if held else f"lost at step {self.step}"
            return f"success: {how}, at the end ({said})"
        if self.kind is Kind.DIVERGENCE and self.verdict is Verdict.MISSED:
            return f"diverged at step {self.step} ({said})"
        what = self.kind if self.kind == self.title else f"{self.kind} {self.title}"
        return f"{what}: {self.verdict} at step {self.step}" + (f" ({said})" if said else "")


def _found(measured: Measured) -> str:
    value = "too few values" if measured.value is None else f"{measured.value:.4g}"
    return f"{measured.condition}: {value}"


@dataclass
class Series:
    """The last values of a metric, and the extremes of all."""

    last: deque[float]
    lowest: float = inf
    highest: float = -inf

    def add(self, value: float) -> None:
        """Take a value. NaN is among the last values, but no extreme."""
        self.last.append(value)
        if not isnan(value):
            self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)

    def statistic(self, condition: Condition) -> float | None:
        """Return the statistic of a condition, None with too few values."""
        if len(self.last) < condition.window:
            return None
        values = list(self.last)[-condition.window :]
        match condition.statistic:
            case "last":
                return values[-1]
            case "ever":
                upwards = condition.comparison in {"above", "at_least"}
                found = self.highest if upwards else self.lowest
                return found if isfinite(found) else None
            case "mean":
                return fmean(values)
        if any(map(isnan, values)):
            return float("nan")
        return min(values) if condition.statistic == "min" else max(values)


@dataclass
class _State:
    """What has been seen and said; plain data, so that a run can continue."""

    judged: dict[str, Judgement] = field(default_factory=dict)
    best: float | None = None
    improved: int = 0
    early: list[float] = field(default_factory=list)
    holds: bool = False
    since: tuple[int, int] = (0, 0)
    """Step and epoch at which success began to hold, or not to hold any more."""


class GoalTracker:
    """Takes what a run logs, step by step, and says once of each goal how it stands.

    `total` is how many optimizer steps the training is to have, None if nobody knows.
    """

    def __init__(self, goals: Goals, total: int | None = None) -> None:
        self.goals = goals
        self.total = total
        windows: dict[str, int] = {}
        for condition in goals.conditions():
            windows[condition.metric] = max(windows.get(condition.metric, 1), condition.window)
        if (plateau := goals.plateau) is not None:
            windows[plateau.metric] = max(windows.get(plateau.metric, 1), plateau.window)
        if goals.divergence is not None:
            windows.setdefault(goals.divergence.metric, 1)
        self._series = {name: Series(deque(maxlen=window)) for name, window in windows.items()}
        self._state = _State()

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """All that has been said, in the order in which it was."""
        return tuple(self._state.judged.values())

    @property
    def success(self) -> Judgement | None:
        """The success, None if there is none so far."""
        found = self._state.judged.get(Kind.SUCCESS)
        return found if found and found.verdict is Verdict.REACHED else None

    def see(self, step: int, epoch: int, values: Mapping[str, float]) -> list[Judgement]:
        """Take the values logged at a step, and judge what each value may decide."""
        seen = [name for name in values if name in self._series]
        for name in seen:
            self._series[name].add(values[name])
        if not seen:
            return []
        return self._said(
            [
                *self._success(step, epoch),
                *self._watch(step, epoch),
                *self._plateau(step, epoch, seen),
                *self._divergence(step, epoch, seen),
            ]
        )

    def reach(self, step: int, epochs: int) -> list[Judgement]:
        """Judge what is due once all values of a step, or of so many whole epochs, are there."""
        due = (m for m in self.goals.milestones if self._is_due(m, step, epochs))
        milestones = [self._milestone(milestone, step, epochs) for milestone in due]
        watch = self.goals.watch
        if watch is not None and step >= watch.steps:
            measured = tuple(map(self._measured, watch.all))
            verdict = Verdict.REACHED if all(m.holds for m in measured) else Verdict.MISSED
            action = watch.action if verdict is Verdict.MISSED else None
            milestones.append(
                Judgement(Kind.WATCH, _first(watch.steps), verdict, step, epochs, measured, action)
            )
        return self._said(milestones)

    def end(self, step: int, epochs: int) -> list[Judgement]:
        """Judge what is due at the end of the training; what is not is pending."""
        found = self.reach(step, epochs)
        goals = self.goals
        pending: list[tuple[Kind, str, tuple[Condition, ...]]] = [
            (Kind.MILESTONE, milestone.title, milestone.expect) for milestone in goals.milestones
        ]
        if goals.watch is not None:
            pending.append((Kind.WATCH, _first(goals.watch.steps), goals.watch.all))
        left = [
            Judgement(
                kind, title, Verdict.PENDING, step, epochs, tuple(map(self._measured, conditions))
            )
            for kind, title, conditions in pending
        ]
        if goals.success is not None:
            measured = tuple(map(self._measured, goals.success.all))
            left.append(Judgement(Kind.SUCCESS, "success", Verdict.MISSED, step, epochs, measured))
            if self.success is not None:
                verdict = Verdict.REACHED if self._state.holds else Verdict.MISSED
                kind = Kind.AT_THE_END
                left.append(Judgement(kind, kind.value, verdict, *self._state.since, measured))
        if (divergence := goals.divergence) is not None:
            last = self._series[divergence.metric].last
            value = last[-1] if last else None
            bound = Measured(self._bounded(), value, None if value is None else 0.0, holds=True)
            kind = Kind.DIVERGENCE
            left.append(Judgement(kind, kind.value, Verdict.REACHED, step, epochs, (bound,)))
        return [*found, *self._said(left)]

    def to_plain(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it."""
        return {
            "series": {
                name: [list(series.last), series.lowest, series.highest]
                for name, series in self._series.items()
            },
            "judged": [plain(judgement) for judgement in self.judgements],
            "best": self._state.best,
            "improved": self._state.improved,
            "early": list(self._state.early),
            "holds": self._state.holds,
            "since": list(self._state.since),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Go back to what `to_plain` gave."""
        for name, (last, lowest, highest) in data["series"].items():
            if name in self._series:
                series = self._series[name]
                series.last.clear()
                series.last.extend(last)
                series.lowest, series.highest = lowest, highest
        judged = [judgement(each) for each in data["judged"]]
        told = {_key(found): found for found in judged}
        self._state = _State(
            told,
            data["best"],
            data["improved"],
            list(data["early"]),
            data["holds"],
            (data["since"][0], data["since"][1]),
        )

    def _said(self, found: list[Judgement]) -> list[Judgement]:
        """Keep what has not been said before."""
        new = []
        for each in found:
            if _key(each) not in self._state.judged:
                self._state.judged[_key(each)] = each
                new.append(each)
        return new

    def _is_due(self, milestone: Milestone, step: int, epochs: int) -> bool:
        at = milestone.at
        if at.step is not None:
            return step >= at.step
        if at.epoch is not None:
            return epochs >= at.epoch
        return at.share is not None and self.total is not None and step >= at.share * self.total

    def _milestone(self, milestone: Milestone, step: int, epochs: int) -> Judgement:
        measured = tuple(map(self._measured, milestone.expect))
        reached = all(each.holds for each in measured)
        return Judgement(
            Kind.MILESTONE,
            milestone.title,
            Verdict.REACHED if reached else Verdict.MISSED,
            step,
            epochs,
            measured,
            None if reached else milestone.action,
        )

    def _success(self, step: int, epoch: int) -> Iterator[Judgement]:
        success, state = self.goals.success, self._state
        if success is None:
            return
        measured = tuple(map(self._measured, success.all))
        holds = all(each.holds for each in measured)
        if holds is not state.holds:
            state.holds, state.since = holds, (step, epoch)
        if holds and Kind.SUCCESS not in state.judged:
            yield Judgement(
                Kind.SUCCESS, "success", Verdict.REACHED, step, epoch, measured, success.action
            )

    def _watch(self, step: int, epoch: int) -> Iterator[Judgement]:
        watch = self.goals.watch
        if watch is None or step > watch.steps:
            return
        measured = tuple(map(self._measured, watch.all))
        if any(each.value is not None and not each.holds for each in measured):
            yield Judgement(
                Kind.WATCH,
                _first(watch.steps),
                Verdict.MISSED,
                step,
                epoch,
                measured,
                watch.action,
            )

    def _plateau(self, step: int, epoch: int, seen: list[str]) -> Iterator[Judgement]:
        plateau, state = self.goals.plateau, self._state
        if plateau is None or plateau.metric not in seen:
            return
        series = self._series[plateau.metric]
        if len(series.last) < plateau.window:
            state.improved = step
            return
        value = fmean(list(series.last)[-plateau.window :])
        gain = inf if state.best is None else plateau.direction.gain(value, state.best)
        if gain > plateau.min_delta and not isnan(value):
            state.best = value
            state.improved = step
            return
        if step - state.improved >= plateau.steps:
            said = f"no {plateau.metric} better than {state.best} since step {state.improved}"
            yield Judgement(
                Kind.PLATEAU,
                plateau.metric,
                Verdict.REACHED,
                step,
                epoch,
                (Measured(said, value, None, holds=True),),
                plateau.action,
            )

    def _divergence(self, step: int, epoch: int, seen: list[str]) -> Iterator[Judgement]:
        divergence, early = self.goals.divergence, self._state.early
        if divergence is None or divergence.metric not in seen:
            return
        value = self._series[divergence.metric].last[-1]
        limit = self._limit()
        if isfinite(value) and (limit is None or value <= limit):
            if len(early) < divergence.first:
                early.append(value)
            return
        above = value - limit if limit is not None and isfinite(value) else None
        found = Measured(self._bounded(), value, above, holds=False)
        kind = Kind.DIVERGENCE
        yield Judgement(kind, kind.value, Verdict.MISSED, step, epoch, (found,), Action.STOP)

    def _limit(self) -> float | None:
        """Return above which value a run has diverged, None if no value is too high so far."""
        divergence, early = self.goals.divergence, self._state.early
        if divergence is None or len(early) < divergence.first:
            return None
        usual = median(early)
        return divergence.times * usual if usual > 0 else None

    def _bounded(self) -> str:
        """Say what a value is to be that has not diverged."""
        divergence, limit = self.goals.divergence, self._limit()
        assert divergence is not None  # noqa: S101
        if limit is None:
            return f"{divergence.metric} finite"
        return (
            f"{divergence.metric} at most {divergence.times:g} times the median of the first "
            f"{divergence.first}, {limit:.4g}"
        )

    def _measured(self, condition: Condition) -> Measured:
        value = self._series[condition.metric].statistic(condition)
        if value is None:
            return Measured(condition.text, None, None, holds=False)
        holds = condition.comparison.holds(value, condition.bound)
        distance = abs(value - condition.bound)
        short = 0.0 if holds else distance if isfinite(distance) else None
        return Measured(condition.text, value, short, holds)


def _first(steps: int) -> str:
    return f"the first {steps} steps"


def _key(judgement: Judgement) -> str:
    if judgement.kind is Kind.MILESTONE:
        return f"{judgement.kind}: {judgement.title}"
    return judgement.kind.value


def facts(judgements: Iterable[Judgement]) -> dict[str, Any]:
    """Return what is stored of a run's goals."""
    return {"judgements": [plain(each) for each in judgements]}


def judgements(facts: Mapping[str, Any]) -> tuple[Judgement, ...]:
    """Read what `facts` gave."""
    return tuple(judgement(each) for each in facts["judgements"])


def plain(found: Judgement) -> dict[str, Any]:
    """Return a judgement as plain data, without NaN or infinite numbers, which JSON lacks."""
    return {
        "kind": found.kind.value,
        "title": found.title,
        "verdict": found.verdict.value,
        "step": found.step,
        "epoch": found.epoch,
        "measured": [
            {
                "condition": each.condition,
                "value": None if each.value is None else repr(each.value),
                "short": each.short,
                "holds": each.holds,
            }
            for each in found.measured
        ],
        "action": None if found.action is None else found.action.value,
    }


def judgement(data: Mapping[str, Any]) -> Judgement:
    """Read what `plain` gave."""
    return Judgement(
        Kind(data["kind"]),
        data["title"],
        Verdict(data["verdict"]),
        data["step"],
        data["epoch"],
        tuple(
            Measured(
                each["condition"],
                None if each["value"] is None else float(each["value"]),
                each["short"],
                each["holds"],
            )
            for each in data["measured"]
        ),
        None if data["action"] is None else Action(data["action"]),
    )
