"""Sections that the reports of both kinds of study share."""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from ablate.analysis import Frames, run_list
from ablate.reports import numbers
from ablate.reports.anchors import arm_link, trial_anchor, trial_link
from ablate.reports.blocks import (
    Anchor,
    Block,
    Cell,
    Code,
    Figure,
    Inline,
    Paragraph,
    Row,
    Section,
    Strong,
    Value,
    table,
    text,
)
from ablate.reports.figures import Drawing, file_part
from ablate.spec import Status
from ablate.spec.commands import write_command
from ablate.spec.secrets import hidden

HASH_LENGTH = 8
MOST_RUNS = 1000
"""A page lists no more runs: 10,000 of them would be several megabytes."""
NUMERIC = {"trial", "seed", "attempt", "parameters", "epochs", "steps"}


def data_read(frames: Frames, metric: str) -> str:
    """Name the data on which a metric is read."""
    return f"{'training' if metric in frames.training_metrics else 'validation'} data"


def drawn(kind: str, name: str, drawing: Drawing, caption: str) -> Figure:
    """Make a figure of a drawing, stored as `kind-name.svg`."""
    return Figure(f"{kind}-{file_part(name)}.svg", drawing, caption)


def profile_section(frames: Frames) -> Section:
    """Say which profile was chosen and what it changes."""
    name, changes = Code(frames.definition.profile), frames.definition.profile_changes
    if not changes:
        blocks: tuple[Block, ...] = (
            text("Profile ", name, ": the configuration is used as it is written."),
        )
    else:
        rows: list[tuple[Inline, ...]] = [
            (
                Code(change.path),
                Code(numbers.plain(hidden(change.path, change.before))),
                Code(numbers.plain(hidden(change.path, change.after))),
            )
            for change in changes
        ]
        blocks = (
            text("Profile ", name, " changes these values of the written configuration:"),
            table(["path", "written", "used"], rows),
        )
    return Section("Profile", blocks)


def runs_section(
    frames: Frames, directories: Mapping[int, str], wanted: Collection[str] = ()
) -> Section:
    """List the runs with their state and the command that repeats them.

    `directories` are what to show by run id. Of very many runs those are listed that links lead to
    (`wanted` are the anchors) or that did not end well, and the first of the others.
    """
    runs = run_list(frames)
    if runs.empty:
        return Section("Runs", (text("There are no runs yet."),))
    blocks: list[Block] = [
        text("The current run of each cell counts. A command repeats the run and compares the two.")
    ]
    shown = _listed(runs, wanted)
    if len(shown) < len(runs):
        said = f"{numbers.count(len(shown))} of {numbers.count(len(runs))} runs; all are in "
        blocks.append(text(said, Code("runs.csv"), "."))
    with_arms = bool(runs["arm"].notna().any())
    columns = [
        *("trial", "seed", "attempt", "status", "standing", "config", "parameters", "epochs"),
        *("duration", "directory", "replay"),
    ]
    if with_arms:
        columns.insert(1, "arm")
    rows: list[Row] = []
    anchored: set[int] = set()
    for run in _records(shown):
        trial: Inline = f"#{run['trial']}"
        if run["trial"] not in anchored:
            anchored.add(run["trial"])
            trial = Anchor(trial, trial_anchor(run["trial"]))
        row: list[Cell] = [
            Value(trial, run["trial"]),
            str(run["seed"]),
            str(run["attempt"]),
            run["status"],
            run["standing"],
            Code(run["config_hash"][:HASH_LENGTH]),
            numbers.count(run["parameters"]),
            numbers.count(run["epochs"]),
            Value(numbers.duration(run["seconds"]), run["seconds"]),
            Code(directories[run["run_id"]]),
            Code(write_command("replay", f"{frames.name}/{run['trial']}", verify=None)),
        ]
        if with_arms:
            row.insert(1, arm_link(run["arm"]) if run["arm"] else numbers.NOTHING)
        rows.append(tuple(row))
    listed = table(columns, rows, NUMERIC | {"duration"}, "Runs")
    return Section("Runs", (*blocks, listed))


