"""Compare configurations, runs, arms or studies side by side."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd

from ablate import analysis
from ablate.analysis import (
    AblationFrames,
    Comparator,
    Comparison,
    Conclusions,
    Frames,
    Relation,
    SearchFrames,
    Side,
)
from ablate.audits.codes import as_rows
from ablate.errors import RequestError, quoted
from ablate.measure import Asked, look_at
from ablate.plan import Derived, Facts, Plan, plan_config, say_factor
from ablate.plan import compare as compare_plans
from ablate.run import Launcher
from ablate.run.resolving import resolve_base
from ablate.spec import Config, paths
from ablate.spec.constraints import none_feasible
from ablate.spec.fields import parse_duration
from ablate.spec.secrets import hidden
from ablate.store import FindingRow, Store, count_infeasible
from ablate.study import Request
from ablate.study.recorded import trial_named
from ablate.workflow.audited import audit_sides
from ablate.workflow.defaults import DEFAULT_WAIT, storage_url
from ablate.workflow.plans import written_config
from ablate.workflow.reports import audited
from ablate.workflow.request import requested
from ablate.workflow.result import Result
from ablate.workflow.words import clock

_CONFIGS = {".yaml", ".yml"}


class Kind(StrEnum):
    """What is compared."""

    CONFIG = "config"
    TRIAL = "trial"
    ARM = "arm"
    STUDY = "study"


@dataclass(frozen=True)
class Compared:
    """One of the things that are compared: its name as it was given, and what it stands for."""

    name: str
    kind: Kind
    stands_for: str


@dataclass(frozen=True)
class Difference:
    """A leaf of the resolved configurations that is not the same in all; a secret is starred."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class CompareResult(Result):
    """Things side by side; the first is what the others are compared with.

    `comparisons` and `means` (by metric and arm, over the seeds that count) are empty for
    configurations, which have no values; `derived` has the numbers that follow from them and are
    not the same, unless nothing was built, or not all can be.
    """

    sides: tuple[Compared, ...]
    differences: tuple[Difference, ...]
    derived: tuple[Derived, ...]
    comparisons: tuple[Comparison, ...]
    means: Mapping[tuple[str, str], float] = field(repr=False)
    _table: pd.DataFrame = field(repr=False)

    def frame(self) -> pd.DataFrame:
        """Return a row per comparison, or without one a row per difference of configurations."""
        if self.comparisons:
            return self._table.copy()
        names = [side.name for side in self.sides]
        return pd.DataFrame(
            [(row.path, *row.values) for row in self.differences], columns=["path", *names]
        )

    def summary(self) -> str:
        """Say how much differs, and the verdict on each comparison of the primary metric."""
        count = len(self.differences)
        keys = (
            "1 key of the configurations differs"
            if count == 1
            else f"{count} keys of the configurations differ"
        )
        verdicts = [
            f"{row.metric}: {row.arm} beside {row.comparator}: {row.verdict} ({row.reason})"
            for row in self.comparisons
            if row.primary
        ]
        factors = [
            f"{side.name}: {say_factor(factor, row.name.replace('_', ' '))}"
            for row in self.derived
            for side, factor in zip(self.sides[1:], row.factors, strict=True)
            if factor is not None and row.name == "optimizer_steps"
        ]
        return "\n".join([keys, *factors, *verdicts])


