"""A study as pandas frames: the one read from the store that every table and figure shares."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablate.errors import NotFoundError
from ablate.spec import AblationDefinition, Definition, SearchDefinition
from ablate.store import (
    Environment,
    FindingRow,
    MetricColumns,
    MetricRow,
    RunRecord,
    Store,
    TrialRecord,
)

CURRENT = "current"
EARLIER_ATTEMPT = "earlier attempt"
RUN_AGAIN = "run again later"
EARLIER_DEFINITION = "earlier definition"

_COUNTS = ("parameters", "epochs", "steps")


@dataclass(frozen=True, eq=False)
class Values:
    """What the current runs recorded of one metric, as arrays of equal length.

    `run` is the place of the run among the current ones; the values are by run and step.
    """

    run: NDArray[np.intp]
    step: NDArray[np.int64]
    epoch: NDArray[np.int64]
    value: NDArray[np.float64]

    def take(self, chosen: NDArray[Any]) -> "Values":
        """Return the values at places, or those that a mask chooses."""
        return Values(*(getattr(self, item.name)[chosen] for item in fields(self)))

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """Where the values of each run begin that has some."""
        return np.flatnonzero(np.diff(self.run, prepend=-1))

    @property
    def ends(self) -> NDArray[np.intp]:
        """Where the last value of each run is that has some."""
        return np.append(self.starts[1:], len(self.run))[: len(self.starts)] - 1


@dataclass(frozen=True)
class _Frames:
    """A study in memory.

    `runs` has one row per run in the order trial, seed, attempt: the columns of `RunRecord`
    with the id as `run_id`, `seconds`, and `standing`: "current" for the one run that speaks
    for its cell (arm and seed of an ablation, trial and seed of a search), otherwise why it
    does not. `metrics` has the columns run_id, phase, name, step, epoch, value.
    """

    name: str
    definition: Definition
    runs: pd.DataFrame
    metrics: pd.DataFrame
    environments: Mapping[str, Environment] = field(default_factory=dict)

    @cached_property
    def current(self) -> pd.DataFrame:
        """The runs that speak for their cells."""
        return self.runs[self.runs["standing"] == CURRENT]

    @cached_property
    def values_read(self) -> pd.DataFrame:
        """The recorded values that count as those of their metric: each of one phase.

        They are those of validation, and those of training for `training_metrics`.
        """
        read = self._validation != self.metrics["name"].isin(self.training_metrics)
        return self.metrics if read.all() else self.metrics[read]

    @cached_property
    def training_metrics(self) -> tuple[str, ...]:
        """The metrics of the study that its current runs log in training alone."""
        current, validation = self.current["run_id"], self._validation

        def logged(name: str, phase: NDArray[np.bool_]) -> bool:
            runs = self.metrics.loc[phase & (self.metrics["name"] == name), "run_id"]
            return bool(runs.isin(current).any())

        if validation.all():
            return ()
        return tuple(
            name
            for name in shown_metrics(self.definition)
            if logged(name, ~validation) and not logged(name, validation)
        )

    @cached_property
    def _validation(self) -> NDArray[np.bool_]:
        return (self.metrics["phase"] == "val").to_numpy()

    @cached_property
    def _values(self) -> dict[str, Values]:
        return {}

    def values_of(self, metric: str) -> Values:
        """Return the values of a metric that count as its own, of the current runs."""
        if metric not in self._values:
            self._values[metric] = self._arrange(metric)
        return self._values[metric]

    def _arrange(self, metric: str) -> Values:
        of_phase = ~self._validation if metric in self.training_metrics else self._validation
        found = np.flatnonzero(of_phase & (self.metrics["name"] == metric))
        ids = self.current["run_id"].to_numpy()
        by_id = np.argsort(ids)
        run_id = self.metrics["run_id"].to_numpy()[found]
        place = np.searchsorted(ids, run_id, sorter=by_id)
        known = place < len(ids)
        run = by_id[place[known]]
        known[known] = ids[run] == run_id[known]
        found, run = found[known], by_id[place[known]]
        step = self.metrics["step"].to_numpy()[found]
        same = run[1:] == run[:-1]
        if not np.where(same, step[1:] >= step[:-1], run[1:] > run[:-1]).all():
            order = np.lexsort((step, run))
            found, run, step = found[order], run[order], step[order]
        epoch, value = (self.metrics[name].to_numpy()[found] for name in ("epoch", "value"))
        return Values(run, step, epoch, value)


@dataclass(frozen=True)
class SearchFrames(_Frames):
    """A search in memory, with its trials by number."""

    definition: SearchDefinition
    trials: tuple[TrialRecord, ...] = ()


@dataclass(frozen=True)
class AblationFrames(_Frames):
    """An ablation in memory, and what its latest audit found (None: it was not audited)."""

    definition: AblationDefinition
    audited: tuple[FindingRow, ...] | None = None


Frames: TypeAlias = SearchFrames | AblationFrames


def load(store: Store, study: str, *, metrics: bool = True) -> Frames:
    """Read a study from the store; raise NotFoundError with near names if there is none.

    Without `metrics` no value of a metric is read.
    """
    record = store.require_study(study)
    definitions = {made.id: made.definition for made in store.definitions(study)}
    runs = runs_frame(store.runs(study), record.definition, definitions)
    trained = _trained_metrics(record.definition)
    values = _joined(store.metric_columns(study, trained) if metrics else ())
    environments = store.environments(study)
    if isinstance(record.definition, SearchDefinition):
        trials = tuple(store.trials(study))
        return SearchFrames(study, record.definition, runs, values, environments, trials)
    audit = store.audit(record.definition_id)
    found = audit.findings if audit else None
    return AblationFrames(study, record.definition, runs, values, environments, found)


def load_ablation(store: Store, study: str) -> AblationFrames:
    """Read an ablation from the store; raise NotFoundError if there is none of this name."""
    frames = load(store, study)
    if not isinstance(frames, AblationFrames):
        raise NotFoundError(f"{study!r} in {store.url_shown} is a search, not an ablation")
    return frames


def load_search(store: Store, study: str) -> SearchFrames:
    """Read a search from the store; raise NotFoundError if there is none of this name."""
    frames = load(store, study)
    if not isinstance(frames, SearchFrames):
        raise NotFoundError(f"{study!r} in {store.url_shown} is an ablation, not a search")
    return frames


def runs_frame(
    runs: list[RunRecord], definition: Definition, definitions: Mapping[int, Definition]
) -> pd.DataFrame:
    """Arrange runs as the frame `Frames` describes; `definitions` are by their id."""
    names = [field.name for field in fields(RunRecord) if field.name not in {"study", "config"}]
    frame = pd.DataFrame([[getattr(run, name) for name in names] for run in runs], columns=names)
    frame = frame.rename(columns={"id": "run_id"}).astype(dict.fromkeys(_COUNTS, "Int64"))
    frame = frame.astype(
        {"created_at": "datetime64[us, UTC]", "finished_at": "datetime64[us, UTC]"}
    )
    took = (frame["finished_at"] - frame["created_at"]).dt.total_seconds()
    frame["seconds"] = took.clip(lower=0.0)  # the clock may have been set back
    frame = frame.sort_values(["trial", "seed", "attempt"], ignore_index=True)
    frame["standing"] = _standings(frame, definition, definitions)
    return frame


def metrics_frame(rows: Iterable[MetricRow]) -> pd.DataFrame:
    """Arrange metric values as the frame `Frames` describes."""
    frame = pd.DataFrame(list(rows), columns=MetricRow._fields)
    return frame.astype({"run_id": int, "step": int, "epoch": int, "value": float})


def _joined(columns: Iterable[MetricColumns]) -> pd.DataFrame:
    """Arrange columns of metrics as the frame `Frames` describes; the words are categories."""
    parts = list(columns)
    lengths = [len(part.value) for part in parts]

    def words(of: list[str]) -> "pd.Categorical[str]":
        known = sorted(set(of))
        places = {word: place for place, word in enumerate(known)}
        codes = np.array([places[word] for word in of], dtype=np.int32).repeat(lengths)
        return pd.Categorical.from_codes(codes, categories=pd.Index(known, dtype=str))

    def joined(name: str, kind: type) -> NDArray[Any]:
        return np.concatenate([np.empty(0, kind), *(getattr(part, name) for part in parts)])

    return pd.DataFrame(
        {
            "run_id": joined("run_id", int),
            "phase": words([part.phase for part in parts]),
            "name": words([part.name for part in parts]),
            "step": joined("step", int),
            "epoch": joined("epoch", int),
            "value": joined("value", float),
        },
        copy=False,
    )


def shown_metrics(definition: Definition) -> tuple[str, ...]:
    """Name the metrics that a study is about: that of its objective, and those it declares."""
    declared = definition.metrics if isinstance(definition, AblationDefinition) else {}
    return tuple(dict.fromkeys([definition.objective.metric, *declared]))


def _trained_metrics(definition: Definition) -> tuple[str, ...]:
    """Name the metrics whose values in training are read."""
    told = definition.episodes if isinstance(definition, AblationDefinition) else None
    return (*shown_metrics(definition), *(told.metrics if told else ()))


def same_basis(definition: AblationDefinition, other: AblationDefinition, arm: str) -> bool:
    """Say whether the runs of an arm depend on the same under two definitions.

    They depend on the base config and on the changes of the arm.
    """
    here, there = definition.arm(arm), other.arm(arm)
    return (
        definition.config == other.config
        and here is not None
        and there is not None
        and dict(here.changes) == dict(there.changes)
    )


def run_list(frames: Frames) -> pd.DataFrame:
    """List every run, earlier attempts too, by trial, seed and attempt."""
    return frames.runs[
        [
            "run_id",
            "trial",
            "arm",
            "seed",
            "attempt",
            "status",
            "cause",
            "standing",
            "reason",
            "config_hash",
            "parameters",
            "epochs",
            "steps",
            "seconds",
            "profile",
            "device",
            "environment",
            "code_version",
            "directory",
            "created_at",
            "finished_at",
        ]
    ]


def curves(frames: Frames, metric: str, runs: Collection[int] | None = None) -> pd.DataFrame:
    """Return the curve of a metric for every current run, non-finite values too.

    With `runs`, those of these run ids alone. Columns: arm, seed, trial, run_id, epoch, step,
    value; ordered by trial, seed and step.
    """
    values = frames.values_of(metric)
    if runs is not None:
        values = values.take(frames.current["run_id"].isin(runs).to_numpy()[values.run])
    keys = frames.current[["arm", "seed", "trial", "run_id"]]
    found = keys.iloc[values.run].reset_index(drop=True)
    return found.assign(epoch=values.epoch, step=values.step, value=values.value)


def metric_names(frames: Frames) -> list[str]:
    """Return the names of all metrics that `values_read` of the frames has, sorted."""
    return sorted(frames.values_read["name"].unique())


def _standings(
    frame: pd.DataFrame, definition: Definition, definitions: Mapping[int, Definition]
) -> pd.Series:
    standing = pd.Series(CURRENT, index=frame.index, dtype=object)
    if isinstance(definition, AblationDefinition):
        keys = list(zip(frame["definition_id"].tolist(), frame["arm"].tolist(), strict=True))
        # An arm that the current definition no longer declares still speaks for itself.
        outdated = {
            (made, arm)
            for made, arm in set(keys)
            if definition.arm(arm) is not None
            and isinstance(earlier := definitions.get(made), AblationDefinition)
            and not same_basis(definition, earlier, arm)
        }
        standing[[key in outdated for key in keys]] = EARLIER_DEFINITION
    open_runs = frame[standing == CURRENT]
    repeated = open_runs.duplicated(["trial", "seed"], keep="last")
    standing[repeated.index[repeated]] = EARLIER_ATTEMPT
    if isinstance(definition, AblationDefinition):
        open_runs = frame[standing == CURRENT]
        repeated = open_runs.duplicated(["arm", "seed"], keep="last")
        standing[repeated.index[repeated]] = RUN_AGAIN
    return standing
