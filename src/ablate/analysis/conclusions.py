"""What a study says of its arms: computed once, and shared by every page, table and command."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from ablate.analysis import doubts, families, statistics
from ablate.analysis.arm_estimates import ArmEstimates
from ablate.analysis.arms import FLOOR
from ablate.analysis.comparators import Comparator, comparators
from ablate.analysis.effects import Effect, effects_of
from ablate.analysis.estimates import Estimate, Estimates
from ablate.analysis.families import FEWEST_SEEDS, Pair
from ablate.analysis.frames import AblationFrames
from ablate.analysis.remarks import Remark, remarks
from ablate.analysis.verdicts import Comparison, Method, Relation, Tested, Verdict
from ablate.spec import AblationDefinition
from ablate.store import FindingRow

COLUMNS = [
    *("metric", "primary", "arm", "comparator", "relation", "difference", "low", "high", "n"),
    *("p", "p_holm", "verdict", "reason", "seeds_needed", "method", "p_sign_flip", "p_smallest"),
    *("improvement", "detectable", "paired", "unpaired_because", "direction"),
]

Judgement = tuple[Verdict, str]
"""A verdict with its reason."""


@dataclass(frozen=True)
class Conclusions:
    """All that is concluded of a study.

    - `table`: the arms table (`arms_table`).
    - `estimates`: by metric and arm.
    - `comparisons`: by metric, the primary one first: every arm beside each of its comparators,
      the decisive one first, and then beside the best floor (`Relation.FLOOR`, which corrects no
      other).
    - `verdicts`: by metric and arm, the headline with its reason. An arm that is compared with
      nothing has one only if it is not comparable or beats no floor.
    - `disqualified`: arm -> codes of the errors of the audit, allowed or not, for which it is not
      comparable.
    - `doubted`: arm -> codes of the warnings, not allowed, that touch its comparability.
    - `remarks`: on the metrics.
    """

    frames: AblationFrames
    findings: tuple[FindingRow, ...]
    table: pd.DataFrame
    estimates: Estimates
    comparisons: tuple[Comparison, ...]
    verdicts: Mapping[tuple[str, str], Judgement]
    disqualified: Mapping[str, tuple[str, ...]]
    doubted: Mapping[str, tuple[str, ...]]
    remarks: tuple[Remark, ...]

    @property
    def primary(self) -> str:
        """The metric that decides."""
        return primary_metric(self.frames.definition)

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        """The effects of the components of a factorial or fractional design, if it is one."""
        return effects_of(self.frames, self.table, self.primary, self.disqualified, self.doubted)

    def of(self, metric: str, arm: str) -> tuple[Comparison, ...]:
        """Return the comparisons of an arm on a metric, the decisive one first."""
        return tuple(row for row in self.comparisons if (row.metric, row.arm) == (metric, arm))

    def frame(self) -> pd.DataFrame:
        """Return one row per comparison; the columns are fields of `Comparison`."""
        rows = [[getattr(row, name) for name in COLUMNS] for row in self.comparisons]
        return pd.DataFrame(rows, columns=COLUMNS).astype({"seeds_needed": "Int64"})


def primary_metric(definition: AblationDefinition) -> str:
    """Return the metric that decides: that of the objective, if it is reported, or the first."""
    name = definition.objective.metric
    return name if name in definition.metrics else next(iter(definition.metrics))


def conclude(
    study: AblationFrames | ArmEstimates,
    findings: Iterable[FindingRow] = (),
    against: Mapping[str, tuple[Comparator, ...]] | None = None,
) -> Conclusions:
    """Conclude what the runs of an ablation support; `findings` are all that the audit found.

    `against` are the comparators of every arm, where its design does not tell them.

    Every arm is compared with its comparators (`comparators`) over the seeds that count for both,
    on the primary metric as one family and on all others as another (`families.compare`). The
    first of these that is true is the verdict:

    - `not comparable`: an error of the audit, allowed or not, touches one of the two;
    - `cannot tell`: fewer than three seeds count for both, the seeds of one change nothing, or a
      warning that is not allowed touches their comparability;
    - `floor not beaten`: the 95 % interval of the arm less the best floor is not all on the
      better side;
    - `equivalent`: the 95 % interval lies within the margin that the study declares;
    - `better`, `worse`: p is at most 0.05 after Holm, and the interval does not include 0;
    - `cannot tell`.
    """
    known = study if isinstance(study, ArmEstimates) else ArmEstimates(study)
    designed = comparators(known.frames.definition) if against is None else against
    return _Concluding(known, tuple(findings), designed).conclusions()


def floors_not_beaten(
    known: ArmEstimates, findings: Iterable[FindingRow]
) -> dict[tuple[str, str], str]:
    """Say by metric and arm how it stands to the best floor, where it is not surely better."""
    beside = _Concluding(known, tuple(findings), {}).beside_floors()
    return {
        key: row.reason for key, row in beside.items() if row.verdict is Verdict.FLOOR_NOT_BEATEN
    }


class _Concluding:
    """The parts of a conclusion that need each other."""

    def __init__(
        self,
        known: ArmEstimates,
        findings: tuple[FindingRow, ...],
        designed: Mapping[str, tuple[Comparator, ...]],
    ) -> None:
        self._known, self._findings = known, findings
        self._definition = definition = known.frames.definition
        self._metrics = definition.metrics
        self._trained = [arm.name for arm in definition.trained]
        self._primary = primary_metric(definition)
        self._estimates = known.estimates
        arms = [arm.name for arm in definition.arms]
        self._errors = doubts.errors(findings, arms)
        self._warnings = doubts.warnings(findings, arms)
        self._designed = designed

    def beside_floors(self) -> dict[tuple[str, str], Comparison]:
        """Compare every arm with the best floor of each metric that has one."""
        return {
            (row.metric, row.arm): row for metric in self._metrics for row in self._floors(metric)
        }

    def conclusions(self) -> Conclusions:
        """Return everything."""
        beside_floor = self.beside_floors()
        compared: dict[tuple[str, str], list[Comparison]] = {}
        for primary in (True, False):
            for row in self._compared(beside_floor, primary=primary):
                compared.setdefault((row.metric, row.arm), []).append(row)
        metrics = sorted(self._metrics, key=lambda metric: metric != self._primary)
        keys = [(metric, arm) for metric in metrics for arm in self._trained]
        rows = [
            row
            for key in keys
            for row in (
                *compared.get(key, ()),
                *([beside_floor[key]] if key in beside_floor else ()),
            )
        ]
        disqualified = self._against(self._errors)
        return Conclusions(
            frames=self._known.frames,
            findings=self._findings,
            table=self._known.table,
            estimates=self._estimates,
            comparisons=tuple(rows),
            verdicts=self._headlines(rows, disqualified),
            disqualified=disqualified,
            doubted=self._against(self._warnings),
            remarks=tuple(
                remarks(self._known.frames, self._estimates, self._known.examples, self._known.idle)
            ),
        )

    def _against(self, found: doubts.Doubts) -> dict[str, tuple[str, ...]]:
        """Map every arm to the codes against it alone, or against comparing it."""
        hubs = {other.arm for others in self._designed.values() for other in others}
        against = {}
        for arm in self._trained:
            others = [other.arm for other in self._designed[arm]]
            if not others and arm not in hubs:
                others = [name for name in self._trained if name != arm]
            codes = dict.fromkeys(found.own.get(arm, ()))
            for other in others:
                codes |= dict.fromkeys(found.between_them(arm, other))
            if codes:
                against[arm] = tuple(codes)
        return against

    # --- comparisons -------------------------------------------------------------------------

    def _compared(
        self, beside_floor: Mapping[tuple[str, str], Comparison], *, primary: bool
    ) -> Iterator[Comparison]:
        """Compare arms on the primary metric, or on all others, as one family."""
        keys = [
            (metric, arm, comparator)
            for metric in self._metrics
            if (metric == self._primary) is primary
            for arm, found in self._designed.items()
            for comparator in found
        ]
        pairs = [self._pair(*key) for key in keys]
        for key, pair, tested in zip(keys, pairs, families.compare(pairs), strict=True):
            metric, arm, comparator = key
            verdict, reason = (
                self._barred(arm, comparator.arm, tested.n)
                or _behind(beside_floor.get((metric, arm)))
                or _judged(tested, pair, self._definition.margin.get(metric))
            )
            yield self._row(key, pair, tested, verdict, reason)

    def _pair(self, metric: str, arm: str, comparator: Comparator) -> Pair:
        other = comparator.arm
        codes, _ = self._errors.of_pair(arm, other)
        return Pair(
            arm=self._estimates[metric, arm].values,
            comparator=self._estimates[metric, other].values,
            direction=self._metrics[metric],
            paired=not doubts.unpaired_because(self._findings, arm, other),
            scale=metric,
            examples=self._known.examples[metric],
            claims=not codes and not {arm, other} & self._known.idle.keys(),
        )

    def _row(
        self,
        key: tuple[str, str, Comparator],
        pair: Pair,
        tested: Tested,
        verdict: Verdict,
        reason: str,
    ) -> Comparison:
        metric, arm, comparator = key
        because = ""
        if not pair.paired:
            because = doubts.unpaired_because(self._findings, arm, comparator.arm)
        open_question = verdict is Verdict.CANNOT_TELL and pair.claims
        needed = _seeds_needed(tested) if open_question else None
        return Comparison(
            **vars(replace(tested, seeds_needed=needed)),
            metric=metric,
            direction=pair.direction,
            primary=metric == self._primary,
            arm=arm,
            comparator=comparator.arm,
            relation=comparator.relation,
            paired=pair.paired,
            unpaired_because=because,
            verdict=verdict,
            reason=reason,
        )

    def _barred(self, arm: str, other: str, n: int) -> Judgement | None:
        """Say why nothing may be claimed of two arms, whatever their values."""
        codes, whose = self._errors.of_pair(arm, other)
        if codes:
            return Verdict.NOT_COMPARABLE, f"audit error {self._errors.named(codes)}{_of(whose)}"
        if n < FEWEST_SEEDS:
            return Verdict.CANNOT_TELL, _few(n)
        for name in (arm, other):
            if seeds := self._known.idle.get(name):
                return Verdict.CANNOT_TELL, f"the {seeds} seeds of {name} change nothing"
        codes, whose = self._warnings.of_pair(arm, other)
        if codes:
            return Verdict.CANNOT_TELL, f"audit warning {', '.join(codes)}{_of(whose)}"
        return None

    # --- floors ------------------------------------------------------------------------------

    def _floors(self, metric: str) -> Iterator[Comparison]:
        """Compare every arm with the best floor of a metric, if there is one."""
        floors = [
            row
            for row in self._estimates.values()
            if row.metric == metric and row.kind == FLOOR and row.n
            if row.arm not in self._errors.own
        ]
        if not floors:
            return
        direction = self._metrics[metric]
        best = max(floors, key=lambda row: direction.gain(row.mean, over=0.0))
        for arm, (pair, tested) in zip(self._trained, self._known.beside(best), strict=True):
            codes, _ = self._errors.of_pair(arm, best.arm)
            if codes:
                verdict, reason = (
                    Verdict.NOT_COMPARABLE,
                    f"audit error {self._errors.named(codes)}",
                )
            else:
                verdict, reason = _beside(best, pair, tested)
            key = (metric, arm, Comparator(best.arm, Relation.FLOOR))
            yield self._row(key, pair, tested, verdict, reason)

    # --- headlines ---------------------------------------------------------------------------

    def _headlines(
        self, rows: Sequence[Comparison], disqualified: Mapping[str, Sequence[str]]
    ) -> dict[tuple[str, str], Judgement]:
        found: dict[tuple[str, str], Judgement] = {}
        for row in rows:
            if row.relation is not Relation.FLOOR or row.verdict is Verdict.FLOOR_NOT_BEATEN:
                found.setdefault((row.metric, row.arm), (row.verdict, row.reason))
        for arm, codes in disqualified.items():
            said = Verdict.NOT_COMPARABLE, f"audit error {self._errors.named(codes)}"
            for metric in self._metrics:
                if not self._designed[arm]:
                    found[metric, arm] = said
        return found


def _behind(floor: Comparison | None) -> Judgement | None:
    if floor is None or floor.verdict is not Verdict.FLOOR_NOT_BEATEN:
        return None
    return floor.verdict, floor.reason


def _judged(tested: Tested, pair: Pair, margin: float | None) -> Judgement:
    """Say what the numbers of a pair support."""
    if margin is not None and -margin <= tested.low and tested.high <= margin:
        return Verdict.EQUIVALENT, f"the 95 % interval lies within ±{margin:g}"
    if tested.p_holm <= statistics.ALPHA and not tested.low <= 0 <= tested.high:
        better = pair.direction.better(tested.difference, 0.0)
        return Verdict.BETTER if better else Verdict.WORSE, _shown(tested)
    return Verdict.CANNOT_TELL, _not_shown(tested)


def _beside(floor: Estimate, pair: Pair, tested: Tested) -> Judgement:
    """Say how an arm stands to the best floor."""
    named = f"the trivial predictor {floor.arm} ({floor.mean:.4g})"
    if tested.n < FEWEST_SEEDS:
        return Verdict.CANNOT_TELL, _few(tested.n)
    if not pair.direction.better(tested.difference, 0.0):
        return Verdict.FLOOR_NOT_BEATEN, f"no better than {named}"
    if math.isnan(tested.low):
        if tested.p <= statistics.ALPHA:
            return Verdict.BETTER, f"better than {named} with each of {tested.n} seeds"
        return Verdict.CANNOT_TELL, f"no spread over {tested.n} seeds beside {named}"
    nearest = tested.high if pair.direction.lower_is_better else tested.low
    if pair.direction.better(nearest, 0.0):
        return Verdict.BETTER, f"the 95 % interval lies beyond {named}"
    return Verdict.FLOOR_NOT_BEATEN, f"the 95 % interval reaches {named}"


def _seeds_needed(tested: Tested) -> int | None:
    """Return the seeds that a difference needs: those there are did not show it."""
    needed = tested.seeds_needed
    return None if needed is None else max(needed, tested.n + 1, FEWEST_SEEDS)


def _of(arm: str) -> str:
    return f" of {arm}" if arm else ""


def _few(n: int) -> str:
    return {0: "no seed counts", 1: "only 1 seed counts"}.get(n, f"only {n} seeds count")


def _shown(tested: Tested) -> str:
    exact = tested.method in {Method.SIGN_FLIP, Method.PERMUTATION}
    how = "" if exact else f", by {tested.method}: {tested.n} seeds are few for an exact test"
    return f"p = {tested.p_holm:.2g} after Holm{how}"


def _not_shown(tested: Tested) -> str:
    needed = _seeds_needed(tested)
    if math.isnan(tested.low):
        why = f"no spread over {tested.n} seeds is no certainty"
    elif tested.low <= 0 <= tested.high:
        why = "the interval includes 0"
    else:
        why = f"p = {tested.p_holm:.2g} after Holm"
    if needed is None:
        return why
    more = needed - tested.n
    seeds = "1 more seed" if more == 1 else f"{more} more seeds"
    return f"{why}; {seeds} would likely show a difference of this size"
