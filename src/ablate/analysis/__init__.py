"""What the stored runs say: pure functions from frames to tables."""

from ablate.analysis.arms import Cell, arm_kinds, arms_table, leaders, tuned_arms
from ablate.analysis.comparators import Comparator, comparators
from ablate.analysis.conclusions import Conclusions, conclude, primary_metric
from ablate.analysis.confirmed import confirmed_table, contenders
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
from ablate.analysis.points import Reading, at_best, at_last, scores
from ablate.analysis.published import published_table
from ablate.analysis.remarks import Remark, RemarkKind
from ablate.analysis.search import best_so_far, best_trial, trials_table
from ablate.analysis.sides import Side, findings_of, runs_of_arm, runs_of_trial, side_by_side
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
    "Estimate",
    "Frames",
    "Method",
    "Reading",
    "Relation",
    "Remark",
    "RemarkKind",
    "SearchFrames",
    "Side",
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
    "findings_of",
    "leaders",
    "load",
    "load_ablation",
    "load_search",
    "metric_names",
    "metrics_frame",
    "primary_metric",
    "published_table",
    "run_list",
    "runs_frame",
    "runs_of_arm",
    "runs_of_trial",
    "scores",
    "side_by_side",
    "trials_table",
    "tuned_arms",
    "tuned_table",
]
