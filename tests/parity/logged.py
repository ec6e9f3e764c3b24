"""What a run has logged: the rows of its `metrics.csv`, and the rows in ablate's store."""

import csv
from collections.abc import Sequence
from pathlib import Path

from ablate.store import Store

Row = dict[str, str]
"""A line of a `metrics.csv`: every value as it is written there, empty ones left out."""

Rows = list[Row]


def logs(folder: Path, leave_out: str = "") -> dict[str, Rows]:
    """Read what every logger has written into a folder: the rows of its versions, in their order.

    A logger has a version for every time that the run was continued. What the versions before hold
    of its first step, and of later ones, was not kept by the run: it has logged that again.
    """
    found: dict[str, Rows] = {}
    for file in sorted(folder.rglob("metrics.csv")):
        logger = file.parent.parent.relative_to(folder)
        if leave_out and logger.parts[0] == leave_out:
            continue
        with file.open(newline="", encoding="utf-8") as lines:
            new = [{k: v for k, v in row.items() if v} for row in csv.DictReader(lines)]
        first = min(int(row["step"]) for row in new if any(key.endswith("epoch") for key in row))
        kept = [row for row in found.get(str(logger), []) if int(row["step"]) < first]
        # What a hook logs when a fit begins, every continuation logs again.
        found[str(logger)] = kept + [row for row in new if int(row["step"]) >= first or not kept]
    return found


def stored(url: str, study: str) -> list[tuple[str, str, int, int, float]]:
    """Return phase, name, step, epoch and value of all that the last run of a study reported."""
    with Store.open(url, create=False) as store:
        last = store.runs(study)[-1]
        assert last.status == "complete", f"{last.status}: {last.reason}"
        return [
            (row.phase, row.name, row.step, row.epoch, row.value)
            for row in store.metrics(study)
            if row.run_id == last.id
        ]


def last_of_epochs(rows: Sequence[Row]) -> dict[tuple[str, int], float]:
    """Return the last value of every metric and epoch in a `metrics.csv`."""
    return {
        (name, int(row["epoch"])): float(value)
        for row in rows
        if "epoch" in row
        for name, value in row.items()
        if name not in {"step", "epoch"}
    }
