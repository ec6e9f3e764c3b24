"""Frames of imagined studies, without a database."""

from datetime import UTC, datetime, timedelta

from ablate.analysis import Frames, metrics_frame, runs_frame
from ablate.store import MetricRow, RunRecord, StudyRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFINITION = {
    "config": {"x": 0},
    "arms": {"b": {}, "a": {"x": 1}},
    "floor": {"zero": {"x": 2}},
    "reference": "b",
    "seeds": [1, 2],
    "metrics": {"acc": "maximize", "loss": "minimize"},
    "objective": {"metric": "loss", "direction": "minimize", "at": "best"},
}


def run(run_id, **changes):
    """Imagine a complete run of arm a with seed 1, in a trial numbered like the run."""
    values = {
        "study": "s",
        "trial": run_id,
        "arm": "a",
        "seed": 1,
        "attempt": 0,
        "definition_id": 1,
        "status": "complete",
        "reason": None,
        "config_hash": "abc",
        "parameters": 10,
        "profile": "cpu",
        "device": "CPU",
        "environment": "e",
        "code_version": "c",
        "directory": "d",
        "epochs": 3,
        "steps": 30,
        "created_at": NOW,
        "finished_at": NOW + timedelta(seconds=5),
    }
    return RunRecord(id=run_id, **(values | changes))


def frames(runs, curves, definition=DEFINITION, *, kind="ablation", earlier=None, trials=()):
    """Arrange runs and their curves {(run id, metric): values} as frames.

    `earlier` is the body of definition 0.
    """
    rows = [
        MetricRow(run_id, "val", name, 10 * epoch, epoch, value)
        for (run_id, name), values in curves.items()
        for epoch, value in enumerate(values)
    ]
    record = StudyRecord("s", kind, definition, 1, "cpu", NOW)
    bodies = {1: definition, 0: earlier or definition}
    return Frames(runs_frame(runs, record, bodies), metrics_frame(rows), record, trials)
