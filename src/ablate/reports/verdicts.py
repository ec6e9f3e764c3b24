"""The verdict: what the primary metric supports, arm by arm, before everything else."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from ablate.analysis import Comparison, Conclusions, Estimate, Lead, Relation, Verdict, find_lead
from ablate.reports import numbers
from ablate.reports.anchors import arm_link, arm_links, code_link
from ablate.reports.blocks import (
    Badge,
    Block,
    Bullets,
    Cell,
    Inline,
    Link,
    Row,
    Section,
    Strong,
    Table,
    Value,
    table,
    text,
)
from ablate.reports.figures.verdicts import SYMBOLS
from ablate.reports.listed import listed_arms, of_all
from ablate.reports.parts import data_read

TONES = {
    Verdict.BETTER: "good",
    Verdict.WORSE: "bad",
    Verdict.NOT_COMPARABLE: "bad",
    Verdict.FLOOR_NOT_BEATEN: "bad",
}
RIVALS = 6
"""How many arms are named that can't be told from the best."""


def badge(verdict: Verdict) -> Badge:
    """Write a verdict as its symbol and its word."""
    return Badge(str(verdict), SYMBOLS[verdict], TONES.get(verdict, "plain"))


def section(concluded: Conclusions) -> Section:
    """Say what the primary metric supports."""
    metric = concluded.primary
    blocks: list[Block] = [text(*_head(concluded, metric))]
    blocks.append(Bullets(tuple(_remarks(concluded, metric))))
    if rows := _compared(concluded, metric):
        blocks.append(verdict_table(concluded, rows, f"Verdicts on {metric}"))
    return Section("Verdict", tuple(blocks))


def summary(concluded: Conclusions, metric: str) -> tuple[Inline, ...]:
    """Count the verdicts on a metric in one sentence."""
    counts = Counter(
        verdict for (name, _), (verdict, _) in concluded.verdicts.items() if name == metric
    )
    if not counts:
        return ("No arm is compared with another.",)
    parts: list[Inline] = [f"{numbers.plural(counts.total(), 'arm')} beside "]
    parts.append("its comparator: " if counts.total() == 1 else "their comparators: ")
    for verdict in Verdict:
        if counts[verdict]:
            parts += [f"{counts[verdict]} ", badge(verdict), ", "]
    return (*parts[:-1], ".")


def _head(concluded: Conclusions, metric: str) -> tuple[Inline, ...]:
    definition = concluded.frames.definition
    where = "last" if definition.objective.at == "last" else "best"
    return (
        Strong(metric),
        f" ({definition.metrics[metric]}), the primary metric, is read at the {where} epoch on the "
        f"{data_read(concluded.frames, metric)}. ",
        *summary(concluded, metric),
    )


def _remarks(concluded: Conclusions, metric: str) -> Iterable[tuple[Inline, ...]]:
    yield best(concluded, metric)
    if concluded.disqualified:
        yield _disqualified(concluded)
    if beside := [row for row in concluded.comparisons if _beside_floor(row, metric)]:
        yield _floor(concluded, beside)
    elif concluded.frames.definition.floors:
        yield ("No run of a trivial predictor counts yet.",)
    else:
        yield ("No trivial predictor was run: whether an arm beats one is not known.",)
    optimistic = any(
        row.optimistic and row.n for (name, _), row in concluded.estimates.items() if name == metric
    )
    if optimistic:
        yield (
            "The values are optimistic: each is read at the best epoch, which was chosen on the "
            "same data. The means at the last epoch stand beside them in the ",
            Link("matrix", "arms-and-metrics"),
            ".",
        )


def best(concluded: Conclusions, metric: str) -> tuple[Inline, ...]:
    """Say which arm leads on a metric, from which others it can be told, and which are left out."""
    found = find_lead(concluded, metric)
    if not found.first:
        if not found.left_out:
            return (f"No run of any arm counts yet for {metric}.",)
        return ("No arm may be called the best.", *_left_out(concluded, found))
    behind = Verdict.FLOOR_NOT_BEATEN in found.left_out.values()
    alone = not (found.told or found.equivalent or found.rivals)
    said = _alone(concluded, found) if alone else _leads(concluded, found)
    return (
        *said,
        *_floor_open(found),
        *(_left_out(concluded, found) if alone or behind else ()),
    )


