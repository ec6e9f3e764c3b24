"""The space that the next search might try, from where the good trials of the last one lie."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from enum import StrEnum
from typing import Any

from ablate.analysis.frames import SearchFrames
from ablate.analysis.good_trials import (
    FEWEST,
    LEVEL,
    Range,
    Tendency,
    feasible_trials,
    good_trials,
    position,
    values_of,
)
from ablate.analysis.importance import Importances
from ablate.spec import Choice, FloatRange, IntRange, Space, dump_yaml, paths
from ablate.spec.secrets import hidden

TRIMMED = 0.1
"""The share of the good trials that may lie outside of a narrowed range at either end."""
NARROW_ENOUGH = 0.8
"""A range is narrowed where the new one is at most this share of it, on its own scale."""
FEWEST_GOOD = 5
WIDENED_BY = 0.5
"""How far an end moves out, as a share of the range on its own scale."""
MATTERS = 0.05
"""A parameter matters where shuffled values give it as much importance no more often than this."""
_WIDTH = 96
_FARTHEST = 2**53
"""Up to here integers are exact as floats, and a range of them goes no farther."""


class Change(StrEnum):
    """What the proposal makes of a parameter."""

    KEPT = "kept"
    NARROWED = "narrowed"
    WIDENED = "widened"
    MOVED = "moved"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Proposal:
    """What becomes of one parameter, and the computed reason.

    `after` is None for a parameter that is not searched any more; `fixed` then holds its value in
    the best trial that has it (for a choice its label), and nothing where the parameter is not
    active any more.
    """

    parameter: str
    before: Range | Choice
    after: Range | Choice | None
    change: Change
    reason: str
    fixed: tuple[Any, ...] = ()


@dataclass(frozen=True)
class NextSpace:
    """The proposals for all parameters in the order of the space.

    `why_not` says why nothing is proposed, and is empty where something is. `kind` is the word for
    the `trials` that count.
    """

    study: str
    trials: int
    good: int
    proposals: tuple[Proposal, ...]
    why_not: str = ""
    kind: str = "complete"

    @property
    def space(self) -> dict[str, Range | Choice]:
        """The parameters that are still searched."""
        return {one.parameter: one.after for one in self.proposals if one.after is not None}

    def as_yaml(self) -> str:
        """Write the space as a study's `space`, with the reasons as remarks.

        Without a proposal there is nothing but a remark.
        """
        if self.why_not:
            return _remark(f"No space is proposed: {self.why_not}.")
        lines = [
            _remark(
                f"Proposed for the search after {self.study}, from the best {self.good} of "
                f"{self.trials} {self.kind} trials."
            ),
            "space:\n",
        ]
        for one in self.proposals:
            if one.after is not None:
                written = _written(one.after)
                lines.append(_remark(f"{one.change}: {one.reason}", indent=2))
                lines += [
                    f"  {line}\n" for line in dump_yaml({one.parameter: written}).splitlines()
                ]
        dropped = [one for one in self.proposals if one.after is None]
        if dropped:
            lines.append(_remark("Not searched any more; values are those of the best trial:"))
        for one in dropped:
            shown = "".join(f" = {value}" for value in one.fixed)
            lines.append(_remark(f"{one.parameter}{shown}: {one.reason}", indent=2))
        return "".join(lines)


def _written(parameter: Range | Choice) -> dict[str, Any]:
    """Return a parameter as it is written, its kind first."""
    plain = parameter.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return dict(sorted(plain.items(), key=lambda item: item[0] in {"log", "step", "when"}))


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _remark(text: str, indent: int = 0) -> str:
    kept = "".join(c if c.isprintable() else " " for c in text)
    head = " " * indent + "# "
    lines = textwrap.wrap(
        kept, _WIDTH, initial_indent=head, subsequent_indent=head + "  ", break_long_words=False
    )
    return "".join(f"{line}\n" for line in lines)


def next_space(frames: SearchFrames, found: Importances, seen: Sequence[Tendency]) -> NextSpace:
    """Propose the space of the next search: narrower where the good trials concentrate, wider
    where they lie at an edge, without what does not matter.

    The good trials are the best quarter. A range is narrowed to their middle (a tenth of them may
    lie outside at either end, and one mean gap is added; the side to which the rank correlation
    points stays) where values drawn evenly over the range
    lie so close together at most once in 100 draws (the range of order statistics is distributed
    as Beta). It is widened by half where so many of them lie in its outer tenth as even draws put
    there at most once in 100 times (binomial), or five times where the rank correlation points
    there too. A choice loses a label that was tried and that no
    good trial has, where that happens by chance at most once in 100 times (hypergeometric). A
    parameter is dropped where shuffled values give it as much importance in more than 5 %, its
    importance is below an even share in 95 of 100 resamples, and neither a direction nor a change
    of its range is shown, nor a label that good trials seem to lack (5 %).
    """
    done, good = feasible_trials(frames), good_trials(frames)
    kind = frames.definition.counting
    if len(done) < FEWEST:
        why = f"{len(done)} {kind} trials are too few, at least {FEWEST} are needed"
        return NextSpace(frames.name, len(done), len(good), (), why)
    space = Space(frames.definition.space)
    known = {tendency.parameter: tendency for tendency in seen}
    made: dict[str, Proposal] = {}
    for path, parameter in space.items():
        known_of_it = _Seen(
            known[path],
            found,
            values_of(done, path, parameter),
            values_of(good, path, parameter),
            kind,
        )
        made[path] = _proposal(path, parameter, known_of_it, made)
    if all(one.after is None for one in made.values()):
        reasons = "; ".join(f"{path}: {one.reason}" for path, one in made.items())
        why = f"no parameter would be left ({reasons})"
        return NextSpace(frames.name, len(done), len(good), (), why)
    ordered = tuple(made[path] for path in frames.definition.space)
    return NextSpace(frames.name, len(done), len(good), ordered, kind=kind)


@dataclass(frozen=True)
class _Seen:
    """What is known of a parameter: its values in all trials that count, and in the good ones."""

    tendency: Tendency
    importances: Importances
    tried: Sequence[Any]
    best: Sequence[Any]
    kind: str


def _proposal(
    path: str, parameter: Range | Choice, seen: _Seen, made: Mapping[str, Proposal]
) -> Proposal:
    if _is_secret(path, parameter):
        reason = "it holds what looks like a secret"
        return Proposal(path, parameter, None, Change.DROPPED, reason)
    when, lost = _conditions(parameter, made)
    if lost:
        return Proposal(path, parameter, None, Change.DROPPED, lost)
    tried, best = len(seen.tried), len(seen.best)
    if tried < FEWEST or best < FEWEST_GOOD:
        after: Range | Choice | None = parameter.model_copy(update={"when": when})
        reason = f"{tried} {seen.kind} trials have it, {best} of them good: too few to tell"
        return Proposal(path, parameter, after, Change.KEPT, reason)
    if isinstance(parameter, Choice):
        change, after, reason = _choice(parameter, seen.tried, seen.best)
    else:
        change, after, reason = _range(parameter, seen.tendency, seen.tried, seen.best)
    if change is Change.KEPT and (needless := _needless(path, parameter, seen)):
        after, change, reason = None, Change.DROPPED, needless
    if after is None:
        return Proposal(path, parameter, None, change, reason, (seen.best[0],))
    return Proposal(path, parameter, after.model_copy(update={"when": when}), change, reason)


def _conditions(
    parameter: Range | Choice, made: Mapping[str, Proposal]
) -> tuple[dict[str, tuple[Any, ...]], str]:
    """Return the conditions that are left of a parameter's, or why they can't hold any more."""
    left: dict[str, tuple[Any, ...]] = {}
    for parent, labels in parameter.when.items():
        after, fixed = made[parent].after, made[parent].fixed
        if isinstance(after, Choice):
            still = tuple(label for label in labels if after.admits(label))
            if not still:
                return {}, f"it needs a choice of {parent} that is left out"
            left[parent] = still
        elif not any(paths.same(label, value) for label in labels for value in fixed):
            return {}, f"it needs a choice of {parent} that is left out"
    return left, ""


def _is_secret(path: str, parameter: Range | Choice) -> bool:
    """Say whether a choice holds what looks like a secret."""
    if not isinstance(parameter, Choice):
        return False
    options = parameter.model_dump(mode="json")["options"]
    listed = [*options.items()] if isinstance(options, dict) else options
    values = [list(item) if isinstance(item, tuple) else item for item in listed]
    return bool(hidden(path, values) != values)


def _needless(path: str, parameter: Range | Choice, seen: _Seen) -> str:
    """Say why a parameter does not matter, or nothing where that is not shown."""
    importance = seen.importances.of(path)
    if importance is None or seen.tendency.larger_is_better is not None:
        return ""
    even = 1 / len(seen.importances.rows)
    if importance.p <= MATTERS or importance.high >= even:
        return ""
    if isinstance(parameter, Choice) and _missing(parameter, seen.tried, seen.best, MATTERS):
        return ""
    return (
        f"its importance is at most {_percent(importance.high)} in 95 of 100 resamples, below an "
        f"even share of {_percent(even)}; shuffled values give as much in {_percent(importance.p)} "
        "of cases, and no direction is shown"
    )


# --- choices -----------------------------------------------------------------------------


def _choice(
    parameter: Choice, tried: Sequence[Any], best: Sequence[Any]
) -> tuple[Change, Choice | None, str]:
    """Leave out the labels that were tried and that no good trial has."""
    left_out = _missing(parameter, tried, best, LEVEL)
    if not left_out:
        return Change.KEPT, parameter, f"no label is shown to be bad ({_spread(parameter, best)})"
    reason = "; ".join(
        f"none of the {len(best)} good trials has {label}, which {n} trials tried"
        for label, n in left_out
    )
    gone = [label for label, _ in left_out]
    labels = [
        label for label in parameter.labels if not any(paths.same(label, other) for other in gone)
    ]
    if len(labels) == 1:
        return Change.DROPPED, None, reason
    options: Any = tuple(parameter.value(label) for label in labels)
    if isinstance(parameter.options, Mapping):
        options = dict(zip(map(str, labels), options, strict=True))
    return Change.NARROWED, parameter.model_copy(update={"options": options}), reason


def _missing(
    parameter: Choice, tried: Sequence[Any], best: Sequence[Any], level: float
) -> list[tuple[Any, int]]:
    """Return the labels that no good trial has, though `n` tried them, where chance is rarer."""
    found = []
    for label in parameter.labels:
        n = sum(paths.same(value, label) for value in tried)
        hits = sum(paths.same(value, label) for value in best)
        if not hits and n and _none_by_chance(len(tried), n, len(best)) <= level:
            found.append((label, n))
    return found


def _none_by_chance(trials: int, tried: int, good: int) -> float:
    """Return the probability that none of `good` trials drawn from all is one of those tried."""
    return math.comb(trials - tried, good) / math.comb(trials, good)


def _spread(parameter: Choice, best: Sequence[Any]) -> str:
    counts = (
        (label, sum(paths.same(value, label) for value in best)) for label in parameter.labels
    )
    return ", ".join(f"{label} {n}" for label, n in counts) + f" of {len(best)} good trials"


# --- ranges ------------------------------------------------------------------------------


def _range(
    parameter: Range, tendency: Tendency, tried: Sequence[float], best: Sequence[float]
) -> tuple[Change, Range, str]:
    """Narrow a range to the good trials, and widen it where they lie at an edge."""
    reasons = []
    low, high = 0.0, 1.0
    inner = _inner(parameter, best)
    if inner is not None:
        low, high, chance, held = inner
        if tendency.larger_is_better is not None:  # the better side is not cut off
            low, high = (low, 1.0) if tendency.larger_is_better else (0.0, high)
        outside = sum(not low <= position(parameter, value) <= high for value in tried)
        if outside >= FEWEST_GOOD and high - low <= NARROW_ENOUGH:
            reasons.append(
                f"{held} of the {len(best)} good trials lie in {_percent(high - low)} of the "
                f"range, by chance with p = {chance:.2g}; {outside} trials tried values outside"
            )
        else:
            low, high = 0.0, 1.0
    wider = {}
    for end in tendency.edges:
        hits = tendency.at_low if end == "lower" else tendency.at_high
        share = tendency.by_chance_low if end == "lower" else tendency.by_chance_high
        p = tendency.p_low if end == "lower" else tendency.p_high
        said = (
            f"{hits} of the {len(best)} good trials lie at its {end} edge, by chance "
            f"{share * len(best):.1f} (p = {p:.2g})"
        )
        limit = _natural(parameter, end)
        wider[end] = limit is None
        reasons.append(said if limit is None else f"{said}, but {limit:g} may be a natural limit")
    bounds = _bounds(
        parameter,
        -WIDENED_BY if wider.get("lower") else 0.0 if "lower" in wider else low,
        1 + WIDENED_BY if wider.get("upper") else 1.0 if "upper" in wider else high,
    )
    change = _word(parameter, bounds)
    if change is Change.KEPT:
        spread = f"the good trials lie between {min(best):g} and {max(best):g}"
        return change, parameter, "; ".join(reasons) or spread
    return change, parameter.model_copy(update={"bounds": bounds}), "; ".join(reasons)


def _inner(parameter: Range, best: Sequence[float]) -> tuple[float, float, float, int] | None:
    """Return where the middle of the good trials lies, its probability by chance, and its size.

    Of k values drawn evenly over [0, 1] the distance between the (1 + t)th and the (k - t)th is
    distributed as Beta(k - 1 - 2t, 2 + 2t). A margin of 1 + t mean gaps at both sides makes its
    expectation 1. None where chance may have done it.
    """
    places = sorted(position(parameter, value) for value in best)
    k, t = len(places), math.floor(TRIMMED * len(places))
    first, last = places[t], places[k - 1 - t]
    from scipy.special import betainc  # noqa: PLC0415 - slow to import

    chance = float(betainc(k - 1 - 2 * t, 2 + 2 * t, last - first))
    if chance > LEVEL:
        return None
    margin = max((1 + t) * (last - first) / (k - 1 - 2 * t), 0.02)
    return max(0.0, first - margin), min(1.0, last + margin), chance, k - 2 * t


def _natural(parameter: Range, end: str) -> float | None:
    """Return the end of a range if it is one that can't be passed, as it seems."""
    low, high = parameter.ends
    if end == "lower":
        natural = low <= 1 if isinstance(parameter, IntRange) else low == 0
        return float(low) if natural and low >= 0 else None
    return 1.0 if isinstance(parameter, FloatRange) and high == 1 else None


