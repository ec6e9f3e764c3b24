"""Search, replay and what they share: the coordinator of one study."""

from ablate.study.confirm import confirm
from ablate.study.failed_run import FailedRun
from ablate.study.freeze import freeze_trial
from ablate.study.goal_news import GoalNews
from ablate.study.matrix import Matrix, matrix
from ablate.study.replay import ReplaySummary, Subject
from ablate.study.search import SearchSummary, search
from ablate.study.setup import Request
from ablate.study.snapshot import Snapshot
from ablate.study.verify import Verification, verify

__all__ = [
    "FailedRun",
    "GoalNews",
    "Matrix",
    "ReplaySummary",
    "Request",
    "SearchSummary",
    "Snapshot",
    "Subject",
    "Verification",
    "confirm",
    "freeze_trial",
    "matrix",
    "search",
    "verify",
]
