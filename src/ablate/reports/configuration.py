"""What each arm changes, and the numbers that follow from it."""

import math
from collections.abc import Collection, Iterable, Mapping, Sized
from typing import Any

import pandas as pd

from ablate.analysis import AblationFrames
from ablate.reports import numbers, parts
from ablate.reports.anchors import arm_anchor, arm_link
from ablate.reports.blocks import Anchor, Block, Code, Inline, Row, Section, Table, table, text
from ablate.reports.listed import of_all
from ablate.spec import Arm, Changes, designs
from ablate.spec.secrets import hidden

MILESTONES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of a run at which its learning rate is shown."""
_RATES = ("lr", "learning_rate")


def section(frames: AblationFrames, arms: Collection[str]) -> Section:
    """Say what differs between the arms, in the configuration and in what it amounts to.

    Only the given `arms` are listed.
    """
    blocks: list[Block] = [*_changes(frames, arms)]
    if derived := _derived(frames, arms):
        blocks.append(derived)
    return Section("Configuration", (*blocks, parts.profile_section(frames)))


def _changes(frames: AblationFrames, listed: Collection[str]) -> tuple[Block, ...]:
    definition = frames.definition
    floors = _changes_of(definition.floors)
    if definition.components:
        return (
            text("Arms are sets of components; each changes the base configuration alone."),
            _layout_table([arm for arm in definition.trained if arm.name in listed]),
            _changes_table(
                {"component": definition.components, "floor": floors},
                "What each component changes",
                anchored={"floor"},
            ),
        )
    said, arms = "Each arm changes the base configuration alone.", _changes_of(definition.trained)
    if "ladder" in definition.designs and not definition.tuned:
        said, arms = "Each arm keeps the changes of the arms above it.", _changes_added(arms)
    shown = {name: changes for name, changes in arms.items() if name in listed}
    caption = f"What each arm changes{_of(shown, arms)}"
    groups = {"arm": shown, "floor": floors}
    return (text(said), _changes_table(groups, caption, anchored={*groups}))


def _of(shown: Sized, total: Sized) -> str:
    return of_all(len(shown), len(total), "the definition of the study")


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


def _derived(frames: AblationFrames, arms: Collection[str]) -> Block | None:
    """Show what the configurations amount to, where it is recorded: batches, steps, schedule."""
    amounts, schedules = _amounts(frames), _schedules(frames)
    base = dict(_leaves(frames.definition.config))
    facts = {
        arm.name: _facts({**base, **dict(_leaves(arm.changes))}, amounts.get(arm.name, {}))
        | schedules.get(arm.name, {})
        for arm in frames.definition.trained
    }
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
        if known and arm in arms
    ]
    return table(
        ["arm", *names],
        rows,
        {*names},
        f"What the configurations amount to{_of(rows, [*filter(None, facts.values())])}",
    )


def _amounts(frames: AblationFrames) -> dict[str, dict[str, list[int]]]:
    """Return the epochs and steps of the current runs of each arm, as far as they are known."""
    found: dict[str, dict[str, list[int]]] = {}
    for name in ("epochs", "steps"):
        known = frames.current.dropna(subset=name)
        for arm, amount in zip(known["arm"].tolist(), known[name].tolist(), strict=True):
            found.setdefault(arm, {}).setdefault(name, []).append(amount)
    return found


def _facts(config: Mapping[str, Any], amounts: Mapping[str, list[int]]) -> dict[str, str]:
    found: dict[str, str] = {}
    batch = _effective_batch(config)
    if batch is not None:
        found["effective batch"] = numbers.count(batch)
    for name, known in amounts.items():
        found[name] = numbers.span(known)
    steps = set(amounts.get("steps", ()))
    if batch is not None and len(steps) == 1:
        found["examples seen"] = numbers.count(batch * steps.pop())
    return found


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


def _schedules(frames: AblationFrames) -> dict[str, dict[str, str]]:
    """Return the schedule of every arm whose runs log a learning rate."""
    logged = frames.metrics["name"]
    rates = [name for name in logged.unique() if name in _RATES or name.startswith("lr-")]
    values = frames.metrics[logged.isin(rates)]
    arms = values["run_id"].map(frames.current.set_index("run_id")["arm"])
    return {str(arm): _schedule(of_arm) for arm, of_arm in values.groupby(arms)}


def _schedule(values: pd.DataFrame) -> dict[str, str]:
    """Return the learning rate at milestones of the run, if the runs of an arm log one alike."""
    if values["name"].nunique() != 1:
        return {}
    values = values.sort_values(["run_id", "step"])
    last = values["step"].max()
    found = {}
    for share in MILESTONES:
        until = values[values["step"] <= max(share * last, values["step"].min())]
        reached = set(until.groupby("run_id")["value"].last())
        if len(reached) == 1:
            found[f"learning rate at {share:.0%}"] = numbers.number(reached.pop())
    return found
