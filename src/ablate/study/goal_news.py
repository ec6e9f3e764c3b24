"""What is told of a goal that is decided in a run, when it is."""

from dataclasses import dataclass

from ablate.plan import Judgement


@dataclass(frozen=True)
class GoalNews:
    """A goal that a run has reached or missed, or that is pending at its end."""

    trial: int
    arm: str | None
    seed: int | None
    judgement: Judgement
