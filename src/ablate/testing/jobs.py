"""Configs and jobs around the toy system, and a channel that remembers what it is told."""

import copy
from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningModule

from ablate.run import (
    Built,
    Decision,
    Event,
    Finished,
    Job,
    Probe,
    Progress,
    Reported,
    Resolve,
    Run,
    Started,
)
from ablate.run.environment import worker_facts
from ablate.run.execute import execute as do_job
from ablate.spec import Cause, Goals, Outcome, Status, paths
from ablate.spec.goals import NO_GOALS

TOY = {
    "seed_everything": 1,
    "model": {"class_path": "ablate.testing.toy.Toy", "init_args": {"width": 4}},
    "data": {
        "class_path": "ablate.testing.toy.Points",
        "init_args": {"count": 32, "batch_size": 8},
    },
    "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01}},
    "trainer": {
        "max_epochs": 2,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "log_every_n_steps": 1,
    },
}
STEPS_PER_EPOCH = 4


def toy(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the toy config with other values at some dotted paths."""
    config = copy.deepcopy(TOY)
    for path, value in (changes or {}).items():
        paths.put(config, path, copy.deepcopy(value))
    return config


def model(kind: type[LightningModule], **arguments: Any) -> dict[str, Any]:
    """Return a change that puts another module in place of the toy."""
    path = f"{kind.__module__}.{kind.__qualname__}"
    return {"model": {"class_path": path, "init_args": arguments}}


class Record:
    """A channel that keeps every event, and stops runs as `decide` says."""

    def __init__(self, decide: Callable[[Reported], Decision] | None = None) -> None:
        self.events: list[Event] = []
        self._decide = decide

    def __call__(self, event: Event) -> Decision:
        self.events.append(event)
        if self._decide and isinstance(event, Reported) and event.objective is not None:
            return self._decide(event)
        return "continue"

    def of(self, job: int) -> list[Event]:
        """Return the events of one job."""
        return [event for event in self.events if getattr(event, "job", None) == job]

    def kinds(self, job: int = 1) -> list[str]:
        """Name the events of one job, in order; signs of life, which come by the clock, aside."""
        return [type(event).__name__ for event in self.of(job) if not isinstance(event, Progress)]

    def reports(self, phase: str | None = None, job: int = 1) -> list[Reported]:
        """Return a job's reports, of one phase or of all."""
        return [e for e in self.of(job) if isinstance(e, Reported) and phase in {None, e.phase}]

    def series(self, name: str, job: int = 1) -> list[float]:
        """Return the values of a metric in the order they were reported."""
        return [e.metrics[name] for e in self.reports(job=job) if name in e.metrics]

    def started(self, job: int = 1) -> Started:
        """Return how a run started; it does so once."""
        (start,) = [event for event in self.of(job) if isinstance(event, Started)]
        return start

    def built(self, job: int = 1) -> Built:
        """Return what a run has built, once."""
        (built,) = [event for event in self.of(job) if isinstance(event, Built)]
        return built

    def finished(self, job: int = 1) -> Finished:
        """Return how a job ended; there is exactly one end."""
        (end,) = [event for event in self.of(job) if isinstance(event, Finished)]
        return end

    def outcome(self, job: int = 1) -> Outcome:
        """Return the outcome of a job that ended."""
        return self.finished(job).outcome

    def status(self, job: int = 1) -> Status:
        """Return the status in which a job ended."""
        return self.outcome(job).status

    def cause(self, job: int = 1) -> Cause | None:
        """Return why a job ended as it did."""
        return self.outcome(job).cause


def resolve(number: int, changes: dict[str, Any] | None = None) -> Resolve:
    """Return a job that fills in the toy's defaults."""
    return Resolve(number, toy(changes))


def probe(
    number: int,
    changes: dict[str, Any] | None = None,
    metric: str = "val_loss",
    goals: Goals = NO_GOALS,
) -> Probe:
    """Return a job that tries the toy on one batch."""
    return Probe(number, toy(changes), metric, goals=goals)


def run(number: int, directory: Any, changes: dict[str, Any] | None = None, **more: Any) -> Run:
    """Return a job that trains the toy in a directory, unsupervised and afresh."""
    asked: dict[str, Any] = {
        "metric": "val_loss",
        "identity": {},
        "supervised": False,
        "resume": False,
        "checkpoint_every": 5.0,
    }
    return Run(number, toy(changes), directory=str(directory), **{**asked, **more})


def execute(
    job: Job, channel: Callable[[Event], Decision], interrupted: Callable[[], bool] | None = None
) -> None:
    """Do a job in this process."""
    do_job(job, channel, worker_facts(), interrupted or (lambda: False))
