"""Arms of reinforcement learning beside one baseline: changes, verdicts, what they differ in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import fmean, stdev
from typing import Any

import pandas as pd

from ablate.analysis.episodes.measures import AVERAGE, WINDOWS
from ablate.analysis.episodes.metrics import (
    AVERAGE_RETURN,
    EpisodeArm,
    Metric,
    Must,
    Scale,
    metrics_of,
    window_key,
)
from ablate.analysis.families import FEWEST_SEEDS, Pair, compare
from ablate.analysis.statistics import ALPHA
from ablate.analysis.verdicts import Comparison, Relation, Tested, Verdict
from ablate.errors import RequestError, nearest, quoted
from ablate.spec import Direction, paths

_SEED = "seed_everything"


@dataclass(frozen=True)
class Value:
    """A metric of an arm: the values of its runs by their place, their mean and sd (n - 1)."""

    by_run: Mapping[int, float]

    @property
    def n(self) -> int:
        """How many runs have a value."""
        return len(self.by_run)

    @property
    def mean(self) -> float:
        """The mean over the runs, NaN without any."""
        return fmean(self.by_run.values()) if self.by_run else math.nan

    @property
    def sd(self) -> float:
        """The standard deviation over the runs, NaN for fewer than two."""
        return stdev(self.by_run.values()) if self.n > 1 else math.nan


@dataclass(frozen=True)
class Change:
    """From the baseline to an arm: percent, a ratio, or a difference."""

    scale: Scale
    value: float


@dataclass(frozen=True)
class Contrast:
    """A metric of an arm beside that of the baseline.

    `comparison` is None for a metric without a direction. The winner is the one arm that the
    verdict names, None without one.
    """

    metric: Metric
    arm: str
    baseline: str
    change: Change
    comparison: Comparison | None

    @property
    def winner(self) -> str | None:
        """The arm that is better, None if that is not known."""
        verdict = None if self.comparison is None else self.comparison.verdict
        if verdict is Verdict.BETTER:
            return self.arm
        return self.baseline if verdict is Verdict.WORSE else None


@dataclass(frozen=True)
class Flip:
    """Which of two arms has the higher mean return over each window, None where they are equal."""

    arm: str
    baseline: str
    leaders: tuple[tuple[int, str | None], ...]

    @property
    def depends(self) -> bool:
        """Whether it depends on the window which of them leads."""
        return len({leader for _, leader in self.leaders}) > 1


@dataclass(frozen=True)
class Tally:
    """The quantities in which an arm is better than the baseline, worse, and those left open.

    Every quantity counts once, however many rows it has.
    """

    arm: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    open: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """A key of the resolved configs, with its value by arm; an arm that lacks it is absent.

    `equal` says that all arms have the same value, `inert` that in some arm it is known to change
    nothing.
    """

    path: str
    values: Mapping[str, Any]
    equal: bool
    inert: bool


@dataclass(frozen=True, eq=False)
class EpisodeComparison:
    """Two or more arms of which one is the baseline of every change and every verdict.

    Raises RequestError for fewer than two arms, for two of one name, for a baseline that is none
    of them, and if no run of an arm counts.
    """

    arms: tuple[EpisodeArm, ...]
    baseline: str

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(names) < 2:
            raise RequestError("a comparison takes at least two arms: name another log of episodes")
        for name in names:
            if names.count(name) > 1:
                raise RequestError(f"two arms are called {quoted(name)}: give them names")
        if self.baseline not in names:
            raise RequestError(
                f"the baseline {quoted(self.baseline)} is no arm: {nearest(self.baseline, names)}"
            )
        for arm in self.arms:
            seeds = [run.seed for run in arm.runs if run.seed is not None]
            for seed in seeds:
                if seeds.count(seed) > 1:
                    raise RequestError(f"{quoted(arm.name)} has two runs of seed {seed}")
            if not arm.measures:
                why = "; ".join(run.why_not for run in arm.runs) or "there is none"
                raise RequestError(f"no run of {quoted(arm.name)} counts: {why}")

    @property
    def candidates(self) -> tuple[EpisodeArm, ...]:
        """The arms that are compared with the baseline."""
        return tuple(arm for arm in self.arms if arm.name != self.baseline)

    def arm(self, name: str) -> EpisodeArm:
        """Return the arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that some run has."""
        return metrics_of(self.arms)

    @cached_property
    def primary(self) -> str:
        """The key of the metric that decides: the mean of the last 100 returns.

        Where no run has so many, it is that of the last 50 or 20, or the final return. It is taken
        per step where the horizons are known to differ.
        """
        keys = {metric.key for metric in self.metrics}
        windows = [window_key(size) for size in sorted(WINDOWS, reverse=True) if size <= AVERAGE]
        longest = next((key for key in windows if key in keys), "final_return")
        per_step = f"{longest}_per_step"
        return per_step if per_step in keys else longest

    @property
    def per_step(self) -> bool:
        """Whether returns are compared per step, as the horizons are known to differ."""
        return self.primary.endswith("_per_step")

    @cached_property
    def values(self) -> dict[tuple[str, str], Value]:
        """The values by metric and arm."""
        return {
            (metric.key, arm.name): Value(
                {
                    place: value
                    for place, run in enumerate(arm.runs)
                    if run.measures is not None
                    and (value := metric.read(run.measures, arm.facts)) is not None
                }
            )
            for metric in self.metrics
            for arm in self.arms
        }

    @cached_property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Every metric of every arm beside that of the baseline."""
        asked = [(metric, arm) for metric in self.metrics for arm in self.candidates]
        tested = self._tested(asked)
        return tuple(
            Contrast(
                metric,
                arm.name,
                self.baseline,
                change_of(
                    metric.scale,
                    self.values[metric.key, arm.name].mean,
                    self.values[metric.key, self.baseline].mean,
                ),
                self._comparison(metric, metric.direction, arm, tested[metric.key, arm.name])
                if metric.direction is not None
                else None,
            )
            for metric, arm in asked
        )

    def contrast(self, metric: str, arm: str) -> Contrast:
        """Return the contrast of a metric and an arm by their names."""
        return next(c for c in self.contrasts if (c.metric.key, c.arm) == (metric, arm))

    def flip(self, arm: str) -> Flip:
        """Say which of the baseline and an arm leads over each window that both have.

        Where the horizons are known to differ, the means are taken per step.
        """
        per_step = self.per_step
        leaders: list[tuple[int, str | None]] = []
        for size in WINDOWS:
            key = window_key(size, per_step=per_step)
            pair = [self.values.get((key, name)) for name in (arm, self.baseline)]
            means = [math.nan if value is None else value.mean for value in pair]
            if not any(map(math.isnan, means)):
                leader = arm if means[0] > means[1] else self.baseline
                leaders.append((size, None if means[0] == means[1] else leader))
        return Flip(arm, self.baseline, tuple(leaders))

    def tally(self, arm: str) -> Tally:
        """Count the quantities that are decided between an arm and the baseline, each once."""
        winners: dict[str, set[str]] = {}
        for contrast in self.contrasts:
            if contrast.arm == arm and contrast.comparison is not None:
                found = winners.setdefault(contrast.metric.quantity, set())
                if contrast.winner is not None:
                    found.add(contrast.winner)
        return Tally(
            arm,
            tuple(name for name, won in winners.items() if won == {arm}),
            tuple(name for name, won in winners.items() if won == {self.baseline}),
            tuple(name for name, won in winners.items() if len(won) != 1),
        )

    @cached_property
    def unequal(self) -> dict[str, tuple[int | None, ...]]:
        """What differs of the numbers that make returns comparable, by arm; None if not known."""
        found: dict[str, tuple[int | None, ...]] = {
            "episodes": tuple(max(arm.known(Must.EPISODES)) for arm in self.arms),
            "horizon": tuple(arm.facts.horizon for arm in self.arms),
            "actions": tuple(arm.facts.actions for arm in self.arms),
        }
        return {name: values for name, values in found.items() if len(set(values)) > 1}

    @cached_property
    def settings(self) -> tuple[Setting, ...] | None:
        """Every key of the resolved configs, by path; None if not all configs are known.

        The seed of a run is none: it differs within an arm.
        """
        leaves = {
            arm.name: paths.flatten(dict(arm.config)) for arm in self.arms if arm.config is not None
        }
        if len(leaves) < len(self.arms):
            return None
        inert = {path for arm in self.arms for path in arm.facts.inert}
        return tuple(
            Setting(path, values, _equal(values, len(leaves)), path in inert)
            for path in sorted({path for flat in leaves.values() for path in flat} - {_SEED})
            for values in [{name: flat[path] for name, flat in leaves.items() if path in flat}]
        )

    @property
    def differences(self) -> tuple[Setting, ...] | None:
        """The settings that are not equal in all arms; None if not all configs are known."""
        if self.settings is None:
            return None
        return tuple(setting for setting in self.settings if not setting.equal)

    def frame(self) -> pd.DataFrame:
        """Return a row per metric and arm.

        Columns: metric, quantity, arm, comparator, value, baseline, change, scale, and those of
        `Comparison`: difference, low, high, n, p, p_holm, verdict, reason, seeds_needed; NaN or
        empty for a metric that does not decide.
        """
        return pd.DataFrame([self._row(contrast) for contrast in self.contrasts])

    def _row(self, contrast: Contrast) -> dict[str, Any]:
        key, found = contrast.metric.key, contrast.comparison
        return {
            "metric": key,
            "quantity": contrast.metric.quantity,
            "arm": contrast.arm,
            "comparator": contrast.baseline,
            "value": self.values[key, contrast.arm].mean,
            "baseline": self.values[key, contrast.baseline].mean,
            "change": contrast.change.value,
            "scale": str(contrast.change.scale),
            "difference": math.nan if found is None else found.difference,
            "low": math.nan if found is None else found.low,
            "high": math.nan if found is None else found.high,
            "n": min(self.values[key, name].n for name in (contrast.arm, contrast.baseline)),
            "p": math.nan if found is None else found.p,
            "p_holm": math.nan if found is None else found.p_holm,
            "verdict": "" if found is None else str(found.verdict),
            "reason": "" if found is None else found.reason,
            "seeds_needed": None if found is None else found.seeds_needed,
        }

    def _tested(self, asked: Sequence[tuple[Metric, EpisodeArm]]) -> dict[tuple[str, str], Tested]:
        """Test the primary metric as one family, and all others that may be compared as another."""
        families: dict[bool, dict[tuple[str, str], Pair]] = {True: {}, False: {}}
        for metric, arm in asked:
            if metric.direction is not None:
                families[metric.key == self.primary][metric.key, arm.name] = Pair(
                    self._by_seed(metric, arm),
                    self._by_seed(metric, self.arm(self.baseline)),
                    metric.direction,
                    paired=not self._unpaired(metric, arm),
                    scale=metric.key,
                    claims=not self._barred(metric, arm),
                )
        return {
            key: found
            for pairs in families.values()
            for key, found in zip(pairs, compare(list(pairs.values())), strict=True)
        }

    def _by_seed(self, metric: Metric, arm: EpisodeArm) -> dict[int, float]:
        """Return the values of an arm by seed, or by the place of the run if a seed is missing."""
        by_run = self.values[metric.key, arm.name].by_run
        seeds = [arm.runs[place].seed for place in by_run]
        if None in seeds:
            return dict(by_run)
        return {int(seed or 0): value for seed, value in zip(seeds, by_run.values(), strict=True)}

    def _unpaired(self, metric: Metric, arm: EpisodeArm) -> str:
        """Say why the runs of an arm and of the baseline are not paired; empty if they are.

        Over a part of the seeds the difference would not be that of the means that are shown.
        """
        both = (arm, self.arm(self.baseline))
        if any(run.seed is None for one in both for run in one.runs):
            return "the logs do not say their seeds"
        same = self._by_seed(metric, both[0]).keys() == self._by_seed(metric, both[1]).keys()
        return "" if same else "the arms do not have the same seeds"

    def _barred(self, metric: Metric, arm: EpisodeArm) -> str:
        """Say why a metric of an arm may not be compared with the baseline's; empty if it may."""
        baseline = self.arm(self.baseline)
        for one in (arm, baseline):
            if one.barred:
                return f"{one.name}: {one.barred}"
        for must in metric.musts:
            known = arm.known(must), baseline.known(must)
            if all(known) and known[0] != known[1]:
                return f"{must}: {_span(known[0])} and {_span(known[1])}"
        return ""

    def _comparison(
        self, metric: Metric, direction: Direction, arm: EpisodeArm, found: Tested
    ) -> Comparison:
        verdict, reason = self._verdict(metric, direction, arm, found)
        return Comparison(
            **vars(found),
            metric=metric.key,
            direction=direction,
            primary=metric.key == self.primary,
            arm=arm.name,
            comparator=self.baseline,
            relation=Relation.REFERENCE,
            paired=not self._unpaired(metric, arm),
            unpaired_because=self._unpaired(metric, arm),
            verdict=verdict,
            reason=reason,
        )

    def _verdict(
        self, metric: Metric, direction: Direction, arm: EpisodeArm, found: Tested
    ) -> tuple[Verdict, str]:
        """Say what may be said, and why; a winner takes three seeds and an interval without 0."""
        if barred := self._barred(metric, arm):
            return Verdict.NOT_COMPARABLE, barred
        if open_because := self._open(metric, arm, found):
            return Verdict.CANNOT_TELL, open_because
        better = direction.better(found.difference, 0)
        return (Verdict.BETTER if better else Verdict.WORSE), f"p {found.p_holm:.2g} after Holm"

    def _open(self, metric: Metric, arm: EpisodeArm, found: Tested) -> str:
        """Say why nothing is decided; empty if something is."""
        if not found.n:
            return "not measured in both arms"
        if metric.quantity == AVERAGE_RETURN and (flip := self.flip(arm.name)).depends:
            return f"depends on the window: {_leaders(flip)}"
        if found.n < FEWEST_SEEDS:
            seeds = "1 seed" if found.n == 1 else f"{found.n} seeds"
            return f"{seeds}; fewer than {FEWEST_SEEDS} prove nothing"
        for one in (arm, self.arm(self.baseline)):
            if one.doubted or one.seeds_change_nothing:
                return f"{one.name}: {one.doubted or 'its seeds change nothing'}"
        if found.p_holm <= ALPHA and (found.low > 0 or found.high < 0):
            return ""
        needed = f"; {found.seeds_needed} seeds would show it" if found.seeds_needed else ""
        return f"p {found.p_holm:.2g} after Holm{needed}"