def _alone(concluded: Conclusions, found: Lead) -> tuple[Inline, ...]:
    """Say that nothing is left to set beside the first arms."""
    row = concluded.estimates[found.metric, found.first[0]]
    over = f"{estimate(row)} over {numbers.plural(row.n, 'seed')}"
    which = "left to compare" if found.left_out else "with a value"
    names = arm_links(found.first, " and ")
    if len(found.first) == 1:
        return (*names, f" is the only arm {which}; its mean is {over}.")
    return (*names, f" are the only arms {which}; they share the mean {over} each.")


def _leads(concluded: Conclusions, found: Lead) -> tuple[Inline, ...]:
    """Say how the first arms stand to the others that are left."""
    row = concluded.estimates[found.metric, found.first[0]]
    direction = concluded.frames.definition.metrics[found.metric]
    single = len(found.first) == 1
    others = (*found.told, *found.equivalent, *found.rivals)
    of = "of the arms that may be compared"
    if Verdict.FLOOR_NOT_BEATEN in found.left_out.values():
        of = f"of the {len(found.first) + len(others)} arms left to compare"
    said: list[Inline] = [
        *arm_links(found.first, " and "),
        f" {'has' if single else 'share'} the {direction.superlative} mean {of}, {estimate(row)} "
        f"over {numbers.plural(row.n, 'seed')}{'' if single else ' each'}",
    ]
    if len(found.told) == len(others):
        if len(others) == 1:
            return (*said, ", and can be told from ", arm_link(others[0]), ", the only other one.")
        return (*said, ", and can be told from all others.")
    said.append(".")
    subject = "It" if single else "They"
    if found.rivals:
        said += [f" {subject} cannot be told from ", *_some(found.rivals), "."]
    if found.equivalent:
        verb = "is" if single else "are"
        margin = concluded.frames.definition.margin[found.metric]
        said += [f" {subject} {verb} equivalent to ", *_some(found.equivalent)]
        said.append(f", within the margin of {margin:g}.")
    return (*said, *_doubts(concluded, found))


def _some(arms: Sequence[str]) -> tuple[Inline, ...]:
    """Name the first arms of several, and count the rest."""
    more = len(arms) - RIVALS
    if more <= 0:
        return arm_links(arms, " and ")
    return (*arm_links(arms[:RIVALS], ", "), f" and {numbers.plural(more, 'more arm')}")


def _doubts(concluded: Conclusions, found: Lead) -> tuple[Inline, ...]:
    """Name the findings of the audit for which some of the arms can't be told apart."""
    if not found.doubts:
        return ()
    errors = {row.code for row in concluded.findings if row.severity == "error"}
    what = "Findings" if errors & {*found.doubts} else "Warnings"
    parts: list[Inline] = [f" {what} of the audit stand against telling them apart: "]
    for place, code in enumerate(found.doubts):
        parts += [", " if place else "", code_link(code)]
    return (*parts, ".")


def _floor_open(found: Lead) -> Iterable[Inline]:
    """Say of first arms that nobody knows whether they beat the best trivial predictor."""
    for row in found.floor_open:
        yield from (" Whether ", arm_link(row.arm), " beats the best trivial predictor, ")
        yield from (arm_link(row.comparator), f", cannot be told: {row.reason}.")


def _left_out(concluded: Conclusions, found: Lead) -> Iterable[Inline]:
    """Count the arms that can't lead, by why."""
    counts = Counter(found.left_out.values())
    if not counts:
        return
    yield " Left out: "
    if amount := counts[Verdict.NOT_COMPARABLE]:
        yield f"{numbers.plural(amount, 'arm')} not comparable"
    if amount := counts[Verdict.FLOOR_NOT_BEATEN]:
        (floor,) = {
            row.comparator
            for row in concluded.comparisons
            if row.metric == found.metric and row.relation is Relation.FLOOR
        }
        yield ", " if len(counts) > 1 else ""
        yield f"{numbers.plural(amount, 'arm')} not shown to beat the best trivial predictor, "
        yield arm_link(floor)
    yield "."


def _disqualified(concluded: Conclusions) -> tuple[Inline, ...]:
    allowed = {row.code for row in concluded.findings if row.severity == "error" and row.allowed}
    parts: list[Inline] = ["Not comparable, and never the best: "]
    for index, (arm, codes) in enumerate(concluded.disqualified.items()):
        parts += ["; " if index else "", arm_link(arm), " ("]
        for place, code in enumerate(codes):
            said = ", allowed" if code in allowed else ""
            parts += ["; " if place else "", code_link(code), said]
        parts.append(")")
    return (*parts, ".")


