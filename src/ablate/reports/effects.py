"""The effects of the components of a factorial or fractional design."""

import math
from collections.abc import Iterable, Sequence

from ablate.analysis.effects import Effect
from ablate.reports import numbers
from ablate.reports.blocks import (
    Block,
    Bullets,
    Code,
    Inline,
    Row,
    Section,
    Strong,
    Value,
    table,
    text,
)
from ablate.reports.verdicts import badge

_HEADS = ["effect of", "estimate", "95 % interval", "n", "p", "p (Holm)", "verdict", "reason"]
_NUMERIC = {"estimate", "95 % interval", "n", "p", "p (Holm)"}


def sections(effects: Sequence[Effect]) -> tuple[Section, ...]:
    """Show main effects and interactions of every metric; none where the design has no effects."""
    if not effects:
        return ()
    blocks: list[Block] = [text(*_definition(effects))]
    for metric in dict.fromkeys(effect.metric for effect in effects):
        of_metric = [effect for effect in effects if effect.metric == metric]
        first = of_metric[0]
        role = "" if first.primary else ", secondary"
        blocks += [
            text(Strong(metric), f" ({first.direction}{role}):"),
            table(_HEADS, [_row(effect) for effect in of_metric], _NUMERIC, f"Effects on {metric}"),
        ]
    if remarks := [*_remarks(effects)]:
        blocks.append(Bullets(tuple(remarks)))
    return (Section("Effects of the components", tuple(blocks)),)


def _definition(effects: Iterable[Effect]) -> tuple[Inline, ...]:
    said = (
        "The effect of a component is the mean of all arms with it less the mean of all arms "
        "without it, estimated seed by seed."
    )
    if all(effect.main for effect in effects):
        return (said,)
    return (
        said,
        " The interaction ",
        Code("a:b"),
        " is half the amount by which the effect of a is larger with b than without b.",
    )


def _row(effect: Effect) -> Row:
    return (
        Code(effect.name),
        Value(numbers.signed(effect.difference), effect.difference),
        interval(effect.low, effect.high),
        str(effect.n),
        numbers.statistic(effect.p),
        numbers.statistic(effect.p_holm),
        "interaction" if effect.verdict is None else badge(effect.verdict),
        effect.reason,
    )


def interval(low: float, high: float) -> str:
    """Write an interval; a dash for one that there is not."""
    if math.isnan(low) or math.isnan(high):
        return numbers.NOTHING
    return f"{numbers.number(low)} to {numbers.number(high)}"


def _remarks(effects: Sequence[Effect]) -> Iterable[tuple[Inline, ...]]:
    """Say what the estimates leave out, and which effects can't be told apart."""
    first = effects[0].metric
    aliased = [effect for effect in effects if effect.metric == first and effect.aliases]
    if aliased:
        named: list[Inline] = []
        for effect in aliased:
            named += [", ", Code(effect.name)]
        yield (
            "The fraction that was run can't tell these apart; what is estimated is their sum (a "
            "minus: their difference): ",
            *named[1:],
            ".",
        )
    tests = numbers.listing(dict.fromkeys(e.method for e in effects if not math.isnan(e.p)))
    if tests:
        yield (
            f"Test: {tests} over the seeds, corrected after Holm over the main effects and, apart "
            "from these, over the interactions. "
            "Interactions of three or more are taken to be none.",
        )