def _bounds(parameter: Range, low: float, high: float) -> tuple[Any, Any]:
    """Return the bounds at two places of a range's scale, rounded outwards, on its grid.

    An end at its own place stays as it is written, one that moves in stays inside, and one that
    moves out passes neither 0 nor, where the range lies between 0 and 1, the other of these.
    """
    if isinstance(parameter, IntRange) or parameter.step is not None:
        return _on_grid(parameter, low, high)
    bounds = list(parameter.bounds)
    if low != 0.0:
        moved = _rounded(parameter, _value(parameter, low), ROUND_FLOOR)
        bounds[0] = max(moved, bounds[0]) if low > 0 else max(moved, _limits(parameter)[0])
    if high != 1.0:
        moved = _rounded(parameter, _value(parameter, high), ROUND_CEILING)
        bounds[1] = min(moved, bounds[1]) if high < 1 else min(moved, _limits(parameter)[1])
    return bounds[0], bounds[1]


def _limits(parameter: Range) -> tuple[float, float]:
    """Return what a range that is widened does not pass."""
    low, high = parameter.ends
    if isinstance(parameter, IntRange):
        return (1 if low >= 1 else 0 if low >= 0 else -_FARTHEST), _FARTHEST
    if parameter.log:
        return 1e-300, 1e300
    return 0.0 if low >= 0 else -1e300, 1.0 if low >= 0 and high <= 1 else 1e300


