"""A study as pandas frames: the one read from the store that every table and figure shares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TypeAlias

import pandas as pd

from ablate.errors import NotFoundError
from ablate.spec import AblationDefinition, Definition, SearchDefinition
from ablate.store import Environment, FindingRow, MetricRow, RunRecord, Store, TrialRecord

CURRENT = "current"
EARLIER_ATTEMPT = "earlier attempt"
RUN_AGAIN = "run again later"
EARLIER_DEFINITION = "earlier definition"

_COUNTS = ("parameters", "epochs", "steps")


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
        validation = self.metrics["phase"] == "val"
        trained = self.metrics["name"].isin(self.training_metrics)
        return self.metrics[validation != trained]

    @cached_property
    def training_metrics(self) -> tuple[str, ...]:
        """The metrics of the study that its current runs log in training alone."""
        definition = self.definition
        declared = definition.metrics if isinstance(definition, AblationDefinition) else {}
        names = dict.fromkeys([definition.objective.metric, *declared])
        values = self.metrics[self.metrics["name"].isin(names)]
        values = values[values["run_id"].isin(self.current["run_id"])]
        validation = values["phase"] == "val"
        logged = set(values.loc[~validation, "name"]) - set(values.loc[validation, "name"])
        return tuple(name for name in names if name in logged)


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


def load(store: Store, study: str) -> Frames:
    """Read a study from the store; raise NotFoundError with near names if there is none."""
    record = store.require_study(study)
    definitions = {made.id: made.definition for made in store.definitions(study)}
    runs = runs_frame(store.runs(study), record.definition, definitions)
    metrics = metrics_frame(store.metrics(study))
    environments = store.environments(study)
    if isinstance(record.definition, SearchDefinition):
        trials = tuple(store.trials(study))
        return SearchFrames(study, record.definition, runs, metrics, environments, trials)
    audit = store.audit(record.definition_id)
    found = audit.findings if audit else None
    return AblationFrames(study, record.definition, runs, metrics, environments, found)


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


def curves(frames: Frames, metric: str) -> pd.DataFrame:
    """Return the curve of a metric for every current run, non-finite values too.

    Columns: arm, seed, trial, run_id, epoch, step, value; ordered by trial, seed and step.
    """
    values = frames.values_read
    values = values[values["name"] == metric]
    keys = frames.current[["arm", "seed", "trial", "run_id"]]
    merged = keys.merge(values[["run_id", "epoch", "step", "value"]], on="run_id")
    return merged.sort_values(["trial", "seed", "step"], ignore_index=True)


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
