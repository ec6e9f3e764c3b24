"""What a run has logged: the rows of its `metrics.csv`, and the rows in ablate's store."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from ablate.store import Store

Row = dict[str, str]
"""A line of a `metrics.csv`: every value as it is written there, empty ones left out."""

Rows = list[Row]


def csv_rows(files: Iterable[Path]) -> Rows:
    """Read the rows of the files in their order.

    A file begins again where its run was continued: what the files before it hold of that step and
    of later ones was not kept, and the run has logged it again.
    """
    rows: Rows = []
    for file in files:
        with file.open(newline="", encoding="utf-8") as lines:
            new = [{k: v for k, v in row.items() if v} for row in csv.DictReader(lines)]
        first = int(new[0]["step"])
        rows = [row for row in rows if int(row["step"]) < first] + new
    return rows


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
