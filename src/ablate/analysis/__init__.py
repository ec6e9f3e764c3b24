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
from ablate.analysis.noise import compared_arms, noise_floor, replicates_of, with_effects
from ablate.analysis.points import Reading, at_best, at_last, scores
from ablate.analysis.published import published_table
from ablate.analysis.search import best_so_far, best_trial, trials_table
from ablate.analysis.tuned import tuned_table
from ablate.analysis.verdicts import Comparison, Method, Relation, Verdict

__all__ = [
    "AblationFrames",
    "Cell",
    "Comparison",
    "Frames",
    "Method",
    "Reading",
    "Relation",
    "SearchFrames",
    "Verdict",
    "arm_kinds",
    "arms_table",
    "at_best",
    "at_last",
    "best_so_far",
    "best_trial",
    "compared_arms",
    "confirmed_table",
    "contenders",
    "curves",
    "interval",
    "leaders",
    "load",
    "load_ablation",
    "load_search",
    "metric_names",
    "metrics_frame",
    "noise_floor",
    "published_table",
    "replicates_of",
    "run_list",
    "runs_frame",
    "scores",
    "trials_table",
    "tuned_arms",
    "tuned_table",
    "with_effects",
]
