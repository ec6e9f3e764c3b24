"""Which arms may be the best one."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.analysis.arms import FLOOR
from ablate.analysis.conclusions import Conclusions
from ablate.analysis.doubts import unpaired_because
from ablate.analysis.estimates import Estimate
from ablate.analysis.families import FEWEST_SEEDS, Pair, compare
from ablate.analysis.remarks import RemarkKind
from ablate.analysis.statistics import ALPHA
from ablate.analysis.verdicts import Verdict


@dataclass(frozen=True)
class Lead:
    """The arms with the best mean of a metric, and those that can't be told from them.

    `rivals` come by their mean, the best first. None of either is disqualified or no better than a
    floor. An arm that the audit doubts, or whose seeds change nothing, is told from no other.
    """

    metric: str
    first: tuple[str, ...]
    rivals: tuple[str, ...]


def find_lead(concluded: Conclusions, metric: str) -> Lead | None:
    """Return which arms may be the best on a metric; None if no arm that may be has a value.

    An arm is told from the first one if the study compares the two and shows which is better, or
    if p times the number of all pairs of arms is at most 0.05 (Bonferroni): the first one was
    chosen by its values, as if every pair had been compared.
    """
    direction = concluded.frames.definition.metrics[metric]
    able = [row for row in _estimates(concluded, metric) if _may_lead(concluded, row)]
    able.sort(key=lambda row: -direction.gain(row.mean, over=0.0))
    if not able:
        return None
    first = tuple(row.arm for row in able if row.mean == able[0].mean)
    others = [row for row in able if row.arm not in first]
    pairs = len(able) * (len(able) - 1) // 2
    shown = {
        frozenset((row.arm, row.comparator))
        for row in concluded.comparisons
        if row.metric == metric and row.verdict in {Verdict.BETTER, Verdict.WORSE}
    }
    others = [row for row in others if frozenset((first[0], row.arm)) not in shown]
    doubted = {*concluded.doubted, *_idle(concluded)}
    family = [_pair(concluded, able[0], row) for row in others]
    rivals = tuple(
        row.arm
        for row, tested in zip(others, compare(family), strict=True)
        if doubted & {able[0].arm, row.arm}
        or tested.n < FEWEST_SEEDS
        or not tested.p * pairs <= ALPHA
    )
    return Lead(metric, first, rivals)


def _idle(concluded: Conclusions) -> set[str]:
    """Return the arms whose seeds change nothing."""
    found = (r for r in concluded.remarks if r.kind is RemarkKind.SEEDS_CHANGE_NOTHING)
    return {arm for remark in found for arm in remark.arms}


def _estimates(concluded: Conclusions, metric: str) -> Sequence[Estimate]:
    rows = (row for (name, _), row in concluded.estimates.items() if name == metric)
    return [row for row in rows if row.kind != FLOOR and row.n]


def _may_lead(concluded: Conclusions, row: Estimate) -> bool:
    verdict = concluded.verdicts.get((row.metric, row.arm))
    barred = {Verdict.NOT_COMPARABLE, Verdict.FLOOR_NOT_BEATEN}
    return row.arm not in concluded.disqualified and not (verdict and verdict[0] in barred)


def _pair(concluded: Conclusions, one: Estimate, other: Estimate) -> Pair:
    examples = (
        int(remark.value)
        for remark in concluded.remarks
        if remark.kind is RemarkKind.RESOLUTION and remark.metric == one.metric
    )
    return Pair(
        arm=one.values,
        comparator=other.values,
        direction=concluded.frames.definition.metrics[one.metric],
        paired=not unpaired_because(concluded.findings, one.arm, other.arm),
        scale=one.metric,
        examples=next(examples, None),
    )
