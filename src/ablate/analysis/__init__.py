"""What the stored runs say: pure functions from frames to tables."""

from ablate.analysis.arm_estimates import ArmEstimates
from ablate.analysis.arms import Cell, arm_kinds, arms_table, tuned_arms
from ablate.analysis.comparators import Comparator, comparators
from ablate.analysis.conclusions import (
    Conclusions,
    conclude,
    floors_not_beaten,
    primary_metric,
)
from ablate.analysis.confirmed import confirmed_table, contenders
from ablate.analysis.effects import Effect, effects_frame, effects_of
from ablate.analysis.estimates import Estimate
from ablate.analysis.frames import (
    AblationFrames,
    Frames,
    SearchFrames,
    curves,
    load,
    load_ablation,
    load_search,
    metric_names,
    metrics_frame,
    run_list,
    runs_frame,
)
from ablate.analysis.goals import (
    GoalCount,
    LostSuccess,
    Successes,
    goal_counts,
    goals_frame,
    load_goals,
    load_successes,
    successes,
)
from ablate.analysis.good_trials import Tendency, good_trials, tendencies
from ablate.analysis.groups import (
    OverGroups,
    group_differences,
    groups_frame,
    load_groups,
    over_groups,
)
from ablate.analysis.hierarchical import Hierarchical
from ablate.analysis.importance import Importance, Importances, importances
from ablate.analysis.lead import Lead, find_lead
from ablate.analysis.next_space import Change, NextSpace, Proposal, next_space
from ablate.analysis.points import Reading, at_best, at_last, scores
from ablate.analysis.published import published_table
from ablate.analysis.remarks import Remark, RemarkKind
from ablate.analysis.rivals import Rivals, rivals
from ablate.analysis.search import (
    TrialCounts,
    best_so_far,
    best_trial,
    count_trials,
    trials_table,
)
from ablate.analysis.searched import SearchConclusions, conclude_search, importances_table
from ablate.analysis.sides import Side, findings_of, runs_of_arm, runs_of_trial, side_by_side
from ablate.analysis.statistics import Description, describe
from ablate.analysis.tuned import tuned_table
from ablate.analysis.tuning_curve import (
    arm_curves,
    drawn_values,
    expected_best,
    leaders_by_budget,
    tuning_curve,
)
from ablate.analysis.verdicts import Comparison, Method, Relation, Verdict

__all__ = [
    "AblationFrames",
    "ArmEstimates",
    "Cell",
    "Change",
    "Comparator",
    "Comparison",
    "Conclusions",
    "Description",
    "Effect",
    "Estimate",
    "Frames",
    "GoalCount",
    "Hierarchical",
    "Importance",
    "Importances",
    "Lead",
    "LostSuccess",
    "Method",
    "NextSpace",
    "OverGroups",
    "Proposal",
    "Reading",
    "Relation",
    "Remark",
    "RemarkKind",
    "Rivals",
    "SearchConclusions",
    "SearchFrames",
    "Side",
    "Successes",
    "Tendency",
    "TrialCounts",
    "Verdict",
    "arm_curves",
    "arm_kinds",
    "arms_table",
    "at_best",
    "at_last",
    "best_so_far",
    "best_trial",
    "comparators",
    "conclude",
    "conclude_search",
    "confirmed_table",
    "contenders",
    "count_trials",
    "curves",
    "describe",
    "drawn_values",
    "effects_frame",
    "effects_of",
    "expected_best",
    "find_lead",
    "findings_of",
    "floors_not_beaten",
    "goal_counts",
    "goals_frame",
    "good_trials",
    "group_differences",
    "groups_frame",
    "importances",
    "importances_table",
    "leaders_by_budget",
    "load",
    "load_ablation",
    "load_goals",
    "load_groups",
    "load_search",
    "load_successes",
    "metric_names",
    "metrics_frame",
    "next_space",
    "over_groups",
    "primary_metric",
    "published_table",
    "rivals",
    "run_list",
    "runs_frame",
    "runs_of_arm",
    "runs_of_trial",
    "scores",
    "side_by_side",
    "successes",
    "tendencies",
    "trials_table",
    "tuned_arms",
    "tuned_table",
    "tuning_curve",
]