def compare(
    first: str | Path,
    *others: str | Path,
    static: bool = False,
    wait: float | str = DEFAULT_WAIT,
    storage: str | None = None,
    workers: int | None = None,
    quiet: bool = False,
    launcher: Callable[[int], Launcher] | None = None,
) -> CompareResult:
    """Set configurations, recorded trials, arms or studies beside the first one; write nothing.

    Each is the path of a config file, `STUDY/NUMBER`, `STUDY/ARM` or `STUDY`. A search stands for
    its best trial. Ablations beside each other are compared arm by arm; beside anything else an
    ablation stands for its reference. Values are read as the first one's study reads its own, and
    audited side by side. Of config files alone the data and the model are built, to say what
    follows from them, unless `static`, or it takes longer than `wait` (seconds, or a text such as
    `5m`) for all of them together. Raises RequestError if there is nothing to compare, and
    NotFoundError for an unknown study.
    """
    seconds = _seconds(wait)
    names = _checked([str(name) for name in (first, *others)])
    groups: list[dict[str, Side]] = []
    concluded: Conclusions | None = None
    files = [name for name in names if _is_file(name)]
    recorded = [name for name in names if name not in files]
    with ExitStack() as stack:
        if recorded:
            store = stack.enter_context(Store.open(storage_url(storage), create=False))
            studies = _Studies(store)
            groups = studies.groups(recorded)
            sides = [[*group.values()] for group in groups if len(group) > 1]
            concluded = studies.conclude(sides) if sides else None
    resolved: dict[str, Config] = {}
    derived: tuple[Derived, ...] = ()
    if files:
        seconds = 0.0 if static or recorded else seconds
        with requested(storage=storage, workers=workers, quiet=quiet, launcher=launcher) as request:
            resolved, derived = _resolve(files, request, seconds)
    shown = groups[0] if groups else {}
    return CompareResult(
        sides=tuple(_described(name, shown.get(name), arms=len(groups)) for name in names),
        differences=tuple(
            _differences([resolved[n] if n in resolved else shown[n].config for n in names])
        ),
        derived=derived,
        comparisons=concluded.comparisons if concluded else (),
        means={key: row.mean for key, row in concluded.estimates.items()} if concluded else {},
        _table=concluded.frame() if concluded else pd.DataFrame(),
    )