def _beside_floor(row: Comparison, metric: str) -> bool:
    return row.metric == metric and row.relation is Relation.FLOOR


def _floor(concluded: Conclusions, rows: Sequence[Comparison]) -> tuple[Inline, ...]:
    """Say how many arms beat the best trivial predictor."""
    name, metric = rows[0].comparator, rows[0].metric
    floor = concluded.estimates[metric, name]
    known = [row for row in rows if row.n and row.verdict is not Verdict.NOT_COMPARABLE]
    if not known:
        return ("No arm may be compared with the best trivial predictor, ", arm_link(name), ".")
    beaten = [row for row in known if row.verdict is Verdict.BETTER]
    behind = [row.arm for row in known if row.verdict is Verdict.FLOOR_NOT_BEATEN]
    said: list[Inline] = [
        "The best trivial predictor, ",
        arm_link(name),
        f" ({numbers.number(floor.mean)}), is beaten by {len(beaten)} of "
        f"{numbers.plural(len(known), 'arm')} that may be compared",
    ]
    if behind:
        said += ["; not by ", *arm_links(behind, " and ")]
    if open_ones := len(known) - len(beaten) - len(behind):
        said.append(f"; for {numbers.plural(open_ones, 'arm')} this cannot be told")
    return (*said, ".")


def _compared(concluded: Conclusions, metric: str) -> list[Comparison]:
    return [
        row
        for row in concluded.comparisons
        if row.metric == metric and row.relation is not Relation.FLOOR
    ]


def verdict_table(concluded: Conclusions, rows: Sequence[Comparison], caption: str) -> Table:
    """List comparisons with their verdicts and why; what all are compared with is said once."""
    arms = listed_arms(concluded)
    total, rows = len(rows), [row for row in rows if row.arm in arms] or list(rows[:1])
    heads = ["arm", "verdict", "against", "difference", "95 % interval", "p (Holm)", "n", "why"]
    lines: list[Row] = [
        (
            arm_link(row.arm),
            badge(row.verdict),
            (arm_link(row.comparator), f" ({row.relation})"),
            Value(numbers.signed(row.difference), row.difference),
            numbers.signed_between(row.low, row.high),
            Value(numbers.statistic(row.p_holm, 2), row.p_holm),
            str(row.n),
            row.reason,
        )
        for row in rows
    ]
    compared = {row.arm for row in rows}
    lines += [
        (arm_link(arm), badge(verdict), *("" for _ in range(5)), reason)
        for (metric, arm), (verdict, reason) in concluded.verdicts.items()
        if metric == rows[0].metric and arm in arms and arm not in compared
    ]
    if len(beside := {(row.comparator, row.relation) for row in rows}) == 1:
        ((comparator, relation),) = beside
        caption = f"{caption}, against {comparator} ({relation})"
        place = heads.index("against")
        heads = heads[:place] + heads[place + 1 :]
        lines = [line[:place] + line[place + 1 :] for line in lines]
    caption += of_all(len(rows), total, "comparisons.csv")
    numeric = {"difference", "95 % interval", "p (Holm)", "n"}
    return table(heads, lines, numeric, caption)


def estimate(row: Estimate) -> str:
    """Write a mean with its interval."""
    mean = numbers.statistic(row.mean)
    if math.isnan(row.low) or row.interval == "deterministic":
        return mean
    if row.interval == "t":
        return f"{mean} ± {numbers.number(row.high - row.mean, 2)}"
    return f"{mean} ({numbers.between(row.low, row.high)})"


def cell(concluded: Conclusions, row: Estimate) -> Cell:
    """Write an arm on a metric: its mean and interval, then the verdict."""
    if not row.n:
        return numbers.NOTHING
    parts: list[Inline] = [Value(estimate(row), row.mean)]
    if found := concluded.verdicts.get((row.metric, row.arm)):
        parts += [" ", badge(found[0])]
    last = numbers.statistic(row.last)
    if row.optimistic and last not in {numbers.NOTHING, numbers.number(row.mean)}:
        parts.append(f" (last epoch {last})")
    return tuple(parts)
