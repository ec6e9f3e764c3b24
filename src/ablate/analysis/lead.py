"""Which arms may be the best one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ablate.analysis import doubts
from ablate.analysis.arms import FLOOR
from ablate.analysis.conclusions import Conclusions
from ablate.analysis.estimates import Estimate
from ablate.analysis.families import FEWEST_SEEDS, Pair, compare
from ablate.analysis.remarks import RemarkKind
from ablate.analysis.statistics import ALPHA
from ablate.analysis.verdicts import Comparison, Relation, Tested, Verdict


@dataclass(frozen=True)
class Lead:
    """The arms with the best mean of a metric, and how all others with a value stand to them.

    - `first`: the arms with the best mean of those that are not left out; none if all are.
    - `told`: arms from which each of `first` can be told.
    - `equivalent`: arms that the study shows to be equivalent to each of `first`.
    - `rivals`: all other arms that are not left out. Each of these three comes by mean, the best
      first.
    - `left_out`: arm -> why it can't lead: it is not comparable, or does not beat the best floor.
    - `doubts`: the codes of the findings that stand between `first` and `rivals`.
    - `floor_open`: the comparisons of `first` with the best floor that do not tell which is better.
    """

    metric: str
    first: tuple[str, ...]
    told: tuple[str, ...]
    equivalent: tuple[str, ...]
    rivals: tuple[str, ...]
    left_out: Mapping[str, Verdict]
    doubts: tuple[str, ...]
    floor_open: tuple[Comparison, ...]


def find_lead(concluded: Conclusions, metric: str) -> Lead:
    """Say which arms may be the best on a metric.

    Another arm is told from a first one if the study compares the two and shows that the first one
    is better, or if its difference is in favour of the first one and p times the number of all
    pairs of arms is at most 0.05 (Bonferroni): the first one was chosen by its values, as if every
    pair had been compared. Two arms that the audit sets apart, or doubts, or of which the seeds
    of one change nothing, are never told apart by a p.
    """
    known = _estimates(concluded, metric)
    beside_floor = {
        row.arm: row
        for row in concluded.comparisons
        if row.metric == metric and row.relation is Relation.FLOOR
    }
    left_out = {
        row.arm: why for row in known if (why := _why_not(concluded, row, beside_floor)) is not None
    }
    direction = concluded.frames.definition.metrics[metric]
    able = [row for row in known if row.arm not in left_out]
    able.sort(key=lambda row: -direction.gain(row.mean, over=0.0))
    first = [row for row in able if row.mean == able[0].mean]
    telling = _Telling(concluded, metric, first, able)
    told, equivalent, rivals = telling.parted()
    stands = [beside_floor[row.arm] for row in first if row.arm in beside_floor]
    return Lead(
        metric=metric,
        first=tuple(row.arm for row in first),
        told=told,
        equivalent=equivalent,
        rivals=rivals,
        left_out=left_out,
        doubts=telling.doubts(rivals),
        floor_open=tuple(row for row in stands if row.verdict is not Verdict.BETTER),
    )


class _Telling:
    """Tells the arms with the best mean from others."""

    def __init__(
        self,
        concluded: Conclusions,
        metric: str,
        first: Sequence[Estimate],
        able: Sequence[Estimate],
    ) -> None:
        self._concluded, self._metric = concluded, metric
        self._direction = concluded.frames.definition.metrics[metric]
        self._first = [row.arm for row in first]
        self._others = [row.arm for row in able if row.arm not in self._first]
        self._pairs = len(able) * (len(able) - 1) // 2
        arms = [arm.name for arm in concluded.frames.definition.arms]
        self._errors = doubts.errors(concluded.findings, arms)
        self._warnings = doubts.warnings(concluded.findings, arms)
        self._idle = _idle(concluded)
        self._shown = {
            (row.arm, row.comparator): row.verdict
            for row in concluded.comparisons
            if row.metric == metric
        }
        keys = [(one, other) for one in self._first for other in self._others]
        self._tested = dict(zip(keys, compare([self._pair(*key) for key in keys]), strict=True))

    def parted(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Part the others into those told from every first arm, equivalent ones and rivals."""
        told, equivalent, rivals = [], [], []
        for other in self._others:
            if all(self._equal(one, other) for one in self._first):
                equivalent.append(other)
            elif all(self._tells(one, other) for one in self._first):
                told.append(other)
            else:
                rivals.append(other)
        return tuple(told), tuple(equivalent), tuple(rivals)

    def doubts(self, rivals: Iterable[str]) -> tuple[str, ...]:
        """Return the codes of the findings that stand between the first arms and others."""
        codes: dict[str, None] = {}
        for one in self._first:
            for other in rivals:
                codes |= dict.fromkeys(self._codes(one, other))
        return tuple(codes)

    def _codes(self, one: str, other: str) -> tuple[str, ...]:
        every = (self._errors, self._warnings)
        return tuple(
            code
            for found in every
            for code in (
                *found.own.get(one, ()),
                *found.own.get(other, ()),
                *found.between_them(one, other),
            )
        )

    def _verdict(self, one: str, other: str) -> Verdict | None:
        return self._shown.get((one, other)) or self._shown.get((other, one))

    def _equal(self, one: str, other: str) -> bool:
        return self._verdict(one, other) is Verdict.EQUIVALENT

    def _tells(self, one: str, other: str) -> bool:
        if self._equal(one, other):
            return False
        if self._shown.get((one, other)) is Verdict.BETTER:
            return True
        if self._shown.get((other, one)) is Verdict.WORSE:
            return True
        if self._codes(one, other) or self._idle & {one, other}:
            return False
        tested: Tested = self._tested[one, other]
        return (
            tested.n >= FEWEST_SEEDS
            and self._direction.better(tested.difference, 0.0)
            and tested.p * self._pairs <= ALPHA
        )

    def _pair(self, one: str, other: str) -> Pair:
        concluded = self._concluded
        examples = (
            int(remark.value)
            for remark in concluded.remarks
            if remark.kind is RemarkKind.RESOLUTION and remark.metric == self._metric
        )
        return Pair(
            arm=concluded.estimates[self._metric, one].values,
            comparator=concluded.estimates[self._metric, other].values,
            direction=self._direction,
            paired=not doubts.unpaired_because(concluded.findings, one, other),
            scale=self._metric,
            examples=next(examples, None),
        )


def _idle(concluded: Conclusions) -> set[str]:
    """Return the arms whose seeds change nothing."""
    found = (r for r in concluded.remarks if r.kind is RemarkKind.SEEDS_CHANGE_NOTHING)
    return {arm for remark in found for arm in remark.arms}


def _estimates(concluded: Conclusions, metric: str) -> Sequence[Estimate]:
    rows = (row for (name, _), row in concluded.estimates.items() if name == metric)
    return [row for row in rows if row.kind != FLOOR and row.n]


def _why_not(
    concluded: Conclusions, row: Estimate, beside_floor: Mapping[str, Comparison]
) -> Verdict | None:
    """Say why an arm can't lead, None if it may; its headline may hide that a floor is ahead."""
    verdict = concluded.verdicts.get((row.metric, row.arm))
    if row.arm in concluded.disqualified or (verdict and verdict[0] is Verdict.NOT_COMPARABLE):
        return Verdict.NOT_COMPARABLE
    floor = beside_floor.get(row.arm)
    if floor is not None and floor.verdict is Verdict.FLOOR_NOT_BEATEN:
        return Verdict.FLOOR_NOT_BEATEN
    return None
