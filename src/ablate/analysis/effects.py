"""Main effects and interactions of the components of a factorial or fractional design."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ablate.analysis.families import FEWEST_SEEDS, Pair, compare
from ablate.analysis.frames import AblationFrames
from ablate.analysis.statistics import ALPHA
from ablate.analysis.verdicts import Tested, Verdict
from ablate.spec import AblationDefinition, Direction, designs

DESIGNS = ("factorial", "fractional")
"""The designs whose effects are estimated; what both lay out is in the first."""

_TINY = 1e-9
"""Relative to the values: what rounding alone makes of nothing."""

Term = tuple[str, ...]
"""One component, or two that interact."""

COLUMNS = [
    *("metric", "direction", "primary", "term", "aliases", "estimate", "low", "high", "n"),
    *("method", "p", "p_smallest", "p_holm", "verdict", "reason"),
]


@dataclass(frozen=True)
class Effect(Tested):
    """The effect of a component, or the interaction of two, on one metric.

    A main effect is the mean of the arms with the component less that of the arms without it. An
    interaction is half the amount by which the effect of the first component is larger with the
    second one than without it. `differences` has the estimate of every seed that has one, and
    `difference` is their mean. `aliases` are the terms whose effects can't be told from this one,
    a minus before those that enter with the other sign. `p_holm` is corrected over the main
    effects, or over the interactions, of the primary metric, or of all secondary ones. `verdict`
    is None for an interaction that is shown: it is no better and no worse.
    """

    metric: str
    direction: Direction
    primary: bool
    term: Term
    aliases: tuple[str, ...]
    verdict: Verdict | None
    reason: str

    @property
    def name(self) -> str:
        """The term as it is written, with its aliases: `a = -b:c`."""
        return " = ".join((written(self.term), *self.aliases))

    @property
    def main(self) -> bool:
        """Whether it is the effect of a single component."""
        return len(self.term) == 1


def written(term: Term) -> str:
    """Write a term: `a`, or `a:b` for an interaction."""
    return ":".join(term)


def effects_of(
    frames: AblationFrames,
    table: pd.DataFrame,
    primary: str,
    disqualified: Mapping[str, Sequence[str]] | None = None,
    doubted: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Effect, ...]:
    """Estimate the effects of a factorial or fractional design, per metric; none for any other.

    `table` is the arms table of the frames, `primary` the metric that decides. `disqualified` and
    `doubted` map arms to the codes of errors and warnings of the audit that touch their
    comparability: every effect rests on all arms of the design. Arms that are tuned, declared one
    by one, or of another design do not enter.

    The unit is the seed. In every seed the values of the arms are fitted by least squares on an
    intercept, the main effects and the two-way interactions, each coded -1 and +1; an effect is
    twice its coefficient. With all arms of the design this is the contrast of Montgomery, Design
    and Analysis of Experiments (chapters 6 and 8), with some of them missing it is the regression
    of its chapter 10, and a seed counts for the effects that its arms can estimate.
    Interactions of three and more are taken to be none. The estimates of the seeds are tested as
    paired differences are (`families.compare`).
    """
    layout = _Layout.of(frames.definition)
    if layout is None:
        return ()
    objections = _objections(layout, disqualified or {}, doubted or {})
    by_metric = {
        str(metric): {term: _by_seed(layout, term, rows) for term in layout.columns}
        for metric, rows in table[table["arm"].isin(layout.arms)].groupby("metric", sort=False)
    }
    families: dict[tuple[bool, bool], list[tuple[str, Term]]] = {}
    for metric, found in by_metric.items():
        for term in found:
            families.setdefault((metric == primary, len(term) == 1), []).append((metric, term))
    tested: dict[tuple[str, Term], Tested] = {}
    for keys in families.values():
        pairs = [_pair(by_metric[m][term], frames.definition.metrics[m], m) for m, term in keys]
        tested |= dict(zip(keys, compare(pairs), strict=True))
    return tuple(
        _effect(
            layout,
            (metric, term, metric == primary),
            frames.definition,
            tested[metric, term],
            objections,
        )
        for metric, found in by_metric.items()
        for term in found
    )


def effects_frame(effects: Iterable[Effect]) -> pd.DataFrame:
    """Return one row per effect; the columns are fields of `Effect`, terms as they are written.

    The difference is called estimate.
    """
    rows = [
        vars(one)
        | {
            "term": written(one.term),
            "aliases": " = ".join(one.aliases),
            "estimate": one.difference,
        }
        for one in effects
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class _Layout:
    """The arms of a design by their components, and the terms that it can tell apart.

    `columns` has the sign of every arm by term, `aliases` by term the ones of the same signs.
    """

    arms: Mapping[str, frozenset[str]]
    columns: Mapping[Term, Mapping[str, int]]
    aliases: Mapping[Term, tuple[str, ...]]

    @classmethod
    def of(cls, definition: AblationDefinition) -> "_Layout | None":
        """Lay out the first of the designs that a study has; None if it has none of them."""
        design = next((name for name in DESIGNS if name in definition.designs), None)
        if design is None:
            return None
        names = tuple(definition.components)
        chosen = {frozenset(subset) for subset in designs.subsets(design, names)}
        arms = {
            arm.name: frozenset(arm.components)
            for arm in definition.trained
            if arm.design not in {designs.TUNED, designs.DECLARED}
            and frozenset(arm.components) in chosen
        }
        columns: dict[Term, dict[str, int]] = {}
        aliases: dict[Term, list[str]] = {}
        for term in (*((name,) for name in names), *combinations(names, 2)):
            column = {arm: _sign(term, components) for arm, components in arms.items()}
            opposite = {arm: -sign for arm, sign in column.items()}
            first = next((t for t, c in columns.items() if c in (column, opposite)), None)
            if first is None:
                columns[term] = column
            else:
                sign = "" if columns[first] == column else "-"
                aliases.setdefault(first, []).append(f"{sign}{written(term)}")
        return cls(arms, columns, {term: tuple(aliases.get(term, ())) for term in columns})


def _sign(term: Term, components: frozenset[str]) -> int:
    return -1 if sum(name not in components for name in term) % 2 else 1


def _by_seed(layout: _Layout, term: Term, rows: pd.DataFrame) -> dict[int, float]:
    """Estimate one term in every seed whose arms can do so."""
    by_seed: dict[int, dict[str, float]] = {}
    for arm, cells in zip(rows["arm"], rows["cells"], strict=True):
        for cell in cells:
            if cell.counted:
                by_seed.setdefault(cell.seed, {})[arm] = cell.value
    place = 1 + list(layout.columns).index(term)
    found = {}
    for seed, values in sorted(by_seed.items()):
        signs = np.array(
            [[1, *(column[arm] for column in layout.columns.values())] for arm in values],
            dtype=float,
        )
        inverse = np.linalg.pinv(signs)
        wanted = np.eye(signs.shape[1])[place]
        # A coefficient can be estimated if it is a combination of the rows.
        if np.abs(inverse @ signs @ wanted - wanted).max() < _TINY:
            reached = np.array([*values.values()])
            estimate = float(2 * (inverse @ reached)[place])
            found[seed] = estimate if abs(estimate) > _TINY * np.abs(reached).max() else 0.0
    return found


def _pair(by_seed: Mapping[int, float], direction: Direction, metric: str) -> Pair:
    return Pair(by_seed, dict.fromkeys(by_seed, 0.0), direction, scale=metric)


def _objections(
    layout: _Layout, disqualified: Mapping[str, Sequence[str]], doubted: Mapping[str, Sequence[str]]
) -> tuple[Verdict, str] | None:
    """Say why nothing may be claimed of the effects, whatever the values."""
    for verdict, word, against in (
        (Verdict.NOT_COMPARABLE, "error", disqualified),
        (Verdict.CANNOT_TELL, "warning", doubted),
    ):
        touched = [arm for arm in layout.arms if against.get(arm)]
        if touched:
            codes = dict.fromkeys(code for arm in touched for code in against[arm])
            return verdict, f"audit {word} {', '.join(codes)} of {', '.join(touched)}"
    return None


def _effect(
    layout: _Layout,
    key: tuple[str, Term, bool],
    definition: AblationDefinition,
    tested: Tested,
    objection: tuple[Verdict, str] | None,
) -> Effect:
    metric, term, primary = key
    direction = definition.metrics[metric]
    verdict: Verdict | None
    if objection is not None:
        verdict, reason = objection
    elif small := _within(term, layout.aliases[term], definition.margin.get(metric), tested):
        verdict, reason = Verdict.EQUIVALENT, small
    elif (why_not := _not_shown(tested)) is not None:
        verdict, reason = Verdict.CANNOT_TELL, why_not
    else:
        verdict, reason = _shown(term, layout.aliases[term], direction, tested)
    return Effect(
        **vars(tested),
        metric=metric,
        direction=direction,
        primary=primary,
        term=term,
        aliases=layout.aliases[term],
        verdict=verdict,
        reason=reason,
    )


def _within(
    term: Term, aliases: tuple[str, ...], margin: float | None, tested: Tested
) -> str | None:
    """Say that a main effect is within the margin of its metric; None if it is not known to be."""
    if margin is None or tested.n < FEWEST_SEEDS or len(term) > 1 or aliases:
        return None
    within = -margin <= tested.low and tested.high <= margin
    return f"the 95 % interval lies within ±{margin:g}" if within else None


def _not_shown(tested: Tested) -> str | None:
    """Say why the estimates of a term show no effect; None if they do."""
    if tested.n < FEWEST_SEEDS:
        few = {0: "no seed has", 1: "only 1 seed has"}.get(tested.n, f"only {tested.n} seeds have")
        return f"{few} the arms that it takes"
    if math.isnan(tested.low):
        return f"all {tested.n} seeds give the same estimate, which is no certainty"
    if tested.low <= 0 <= tested.high:
        return "the interval includes 0"
    return f"p = {tested.p_holm:.2g} after Holm" if tested.p_holm > ALPHA else None


def _shown(
    term: Term, aliases: tuple[str, ...], direction: Direction, tested: Tested
) -> tuple[Verdict | None, str]:
    """Say what an effect that is shown means."""
    shown = f"p = {tested.p_holm:.2g} after Holm"
    either = f"; it may as well be {' or '.join(aliases)}" if aliases else ""
    if len(term) == 2:
        first, second = term
        more = "higher" if tested.difference > 0 else "lower"
        by = f"{2 * abs(tested.difference):.4g} {more}"
        return None, f"the effect of {first} is {by} with {second} than without, {shown}{either}"
    if aliases:
        return Verdict.CANNOT_TELL, f"{shown}{either}"
    better = direction.better(tested.difference, 0.0)
    return Verdict.BETTER if better else Verdict.WORSE, shown
