"""Figures published elsewhere, beside those of the study's own runs."""

from ablate.analysis import AblationFrames, published_table
from ablate.reports import numbers
from ablate.reports.blocks import Code, Inline, Section, table, text
from ablate.spec import Published

_READ = {"best": "each at the best epoch of its own metric", "last": "at the last epoch"}


def sections(frames: AblationFrames) -> tuple[Section, ...]:
    """Set the published figures beside ours, if the study declares any."""
    found, declared = published_table(frames), frames.definition.published
    if found.empty or declared is None:
        return ()
    rows: list[tuple[Inline, ...]] = []
    for row in found.to_dict("records"):
        cells: list[Inline] = [
            Code(row["arm"]),
            Code(row["metric"]),
            numbers.number(row["published"]),
            str(row["published_n"]),
            numbers.statistic(row["ours"]),
            str(row["n"]),
            numbers.signed(row["difference"]),
        ]
        if declared.at:
            cells += [
                numbers.statistic(row["alike"]),
                str(row["alike_n"]),
                numbers.signed(row["alike_difference"]),
            ]
        rows.append(tuple(cells))
    heads = ["arm", "metric", "published", "of", "ours", "n", "difference"]
    if declared.at:
        heads += ["ours, read alike", "n alike", "difference alike"]
    said = text(_said(declared))
    return (Section("Published figures", (said, table(heads, rows, set(heads[2:])))),)


def _said(declared: Published) -> str:
    """Say where the figures come from, what they are, and how ours beside them are read."""
    given = [f"Source: {declared.source}."]
    if declared.statistic:
        given.append(f"Statistic: {declared.statistic}.")
    if declared.denominator:
        given.append(f"Denominator: {declared.denominator}.")
    given.append(
        "Means over the published figures and over the runs that count, with how many each; the "
        "difference is ours less the published one."
    )
    if declared.at:
        given.append(
            f"The published figures were read {_READ[declared.at]}; so are ours, read alike, over "
            "complete runs and over those that diverged, in the epochs that they had."
        )
    return " ".join(given)
