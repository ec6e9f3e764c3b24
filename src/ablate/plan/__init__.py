"""What a run will take, by arithmetic alone; pure."""

from ablate.plan.steps import optimizer_steps, train_records

__all__ = ["optimizer_steps", "train_records"]