def change_of(scale: Scale, value: float, baseline: float) -> Change:
    """Return the change from a baseline to a value.

    Percent are 100 * (value - baseline) / |baseline|, a ratio is value / baseline. Where the
    baseline is 0 or the signs differ, neither means anything, and the change is a difference.
    """
    same_side = value == 0 or (value > 0) == (baseline > 0)
    if scale is not Scale.DIFFERENCE and baseline != 0 and same_side:
        whole = scale is Scale.RATIO
        told = value / baseline if whole else 100 * ((value - baseline) / abs(baseline))
        if math.isfinite(told):
            return Change(scale, told)
    return Change(Scale.DIFFERENCE, value - baseline)


def _leaders(flip: Flip) -> str:
    """Say over which windows which arm leads."""
    by_leader: dict[str, list[str]] = {}
    for size, leader in flip.leaders:
        by_leader.setdefault(leader or "neither", []).append(str(size))
    return ", ".join(f"{leader} leads over {_listed(sizes)}" for leader, sizes in by_leader.items())


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _span(values: Sequence[int]) -> str:
    return " to ".join(f"{value:,}" for value in dict.fromkeys((min(values), max(values))))


def _equal(values: Mapping[str, Any], arms: int) -> bool:
    return len(values) == arms and all(one == other for one, other in pairwise(values.values()))
