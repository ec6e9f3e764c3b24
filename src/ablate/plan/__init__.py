"""What a run will take and what is expected of it, by arithmetic alone; pure."""

from ablate.plan.configured import (
    Kept,
    Meaning,
    Plan,
    Seconds,
    Sizes,
    Wishes,
    check_unbuilt,
    fit_config,
    plan_config,
)
from ablate.plan.constraints import Constraint, Relation, Severity, Violation, read_constraints
from ablate.plan.factors import Derived, compare, say_factor
from ablate.plan.facts import Facts, Timing
from ablate.plan.fitting import Fit, fit
from ablate.plan.generations import BatchUnit, Generating, GroupRule, Refused, refused
from ablate.plan.goals import GoalTracker, Judgement, Kind, Measured, Verdict
from ablate.plan.memory import Line, Memory, Moment, growth, parse_size, show_size
from ablate.plan.nearest import divisors_near, multiples_near
from ablate.plan.rates import MILESTONES, Rates, plot, rates_over
from ablate.plan.steps import (
    Length,
    Loading,
    Proposal,
    at_least_one,
    epochs_for,
    occasions,
    optimizer_steps,
    run_length,
    train_records,
)

__all__ = [
    "MILESTONES",
    "BatchUnit",
    "Constraint",
    "Derived",
    "Facts",
    "Fit",
    "Generating",
    "GoalTracker",
    "GroupRule",
    "Judgement",
    "Kept",
    "Kind",
    "Length",
    "Line",
    "Loading",
    "Meaning",
    "Measured",
    "Memory",
    "Moment",
    "Plan",
    "Proposal",
    "Rates",
    "Refused",
    "Relation",
    "Seconds",
    "Severity",
    "Sizes",
    "Timing",
    "Verdict",
    "Violation",
    "Wishes",
    "at_least_one",
    "check_unbuilt",
    "compare",
    "divisors_near",
    "epochs_for",
    "fit",
    "fit_config",
    "growth",
    "multiples_near",
    "occasions",
    "optimizer_steps",
    "parse_size",
    "plan_config",
    "plot",
    "rates_over",
    "read_constraints",
    "refused",
    "run_length",
    "say_factor",
    "show_size",
    "train_records",
]
