"""Configs and jobs around the toy system, and a channel that remembers what it is told."""

import copy
from collections.abc import Callable
from typing import Any

from ablate.run import Decision, Event, Finished, Job, Progress, Reported
from ablate.spec import paths

TOY = {
    "seed_everything": 1,
    "model": {"class_path": "tests.toy.Toy", "init_args": {"width": 4}},
    "data": {"class_path": "tests.toy.Points", "init_args": {"count": 32, "batch_size": 8}},
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


def model(name: str, **arguments: Any) -> dict[str, Any]:
    """Return a change that puts one of the tests' own modules in place of the toy."""
    return {"model": {"class_path": f"tests.run.modules.{name}", "init_args": arguments}}


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

    def finished(self, job: int = 1) -> Finished:
        """Return how a job ended; there is exactly one end."""
        (end,) = [event for event in self.of(job) if isinstance(event, Finished)]
        return end


def run(number: int, directory: Any, changes: dict[str, Any] | None = None, **more: Any) -> Job:
    """Return a job that trains the toy in a directory."""
    more.setdefault("metric", "val_loss")
    return Job(number, "run", toy(changes), directory=str(directory), **more)
