"""What the stored runs say: pure functions from frames to tables."""

from ablate.analysis.arms import Cell, arm_kinds, arms_table, leaders, tuned_arms
from ablate.analysis.confirmed import confirmed_table, contenders, interval
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
from ablate.analysis.good_trials import Tendency, good_trials, tendencies
from ablate.analysis.importance import Importance, Importances, importances
from ablate.analysis.next_space import Change, NextSpace, Proposal, next_space
from ablate.analysis.noise import compared_arms, noise_floor, replicates_of, with_effects
from ablate.analysis.points import Reading, at_best, at_last, scores
from ablate.analysis.published import published_table
from ablate.analysis.rivals import Rivals, rivals
from ablate.analysis.search import (
    TrialCounts,
    best_so_far,
    best_trial,
    count_trials,
    trials_table,
)
from ablate.analysis.searched import SearchConclusions, conclude_search, importances_table
from ablate.analysis.tuned import tuned_table
from ablate.analysis.tuning_curve import drawn_values, expected_best, tuning_curve
from ablate.analysis.verdicts import Comparison, Method, Relation, Verdict

__all__ = [
    "AblationFrames",
    "Cell",
    "Change",
    "Comparison",
    "Frames",
    "Importance",
    "Importances",
    "Method",
    "NextSpace",
    "Proposal",
    "Reading",
    "Relation",
    "Rivals",
    "SearchConclusions",
    "SearchFrames",
    "Tendency",
    "TrialCounts",
    "Verdict",
    "arm_kinds",
    "arms_table",
    "at_best",
    "at_last",
    "best_so_far",
    "best_trial",
    "compared_arms",
    "conclude_search",
    "confirmed_table",
    "contenders",
    "count_trials",
    "curves",
    "drawn_values",
    "expected_best",
    "good_trials",
    "importances",
    "importances_table",
    "interval",
    "leaders",
    "load",
    "load_ablation",
    "load_search",
    "metric_names",
    "metrics_frame",
    "next_space",
    "noise_floor",
    "published_table",
    "replicates_of",
    "rivals",
    "run_list",
    "runs_frame",
    "scores",
    "tendencies",
    "trials_table",
    "tuned_arms",
    "tuned_table",
    "tuning_curve",
    "with_effects",
]