def _listed(runs: pd.DataFrame, wanted: Collection[str]) -> pd.DataFrame:
    """Choose the runs that are listed, in their order."""
    if len(runs) <= MOST_RUNS:
        return runs
    led_to = runs["trial"].map(lambda trial: trial_anchor(trial) in wanted)
    bad = runs["status"].isin([Status.FAILED, Status.INTERRUPTED])
    order = (~led_to).astype(int) * 2 + (~bad).astype(int)
    chosen = order.sort_values(kind="stable").index[:MOST_RUNS]
    return runs.loc[sorted(chosen)]


def failures_section(frames: Frames) -> Section:
    """List the runs that did not end well, with their reasons."""
    runs = run_list(frames)
    bad = runs[runs["status"].isin([Status.FAILED, Status.INTERRUPTED])]
    if bad.empty:
        return Section("Failed runs", (text("No run failed or was interrupted."),))
    rows: list[Row] = [
        (
            trial_link(run["trial"]),
            arm_link(run["arm"]) if run["arm"] else numbers.NOTHING,
            str(run["seed"]),
            str(run["attempt"]),
            run["status"],
            run["standing"],
            run["reason"] or "no reason was recorded",
        )
        for run in _records(bad[:MOST_RUNS])
    ]
    columns = ["trial", "arm", "seed", "attempt", "status", "standing", "reason"]
    if not bad["arm"].notna().any():
        columns.remove("arm")
        rows = [row[:1] + row[2:] for row in rows]
    return Section("Failed runs", (table(columns, rows, NUMERIC),))


def environment_section(frames: Frames) -> Section:
    """Say on what the runs were made: code, devices, libraries; differences come first."""
    versions = sorted(frames.runs["code_version"].unique())
    devices = sorted(frames.runs["device"].unique())
    blocks: list[Block] = [
        Paragraph(("Code version: ", *_codes(versions), ". Device: ", *_codes(devices), ".")),
        text("Written by ", Code(write_command("report", frames.name)), "."),
    ]
    flat = {key[:HASH_LENGTH]: made.leaves() for key, made in frames.environments.items()}
    names = dict.fromkeys(name for values in flat.values() for name in values)
    rows: list[tuple[Inline, ...]] = []
    for name in names:
        values = [numbers.plain(hidden(name, flat[key].get(name))) for key in flat]
        differs = len(set(values)) > 1
        row = (Strong(name) if differs else name, *values)
        rows.insert(sum(isinstance(r[0], Strong) for r in rows) if differs else len(rows), row)
    if len(flat) > 1:
        blocks.append(
            text(f"The runs were made in {len(flat)} environments; what differs stands first.")
        )
    if rows:
        heads = ["value"] if len(flat) == 1 else [f"environment {key}" for key in flat]
        blocks.append(table(["item", *heads], rows))
    return Section("Environment", tuple(blocks))


def run_counts(frames: Frames) -> str:
    """Word how many runs there are of how many trials, by status."""
    counts = frames.runs["status"].value_counts()
    words = [f"{counts[status]} {status}" for status in STATUSES if status in counts]
    total = numbers.plural(len(frames.runs), "run")
    if (trials := frames.runs["trial"].nunique()) != len(frames.runs):
        total += f" of {numbers.plural(trials, 'trial')}"
    return f"{total}: {', '.join(words)}" if words else total


STATUSES = (
    Status.COMPLETE,
    Status.RUNNING,
    Status.PRUNED,
    Status.FAILED,
    Status.INTERRUPTED,
)


def _codes(names: list[str]) -> tuple[Inline, ...]:
    parts: list[Inline] = []
    for name in names:
        parts += [", ", Code(name)]
    return tuple(parts[1:]) or (numbers.NOTHING,)


def _records(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Turn rows into mappings in which every missing value but a duration is None."""
    records = runs.astype(object).to_dict("records")
    return [
        {
            str(key): None if key != "seconds" and pd.isna(value) else value
            for key, value in record.items()
        }
        for record in records
    ]