class _Studies:
    """The studies of a storage, each read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._frames: dict[str, Frames] = {}
        self._findings: dict[str, tuple[FindingRow, ...]] = {}

    def groups(self, names: Sequence[str]) -> list[dict[str, Side]]:
        """Return what is to be compared with each other, by the name that stands for it."""
        known = set(self._store.study_names())
        whole = {name: self._read(name) for name in names if name in known}
        ablations = {n: made for n, made in whole.items() if isinstance(made, AblationFrames)}
        if len(ablations) == len(names) > 1:
            return self._arm_by_arm(ablations)
        return [{name: self._side(name, whole.get(name)) for name in names}]

    def conclude(self, groups: Sequence[Sequence[Side]]) -> Conclusions:
        """Compare the sides of every group with its first one, all of them as one family.

        What the audits of their studies and of each group together find holds.
        """
        against: dict[str, tuple[Comparator, ...]] = {}
        findings: list[FindingRow] = []
        for sides in groups:
            first, *others = (side.name for side in sides)
            beside = (Comparator(first, Relation.REFERENCE),)
            against |= {first: (), **dict.fromkeys(others, beside)}
            findings += self._found(sides)
        together = analysis.side_by_side([side for sides in groups for side in sides])
        return analysis.conclude(together, findings, against)

    def _found(self, sides: Sequence[Side]) -> list[FindingRow]:
        """Return what is found of each of some sides, and of all of them together."""
        names = tuple(side.name for side in sides)
        found = [
            row for side in sides for row in analysis.findings_of(side, self._audit(side.frames))
        ]
        known = analysis.ArmEstimates(analysis.side_by_side(sides))
        studies = dict.fromkeys(side.frames.name for side in sides)
        together = as_rows(audit_sides(self._store, known, studies))
        return [*found, *(row._replace(arms=row.arms or names) for row in together)]

    def _read(self, study: str) -> Frames:
        if study not in self._frames:
            self._frames[study] = analysis.load(self._store, study)
        return self._frames[study]

    def _audit(self, study: Frames) -> tuple[FindingRow, ...]:
        if study.name not in self._findings:
            self._findings[study.name] = audited(self._store, study).findings
        return self._findings[study.name]

    def _arm_by_arm(self, studies: Mapping[str, AblationFrames]) -> list[dict[str, Side]]:
        first = next(iter(studies.values()))
        names = [arm.name for arm in first.definition.trained]
        common = [
            arm
            for arm in sorted(names, key=lambda name: name != first.definition.reference)
            if all((frames.current["arm"] == arm).any() for frames in studies.values())
        ]
        if not common:
            raise RequestError(f"{' and '.join(studies)} have no arm in common that has run")
        return [
            {study: self._arm(frames, arm) for study, frames in studies.items()} for arm in common
        ]

    def _side(self, name: str, study: Frames | None) -> Side:
        if isinstance(study, SearchFrames):
            best = analysis.best_trial(study)
            if best is None:
                if infeasible := count_infeasible(study.trials):
                    raise RequestError(f"{name} has no best trial: {none_feasible(infeasible)}")
                raise RequestError(f"{name} has no complete trial yet, so it has no best one")
            return self._trial(study, best.number)
        if study is not None:
            reference = study.definition.reference
            if reference is None:
                raise RequestError(f"{name} declares no reference: name an arm of it, {name}/ARM")
            return self._arm(study, reference)
        if (trial := trial_named(name)) is not None:
            return self._trial(self._read(trial[0]), trial[1])
        owner, _, arm = name.partition("/")
        frames = self._read(owner)
        if not arm or not isinstance(frames, AblationFrames):
            raise RequestError(f"{quoted(name)}: a search has trials, no arms: {owner}/NUMBER")
        return self._arm(frames, arm)

    def _trial(self, frames: Frames, number: int) -> Side:
        runs = analysis.runs_of_trial(frames, number)
        arm = runs["arm"].iloc[0]
        return self._made(f"{frames.name}/{number}", frames, runs, arm)

    def _arm(self, frames: AblationFrames, arm: str) -> Side:
        return self._made(f"{frames.name}/{arm}", frames, analysis.runs_of_arm(frames, arm), arm)

    def _made(self, name: str, frames: Frames, runs: pd.DataFrame, arm: str | None) -> Side:
        config = self._store.run_config(int(runs["run_id"].iloc[0]))
        return Side(name, frames, runs, config, arm)


def _checked(names: list[str]) -> list[str]:
    if len(names) == 1:
        raise RequestError(f"{quoted(names[0])} alone can't be compared: name at least two")
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise RequestError(f"{quoted(repeated)} is named twice: name what it is compared with")
    return names


def _is_file(name: str) -> bool:
    return Path(name).suffix in _CONFIGS


def _seconds(wait: float | str) -> float:
    try:
        return parse_duration(wait)
    except ValueError as error:
        raise RequestError(f"--wait {quoted(wait)}: {error}") from None


def _resolve(
    files: Sequence[str], request: Request, patience: float
) -> tuple[dict[str, Config], tuple[Derived, ...]]:
    """Fill in every default of config files, and say in which numbers what is built differs.

    Building all of them takes at most so many seconds of `patience`; with none nothing is built.
    """
    studies = {name: written_config([Path(name)]) for name in files}
    # Modules of one name may lie in folders of several projects.
    projects: dict[tuple[Path, ...], list[str]] = {}
    for name, study in studies.items():
        projects.setdefault(study.import_folders(), []).append(name)
    resolved: dict[str, Config] = {}
    plans: dict[str, Plan] = {}
    builds = patience > 0
    for folders, names in projects.items():
        with request.launched(folders) as launched:
            for name in names:
                resolved[name] = resolve_base(request.prepare(studies[name], launched), launched)
            if not builds:
                continue
            request.say(
                f"building {' and '.join(names)}, {clock(patience)} at most "
                "(--wait gives them longer, --static builds nothing)"
            )
            began = time.monotonic()
            configs = [resolved[name] for name in names]
            found = look_at(launched, configs, Asked(steps=False), patience=patience)
            took = time.monotonic() - began
            patience -= took
            for name, facts in zip(names, found, strict=True):
                if isinstance(facts, Facts):
                    plans[name] = plan_config(resolved[name], facts)
                else:
                    request.say(f"{name}: nothing is said of its length: {facts}")
            # What is known of some of them alone can't be set side by side.
            builds = patience > 0 and len(plans) == len(resolved)
            if builds:
                request.say(f"built in {clock(took)}")
    whole = len(plans) == len(files)
    return resolved, compare_plans([plans[name] for name in files]) if whole else ()


def _described(name: str, side: Side | None, *, arms: int) -> Compared:
    if side is None:
        return Compared(name, Kind.CONFIG, name)
    if trial_named(name) is not None:
        return Compared(name, Kind.TRIAL, side.name)
    if name != side.frames.name:
        return Compared(name, Kind.ARM, side.name)
    stands_for = side.name if arms == 1 else f"{arms} arms"
    return Compared(name, Kind.STUDY, stands_for)


def _differences(configs: Sequence[Config]) -> Iterator[Difference]:
    """Yield the leaves that are not the same in all configs, sorted by path."""
    leaves = [paths.flatten(dict(config)) for config in configs]
    for path in sorted(set().union(*leaves)):
        values = [made.get(path) for made in leaves]
        if any(value != values[0] for value in values):
            yield Difference(path, tuple(hidden(path, value) for value in values))
