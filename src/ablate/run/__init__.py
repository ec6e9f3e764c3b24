"""One run of one configuration, and the processes that runs live in."""

from ablate.run.environment import code_version
from ablate.run.launcher import InProcessLauncher, Launcher, LocalLauncher
from ablate.run.messages import (
    Answered,
    Decision,
    Event,
    Finished,
    Job,
    Lost,
    Probed,
    Progress,
    Ready,
    Reported,
    Resolved,
    Started,
)

__all__ = [
    "Answered",
    "Decision",
    "Event",
    "Finished",
    "InProcessLauncher",
    "Job",
    "Launcher",
    "LocalLauncher",
    "Lost",
    "Probed",
    "Progress",
    "Ready",
    "Reported",
    "Resolved",
    "Started",
    "code_version",
]
