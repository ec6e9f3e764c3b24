"""The verdict: what the primary metric supports, arm by arm, before everything else."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from ablate.analysis import Comparison, Conclusions, Estimate, Relation, Verdict, find_lead
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
    """Say which arm leads on a metric, and which arms can't be told from it."""
    definition = concluded.frames.definition
    found = find_lead(concluded, metric)
    if found is None:
        counted = any(
            row.n and row.kind != "floor"
            for (name, _), row in concluded.estimates.items()
            if name == metric
        )
        return (
            "No arm may be called the best."
            if counted
            else f"No run of any arm counts yet for {metric}.",
        )
    first = concluded.estimates[metric, found.first[0]]
    verb = "has" if len(found.first) == 1 else "share"
    said: tuple[Inline, ...] = (
        *arm_links(found.first, " and "),
        f" {verb} the {definition.metrics[metric].superlative} mean of the arms that may be "
        f"compared, {estimate(first)} over {numbers.plural(first.n, 'seed')}"
        + (" each" if len(found.first) > 1 else ""),
    )
    others = [row for row in concluded.estimates.values() if row.metric == metric and row.n]
    if sum(row.kind != "floor" for row in others) == 1:
        return (*said, "; it is the only arm with a value.")
    if not found.rivals:
        return (*said, ", and can be told from all others.")
    more = len(found.rivals) - RIVALS
    tail = f" and {numbers.plural(more, 'more arm')}" if more > 0 else ""
    names = arm_links(found.rivals[:RIVALS], ", " if more > 0 else " and ")
    subject = "It" if len(found.first) == 1 else "They"
    doubts = _doubts(concluded, (*found.first[:1], *found.rivals))
    return (*said, f". {subject} cannot be told from ", *names, f"{tail}.", *doubts)


def _doubts(concluded: Conclusions, arms: Iterable[str]) -> tuple[Inline, ...]:
    """Name the warnings of the audit for which some of the arms can't be told apart."""
    codes = dict.fromkeys(code for arm in arms for code in concluded.doubted.get(arm, ()))
    if not codes:
        return ()
    parts: list[Inline] = [" Warnings of the audit stand against telling them apart: "]
    for place, code in enumerate(codes):
        parts += [", " if place else "", code_link(code)]
    return (*parts, ".")


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
