"""What a run will take and what is expected of it, by arithmetic alone; pure."""

from ablate.plan.goals import GoalTracker, Judgement, Kind, Measured, Verdict
from ablate.plan.steps import optimizer_steps, train_records

__all__ = [
    "GoalTracker",
    "Judgement",
    "Kind",
    "Measured",
    "Verdict",
    "optimizer_steps",
    "train_records",
]
