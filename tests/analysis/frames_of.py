"""Frames of imagined studies, without a database."""

from datetime import UTC, datetime, timedelta

from ablate.analysis import AblationFrames, SearchFrames, metrics_frame, runs_frame
from ablate.spec import Direction, Objective, Status
from ablate.store import MetricRow, RunRecord
from ablate.testing.definitions import ablation, search

NOW = datetime(2026, 1, 1, tzinfo=UTC)
METRICS = {"acc": Direction.MAXIMIZE, "loss": Direction.MINIMIZE}
OBJECTIVE = Objective(metric="loss", direction=Direction.MINIMIZE, at="best")


def definition(**changes):
    """Define the imagined ablation: two arms and a floor, two seeds and two metrics."""
    known = {
        "config": {"x": 0},
        "arms": {"b": {}, "a": {"x": 1}},
        "floor": {"zero": {"x": 2}},
        "reference": "b",
        "seeds": (1, 2),
        "metrics": METRICS,
        "objective": OBJECTIVE,
    }
    return ablation(**(known | changes))


def run(run_id, **changes):
    """Imagine a complete run of arm a with seed 1, in a trial numbered like the run."""
    values = {
        "study": "s",
        "trial": run_id,
        "arm": "a",
        "seed": 1,
        "attempt": 0,
        "definition_id": 1,
        "status": Status.COMPLETE,
        "cause": None,
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


def frames(runs, curves, current=None, *, earlier=None):
    """Arrange runs of an ablation and their curves {(run id, metric): values} as frames.

    `current` is definition 1, `earlier` definition 0.
    """
    current = current or definition()
    arranged = runs_frame(runs, current, {1: current, 0: earlier or current})
    return AblationFrames("s", current, arranged, metrics(curves))


def search_frames(runs, trials=(), **changes):
    """Arrange trials of a search and their runs as frames."""
    current = search(**changes)
    arranged = runs_frame(runs, current, {1: current})
    return SearchFrames("s", current, arranged, metrics({}), trials=trials)


def metrics(curves):
    """Arrange curves {(run id, metric): values} as a frame."""
    return metrics_frame(
        MetricRow(run_id, "val", name, 10 * epoch, epoch, value)
        for (run_id, name), values in curves.items()
        for epoch, value in enumerate(values)
    )
