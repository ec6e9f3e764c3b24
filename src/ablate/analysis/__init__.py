"""What the stored runs say: pure functions from frames to tables."""

from ablate.analysis.arms import Cell, arm_kinds, arms_table, tuned_arms
from ablate.analysis.comparators import Comparator, comparators
from ablate.analysis.conclusions import Conclusions, conclude, primary_metric
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
from ablate.analysis.groups import (
    OverGroups,
    group_differences,
    groups_frame,
    load_groups,
    over_groups,
)
from ablate.analysis.hierarchical import Hierarchical
from ablate.analysis.lead import Lead, find_lead
from ablate.analysis.points import Reading, at_best, at_last, scores
from ablate.analysis.published import published_table
from ablate.analysis.remarks import Remark, RemarkKind
from ablate.analysis.search import best_so_far, best_trial, trials_table
from ablate.analysis.statistics import Description, describe
from ablate.analysis.tuned import tuned_table
from ablate.analysis.verdicts import Comparison, Method, Relation, Verdict

__all__ = [
    "AblationFrames",
    "Cell",
    "Comparator",
    "Comparison",
    "Conclusions",
    "Description",
    "Effect",
    "Estimate",
    "Frames",
    "Hierarchical",
    "Lead",
    "Method",
    "OverGroups",
    "Reading",
    "Relation",
    "Remark",
    "RemarkKind",
    "SearchFrames",
    "Verdict",
    "arm_kinds",
    "arms_table",
    "at_best",
    "at_last",
    "best_so_far",
    "best_trial",
    "comparators",
    "conclude",
    "confirmed_table",
    "contenders",
    "curves",
    "describe",
    "effects_frame",
    "effects_of",
    "find_lead",
    "group_differences",
    "groups_frame",
    "load",
    "load_ablation",
    "load_groups",
    "load_search",
    "metric_names",
    "metrics_frame",
    "over_groups",
    "primary_metric",
    "published_table",
    "run_list",
    "runs_frame",
    "scores",
    "trials_table",
    "tuned_arms",
    "tuned_table",
]