def _value(parameter: Range, place: float) -> float:
    low, high = parameter.ends
    if parameter.log:
        exponent = math.log(low) + place * (math.log(high) - math.log(low))
        return math.exp(max(-690.0, min(690.0, exponent)))
    return low + place * (high - low)


def _rounded(parameter: FloatRange, value: float, rounding: str) -> float:
    """Round outwards: to two digits on a log scale, to a hundredth of the range on a linear one."""
    low, high = parameter.bounds
    size = abs(value) if parameter.log else high - low
    unit = Decimal((0, (1,), math.floor(math.log10(size)) - 1))
    with localcontext(prec=400):
        return float(Decimal(value).quantize(unit, rounding=rounding))


def _on_grid(parameter: Range, low: float, high: float) -> tuple[Any, Any]:
    """Return bounds on the grid of a range: the nearest outside of the places asked for."""
    start, end = parameter.ends
    step = parameter.step or 1
    steps = round((end - start) / step)
    least, most = (Decimal(limit) for limit in _limits(parameter))
    origin, width = Decimal(str(start)), Decimal(str(step))
    first, last = 0, steps
    if low != 0.0:
        first = math.floor((_value(parameter, low) - start) / step + 1e-9)
        first = max(first, 0 if low > 0 else math.ceil((least - origin) / width))
    if high != 1.0:
        last = math.ceil((_value(parameter, high) - start) / step - 1e-9)
        last = min(last, steps if high < 1 else math.floor((most - origin) / width))
    if first == last:
        first, last = max(0, first - 1), min(steps, last + 1)
    number = int if isinstance(parameter, IntRange) else float
    return number(origin + first * width), number(origin + last * width)


def _word(parameter: Range, bounds: tuple[Any, Any]) -> Change:
    inside = bounds[0] > parameter.bounds[0], bounds[1] < parameter.ends[1]
    outside = bounds[0] < parameter.bounds[0], bounds[1] > parameter.bounds[1]
    if any(inside) and any(outside):
        return Change.MOVED
    if any(outside):
        return Change.WIDENED
    return Change.NARROWED if any(inside) else Change.KEPT
