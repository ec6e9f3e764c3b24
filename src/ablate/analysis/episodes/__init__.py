"""Logs of episodes (reinforcement learning): what each says, and arms of them side by side."""

from ablate.analysis.episodes.comparison import (
    Change,
    Contrast,
    EpisodeComparison,
    Flip,
    Setting,
    Tally,
    Value,
    change_of,
)
from ablate.analysis.episodes.log import EpisodeLog, logs_by_seed
from ablate.analysis.episodes.measures import (
    Band,
    Convergence,
    Exploration,
    Extreme,
    Measures,
    Stability,
    Window,
    bands,
    convergence,
    exploration,
    measured,
    stability,
)
from ablate.analysis.episodes.metrics import (
    EpisodeArm,
    EpisodeRun,
    Metric,
    Must,
    Scale,
    metrics_of,
)
from ablate.analysis.episodes.smoothed import Smoothed, smoothed, window_of
from ablate.analysis.episodes.study import study_arms

__all__ = [
    "Band",
    "Change",
    "Contrast",
    "Convergence",
    "EpisodeArm",
    "EpisodeComparison",
    "EpisodeLog",
    "EpisodeRun",
    "Exploration",
    "Extreme",
    "Flip",
    "Measures",
    "Metric",
    "Must",
    "Scale",
    "Setting",
    "Smoothed",
    "Stability",
    "Tally",
    "Value",
    "Window",
    "bands",
    "change_of",
    "convergence",
    "exploration",
    "logs_by_seed",
    "measured",
    "metrics_of",
    "smoothed",
    "stability",
    "study_arms",
    "window_of",
]
