"""One run of one configuration, and the processes that runs live in."""

from ablate.run.environment import WorkerFacts, code_version
from ablate.run.launchers import InProcessLauncher, Launcher, LocalLauncher
from ablate.run.messages import (
    Answered,
    Built,
    Call,
    Decision,
    Event,
    Finished,
    Job,
    Lost,
    Probe,
    Probed,
    Progress,
    Ready,
    Reported,
    Resolve,
    Resolved,
    Run,
    Started,
)

__all__ = [
    "Answered",
    "Built",
    "Call",
    "Decision",
    "Event",
    "Finished",
    "InProcessLauncher",
    "Job",
    "Launcher",
    "LocalLauncher",
    "Lost",
    "Probe",
    "Probed",
    "Progress",
    "Ready",
    "Reported",
    "Resolve",
    "Resolved",
    "Run",
    "Started",
    "WorkerFacts",
    "code_version",
]
