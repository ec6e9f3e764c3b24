"""Sections that the reports of both kinds of study share."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ablate.analysis import Frames, run_list
from ablate.reports import numbers
from ablate.reports.blocks import Block, Code, Inline, Paragraph, Section, Strong, table, text
from ablate.spec import Status
from ablate.spec.commands import write_command
from ablate.spec.secrets import hidden

HASH_LENGTH = 8
NUMERIC = {"trial", "seed", "attempt", "parameters", "epochs", "steps"}


def data_read(frames: Frames, metric: str) -> str:
    """Name the data on which a metric is read."""
    return f"{'training' if metric in frames.training_metrics else 'validation'} data"


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


def runs_section(frames: Frames, directories: Mapping[int, str]) -> Section:
    """List every run with its state; `directories` are what to show by run id."""
    runs = run_list(frames)
    with_arms = bool(runs["arm"].notna().any())
    columns = [
        *("trial", "seed", "attempt", "status", "standing", "config", "parameters", "epochs"),
        *("duration", "directory"),
    ]
    if with_arms:
        columns.insert(1, "arm")
    rows = []
    for run in _records(runs):
        row: list[Inline] = [
            str(run["trial"]),
            str(run["seed"]),
            str(run["attempt"]),
            run["status"],
            run["standing"],
            Code(run["config_hash"][:HASH_LENGTH]),
            numbers.count(run["parameters"]),
            numbers.count(run["epochs"]),
            numbers.duration(run["seconds"]),
            Code(directories[run["run_id"]]),
        ]
        if with_arms:
            row.insert(1, Code(run["arm"]) if run["arm"] else numbers.NOTHING)
        rows.append(tuple(row))
    if not rows:
        return Section("Runs", (text("There are no runs yet."),))
    return Section("Runs", (table(columns, rows, NUMERIC | {"duration"}),))


def failures_section(frames: Frames) -> Section:
    """List the runs that did not end well, with their reasons."""
    runs = run_list(frames)
    bad = runs[runs["status"].isin([Status.FAILED, Status.INTERRUPTED])]
    if bad.empty:
        return Section("Failed runs", (text("No run failed or was interrupted."),))
    rows: list[tuple[Inline, ...]] = [
        (
            str(run["trial"]),
            Code(run["arm"]) if run["arm"] else numbers.NOTHING,
            str(run["seed"]),
            str(run["attempt"]),
            run["status"],
            run["standing"],
            run["reason"] or "no reason was recorded",
        )
        for run in _records(bad)
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
    """Word how many runs there are, by status."""
    counts = frames.runs["status"].value_counts()
    words = [f"{counts[status]} {status}" for status in STATUSES if status in counts]
    total = numbers.plural(len(frames.runs), "run")
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
