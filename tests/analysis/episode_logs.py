"""Logs of episodes as two runs had them of which a report was written by hand.

The numbers of that report hold exactly: extremes, means of the last 100 and 20 returns, ranges of
the last 20, lowest loss, time. All between is made up, and the same every time.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablate.analysis.episodes import EpisodeArm, EpisodeComparison, EpisodeLog, EpisodeRun
from ablate.spec.episodes import EpisodeFacts


@dataclass(frozen=True)
class Made:
    """What is prescribed of a run."""

    episodes: int
    horizon: int
    untrained: int
    lowest: float
    highest: float
    highest_at: int
    final: float
    last_100: float
    last_20: float
    returns_at_end: tuple[float, float]
    losses_at_end: tuple[float, float]
    first_loss: float
    minutes: float


FAST = Made(2000, 30, 16, -93.0, 2.05, 1437, 0.80, 0.93, 1.15, (0.25, 1.80), (0.0077, 0.3472), 7.8, 5)  # fmt: skip  # noqa: E501
STABLE = Made(5000, 50, 20, -232.0, 3.22, 4102, 0.95, 1.04, 0.68, (-2.92, 2.55), (0.0023, 0.4855), 12.0, 54)  # fmt: skip  # noqa: E501
FAST_FACTS = EpisodeFacts(
    horizon=30, actions=1000, parameters=1_042_408, checkpoint_bytes=16_688_216, device="MPS",
    config={"hidden": 256, "vocab": 1000, "steps": 30, "lr": 1e-6, "batch": 32, "buffer": 10_000,
            "min_buffer": 500, "eval_every": 100, "save_every": 500, "log_every": 20, "eval": 10},
    inert=("hidden",),
)  # fmt: skip
STABLE_FACTS = EpisodeFacts(
    horizon=50, actions=5000, parameters=3_094_408, checkpoint_bytes=49_510_528, device="MPS",
    config={"hidden": 512, "vocab": 5000, "steps": 50, "lr": 1e-6, "batch": 64, "buffer": 50_000,
            "min_buffer": 1000, "eval_every": 50, "save_every": 100, "log_every": 10, "eval": 20},
    inert=("hidden",),
)  # fmt: skip


def table(made, shift=0.0):
    """Make the table of a run; `shift` raises every return."""
    n = made.episodes
    episode = np.arange(n)
    epsilon = np.maximum(0.01, 0.995**episode)
    wave = np.sin(episode * 2.399)
    returns = made.lowest * np.maximum(epsilon - 0.01, 0) / 0.99 + 0.6 + 0.4 * wave
    returns[0] = made.lowest
    returns[made.highest_at] = made.highest
    before = (100 * made.last_100 - 20 * made.last_20) / 80
    returns[-100:-20] = before + 0.3 * np.tile([-1, 1], 40)
    low, high = made.returns_at_end
    returns[-20:] = (20 * made.last_20 - low - high - made.final) / 17
    returns[[-13, -7, -1]] = low, high, made.final
    losses = made.first_loss * 0.998**episode + 0.06 + 0.05 * wave
    losses[: made.untrained] = np.nan
    losses[-20:] = 0.1
    losses[[-15, -4]] = made.losses_at_end
    return pd.DataFrame(
        {
            "episode": episode,
            "return": returns + shift,
            "loss": losses,
            "success": 0.0,
            "length": made.horizon,
            "epsilon": epsilon,
            "seconds": (episode + 1) * 60 * made.minutes / n,
        }
    )


def log(made, shift=0.0, **columns):
    """Make the log of a run; columns that are None are left out, others replaced."""
    frame = table(made, shift).assign(**columns)
    return EpisodeLog.of(frame.drop(columns=[name for name in columns if columns[name] is None]))


def arm(name, made, facts=None, seeds=(42,), shifts=None, *, barred="", doubted="", **columns):
    """Make an arm with a run per seed."""
    moved = shifts or tuple(0.01 * place for place in range(len(seeds)))
    runs = (EpisodeRun(s, log(made, by, **columns)) for s, by in zip(seeds, moved, strict=True))
    return EpisodeArm(
        name, tuple(runs), facts or EpisodeFacts(), (facts and facts.config), barred, doubted
    )


def original(baseline="Fast", **changes):
    """Compare the two runs as they were: one seed each."""
    return EpisodeComparison(
        (arm("Fast", FAST, FAST_FACTS, **changes), arm("Stable", STABLE, STABLE_FACTS, **changes)),
        baseline,
    )
