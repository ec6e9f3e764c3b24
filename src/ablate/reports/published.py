"""Figures published elsewhere, beside those of the study's own runs."""

from ablate.analysis import AblationFrames, published_table
from ablate.reports import numbers
from ablate.reports.blocks import Code, Inline, Section, table, text


def sections(frames: AblationFrames) -> tuple[Section, ...]:
    """Set the published figures beside ours, if the study declares any."""
    rows: list[tuple[Inline, ...]] = [
        (
            Code(row["arm"]),
            Code(row["metric"]),
            numbers.number(row["published"]),
            str(row["published_n"]),
            numbers.statistic(row["ours"]),
            str(row["n"]),
            numbers.signed(row["difference"]),
        )
        for row in published_table(frames).to_dict("records")
    ]
    if not rows or frames.definition.published is None:
        return ()
    source = frames.definition.published.source
    said = text(
        f"Source: {source}. Means over the published figures and over the runs that count, with "
        "how many each; the difference is ours less the published one."
    )
    heads = ["arm", "metric", "published", "of", "ours", "n", "difference"]
    return (Section("Published figures", (said, table(heads, rows, set(heads[2:])))),)
