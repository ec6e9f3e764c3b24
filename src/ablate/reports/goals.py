"""What was expected of the runs, and what they reached of it."""

from collections.abc import Iterator

import pandas as pd

from ablate.analysis import GoalCount, LostSuccess, Successes, goal_counts, successes
from ablate.reports import numbers
from ablate.reports.anchors import arm_link, trial_link
from ablate.reports.blocks import Block, Bullets, Code, Inline, Row, Section, Value, table, text

FILE = "goals.csv"
_MOST = 200
_LOST = 20
"""So many runs are named that lost their success."""
_HEADS = ["goal", "reached", "missed", "pending", "at step", "short by"]


def sections(told: pd.DataFrame) -> tuple[Section, ...]:
    """Count by arm which runs reached their milestones, success, plateaus and first steps.

    `told` is what `analysis.goals_frame` makes.
    """
    if told.empty:
        return ()
    counts = list(goal_counts(told))
    by_arm = any(count.arm is not None for count in counts)
    rows = [_row(count, by_arm=by_arm) for count in counts[:_MOST]]
    rest = f"; the first {len(rows)} of {len(counts)}, all in {FILE}" if counts[_MOST:] else ""
    heads = [*(["arm"] if by_arm else []), *_HEADS]
    caption = f"Goals and the runs that reached them{rest}"
    ended = successes(told)
    at_end = (
        "Success at the end is of the runs that succeeded: it is reached where the last values "
        "still do, at the step since which that holds without a break. "
        if ended.kept or ended.lost
        else ""
    )
    explained = text(
        "A milestone is looked at once, at its moment; it is pending where a run ended before. "
        f"Success and a plateau are reached at the first step at which they held. {at_end}",
        Code("short by"),
        " is the largest distance to a bound among the runs that missed it.",
    )
    blocks: list[Block] = [explained, table(heads, rows, {*_HEADS[1:]}, caption)]
    if remarks := tuple(_remarks(ended)):
        blocks.append(Bullets(remarks))
    return (Section("Goals", tuple(blocks)),)


def _remarks(found: Successes) -> Iterator[tuple[Inline, ...]]:
    """Name the runs that lost their success."""
    yield from map(_lost, found.lost[:_LOST])
    if more := len(found.lost[_LOST:]):
        yield (f"{numbers.plural(more, 'more run')} lost a success, in {FILE}.",)
    if found.unrecorded:
        yield (
            f"Of {numbers.plural(found.unrecorded, 'run')} that succeeded it is not recorded "
            "whether that held to the end.",
        )


def _lost(run: LostSuccess) -> tuple[Inline, ...]:
    arm: tuple[Inline, ...] = () if run.arm is None else (arm_link(run.arm), ", ")
    at_end = numbers.listing(f"{said} is {numbers.number(value)}" for said, value in run.lacking)
    return (
        *arm,
        f"seed {run.seed}, ",
        trial_link(run.trial),
        f": success was reached at step {run.reached:,} and lost at step {run.lost:,}; {at_end}.",
    )


def _row(count: GoalCount, *, by_arm: bool) -> Row:
    total = count.reached + count.missed + count.pending
    goal = count.goal if count.kind == count.goal else f"{count.kind}: {count.goal}"
    arm: list[Inline] = []
    if by_arm:
        arm = [numbers.NOTHING if count.arm is None else arm_link(count.arm)]
    return (
        *arm,
        goal,
        Value(f"{count.reached} of {total}", count.reached),
        numbers.count(count.missed),
        numbers.count(count.pending),
        _steps(count.steps),
        numbers.NOTHING if count.short is None else Value(f"{count.short:.4g}", count.short),
    )


def _steps(steps: tuple[int, ...]) -> Inline:
    if not steps:
        return numbers.NOTHING
    first, last = steps[0], steps[-1]
    if first == last:
        return Value(f"{first:,}", first)
    return Value(f"{first:,} to {last:,}", first)
