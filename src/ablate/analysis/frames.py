"""A study as pandas frames: the one read from the store that every table and figure shares."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import pandas as pd

from ablate.store import MetricRow, RunRecord, Store, StudyRecord, TrialRecord

CURRENT = "current"
EARLIER_ATTEMPT = "earlier attempt"
RUN_AGAIN = "run again later"
EARLIER_DEFINITION = "earlier definition"

Definition: TypeAlias = Mapping[str, Any]
_COUNTS = ("parameters", "epochs", "steps")


@dataclass(frozen=True)
class Frames:
    """A study in memory.

    `runs` has one row per run in the order trial, seed, attempt: the columns of `RunRecord`
    with the id as `run_id`, `seconds`, and `standing`: "current" for the one run that speaks
    for its cell (arm and seed of an ablation, trial and seed of a search), otherwise why it
    does not. `metrics` has the columns run_id, phase, name, step, epoch, value.
    """

    runs: pd.DataFrame
    metrics: pd.DataFrame
    record: StudyRecord
    trials: tuple[TrialRecord, ...] = ()
    environments: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def definition(self) -> Definition:
        """The current definition of the study."""
        return self.record.definition

    @property
    def current(self) -> pd.DataFrame:
        """The runs that speak for their cells."""
        return self.runs[self.runs["standing"] == CURRENT]


def load(store: Store, study: str) -> Frames:
    """Read a study from the store; raise NotFoundError with near names if there is none."""
    record = store.require_study(study)
    definitions = {item.id: item.body for item in store.definitions(study)}
    search = record.kind == "search"
    return Frames(
        runs=runs_frame(store.runs(study), record, definitions),
        metrics=metrics_frame(store.metrics(study)),
        record=record,
        trials=tuple(store.trials(study)) if search else (),
        environments=store.environments(study),
    )


def runs_frame(
    runs: list[RunRecord], record: StudyRecord, definitions: Mapping[int, Definition]
) -> pd.DataFrame:
    """Arrange runs as the frame `Frames` describes; `definitions` are by their id."""
    names = [field.name for field in fields(RunRecord) if field.name not in {"study", "config"}]
    frame = pd.DataFrame([[getattr(run, name) for name in names] for run in runs], columns=names)
    frame = frame.rename(columns={"id": "run_id"}).astype(dict.fromkeys(_COUNTS, "Int64"))
    frame = frame.astype(
        {"created_at": "datetime64[us, UTC]", "finished_at": "datetime64[us, UTC]"}
    )
    frame["seconds"] = (frame["finished_at"] - frame["created_at"]).dt.total_seconds()
    frame = frame.sort_values(["trial", "seed", "attempt"], ignore_index=True)
    frame["standing"] = _standings(frame, record, definitions)
    return frame


def metrics_frame(rows: Iterable[MetricRow]) -> pd.DataFrame:
    """Arrange metric values as the frame `Frames` describes."""
    frame = pd.DataFrame(list(rows), columns=MetricRow._fields)
    return frame.astype({"run_id": int, "step": int, "epoch": int, "value": float})


def basis(definition: Definition, arm: str) -> dict[str, Any] | None:
    """Return what the runs of an arm depend on: base config and changes; None if undeclared.

    In a ladder an arm keeps the changes of the arms before it.
    """
    arms: Mapping[str, Any] = definition.get("arms") or {}
    floor: Mapping[str, Any] = definition.get("floor") or {}
    changes: dict[str, Any] = {}
    if arm in floor:
        changes = dict(floor[arm] or {})
    elif arm in arms:
        for name, own in arms.items():
            if definition.get("design") != "ladder":
                changes = {}
            changes.update(own or {})
            if name == arm:
                break
    else:
        return None
    return {"config": definition.get("config"), "changes": changes}


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
    """Return the validation curve of a metric for every current run, non-finite values too.

    Columns: arm, seed, trial, run_id, epoch, step, value; ordered by trial, seed and step.
    """
    values = frames.metrics
    values = values[(values["phase"] == "val") & (values["name"] == metric)]
    keys = frames.current[["arm", "seed", "trial", "run_id"]]
    merged = keys.merge(values[["run_id", "epoch", "step", "value"]], on="run_id")
    return merged.sort_values(["trial", "seed", "step"], ignore_index=True)


def metric_names(frames: Frames) -> list[str]:
    """Return the names of all validation metrics, sorted."""
    phase = frames.metrics["phase"] == "val"
    return sorted(frames.metrics.loc[phase, "name"].unique())


def _standings(
    frame: pd.DataFrame, record: StudyRecord, definitions: Mapping[int, Definition]
) -> pd.Series:
    standing = pd.Series(CURRENT, index=frame.index, dtype=object)
    if record.kind == "ablation":
        keys = list(zip(frame["definition_id"].tolist(), frame["arm"].tolist(), strict=True))
        # An arm that the current definition no longer declares still speaks for itself.
        outdated = {
            (made, arm)
            for made, arm in set(keys)
            if (now := basis(record.definition, arm)) is not None
            and made in definitions
            and basis(definitions[made], arm) != now
        }
        standing[[key in outdated for key in keys]] = EARLIER_DEFINITION
    open_runs = frame[standing == CURRENT]
    repeated = open_runs.duplicated(["trial", "seed"], keep="last")
    standing[repeated.index[repeated]] = EARLIER_ATTEMPT
    if record.kind == "ablation":
        open_runs = frame[standing == CURRENT]
        repeated = open_runs.duplicated(["arm", "seed"], keep="last")
        standing[repeated.index[repeated]] = RUN_AGAIN
    return standing
