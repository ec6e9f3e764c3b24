"""What each arm changes, and the numbers that follow from it."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ablate.analysis import AblationFrames
from ablate.reports import numbers, parts
from ablate.reports.anchors import arm_anchor, arm_link
from ablate.reports.blocks import Anchor, Block, Code, Inline, Row, Section, Table, table, text
from ablate.spec import Arm, Changes, designs
from ablate.spec.secrets import hidden

MILESTONES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of a run at which its learning rate is shown."""
_RATES = ("lr", "learning_rate")


def section(frames: AblationFrames) -> Section:
    """Say what differs between the arms, in the configuration and in what it amounts to."""
    blocks: list[Block] = [*_changes(frames)]
    if derived := _derived(frames):
        blocks.append(derived)
    return Section("Configuration", (*blocks, parts.profile_section(frames)))


def _changes(frames: AblationFrames) -> tuple[Block, ...]:
    definition = frames.definition
    floors = _changes_of(definition.floors)
    if definition.components:
        return (
            text("Arms are sets of components; each changes the base configuration alone."),
            _layout_table(definition.trained),
            _changes_table(
                {"component": definition.components, "floor": floors},
                "What each component changes",
                anchored={"floor"},
            ),
        )
    said, arms = "Each arm changes the base configuration alone.", _changes_of(definition.trained)
    if "ladder" in definition.designs and not definition.tuned:
        said, arms = "Each arm keeps the changes of the arms above it.", _changes_added(arms)
    groups = {"arm": arms, "floor": floors}
    return (text(said), _changes_table(groups, "What each arm changes", anchored={*groups}))


def _changes_added(arms: Mapping[str, Changes]) -> dict[str, Changes]:
    """Return what each arm of a ladder adds to the changes of the arm before it."""
    before = ({}, *arms.values())
    return {
        name: designs.added(earlier, changes)
        for earlier, (name, changes) in zip(before, arms.items(), strict=False)
    }


def _changes_of(arms: Iterable[Arm]) -> dict[str, Changes]:
    return {arm.name: arm.changes for arm in arms}


def _layout_table(arms: Iterable[Arm]) -> Table:
    """Show how each arm came about and which components it has."""
    rows: list[Row] = [
        (
            Anchor(Code(arm.name), arm_anchor(arm.name)),
            arm.design,
            ", ".join(arm.components) or numbers.NOTHING,
        )
        for arm in arms
    ]
    return table(["arm", "design", "components"], rows, caption="The components of each arm")


def _changes_table(
    groups: Mapping[str, Mapping[str, Changes]], caption: str, anchored: set[str]
) -> Table:
    """List the changes by role and name."""
    rows: list[Row] = []
    for role, members in groups.items():
        for name, changes in members.items():
            code = Code(name)
            shown: Inline = Anchor(code, arm_anchor(name)) if role in anchored else code
            named: tuple[Inline, Inline] = (shown, role)
            for path, value in changes.items():
                rows.append((*named, Code(path), Code(numbers.plain(hidden(path, value)))))
                named = ("", "")
            if not changes:
                rows.append((*named, "no changes", ""))
    return table(["name", "role", "path", "value"], rows, caption=caption)


def _derived(frames: AblationFrames) -> Block | None:
    """Show what the configurations amount to, where it is recorded: batches, steps, schedule."""
    facts = {arm.name: _facts(frames, arm) for arm in frames.definition.trained}
    names = list(dict.fromkeys(name for known in facts.values() for name in known))
    if not names:
        return None
    first, *others = facts.values()
    if all(known == first for known in others) and others:
        listed = numbers.listing(f"{name} {value}" for name, value in first.items())
        return text(f"The configurations of all arms amount to the same: {listed}.")
    rows: list[Row] = [
        (arm_link(arm), *(known.get(name, numbers.NOTHING) for name in names))
        for arm, known in facts.items()
        if known
    ]
    return table(["arm", *names], rows, {*names}, "What the configurations amount to")


def _facts(frames: AblationFrames, arm: Arm) -> dict[str, str]:
    runs = frames.current[frames.current["arm"] == arm.name]
    config = {**dict(_leaves(frames.definition.config)), **dict(_leaves(arm.changes))}
    found: dict[str, str] = {}
    batch = _effective_batch(config)
    if batch is not None:
        found["effective batch"] = numbers.count(batch)
    for name in ("epochs", "steps"):
        amounts = runs[name].dropna()
        if len(amounts):
            found[name] = numbers.span(map(int, amounts))
    steps = {int(step) for step in runs["steps"].dropna()}
    if batch is not None and len(steps) == 1:
        found["examples seen"] = numbers.count(batch * steps.pop())
    return found | _schedule(frames, runs)


def _leaves(config: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, config


def _effective_batch(config: Mapping[str, Any]) -> int | None:
    """Return the examples of an optimizer step, if the configuration says it in whole numbers.

    The only batch size there is, times the batches that are accumulated, times the devices.
    """
    sizes = {
        value
        for path, value in config.items()
        if path.rpartition(".")[2] == "batch_size" and type(value) is int
    }
    factors = [
        config.get("trainer.accumulate_grad_batches", 1),
        config.get("trainer.devices", 1),
        config.get("trainer.num_nodes", 1),
    ]
    whole = [1 if factor in {"auto", None} else factor for factor in factors]
    if len(sizes) != 1 or any(type(factor) is not int or factor < 1 for factor in whole):
        return None
    return sizes.pop() * math.prod(whole)


def _schedule(frames: AblationFrames, runs: pd.DataFrame) -> dict[str, str]:
    """Return the learning rate at milestones of the run, if the runs of an arm log one alike."""
    values = frames.metrics[frames.metrics["run_id"].isin(runs["run_id"])]
    named = values["name"].map(lambda name: name in _RATES or str(name).startswith("lr-"))
    values = values[named].sort_values(["run_id", "step"])
    if values.empty or values["name"].nunique() != 1:
        return {}
    last = values["step"].max()
    found = {}
    for share in MILESTONES:
        until = values[values["step"] <= max(share * last, values["step"].min())]
        rates = set(until.groupby("run_id")["value"].last())
        if len(rates) == 1:
            found[f"learning rate at {share:.0%}"] = numbers.number(rates.pop())
    return found
