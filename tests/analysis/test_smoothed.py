"""The curve of returns: every point is the mean and the middle of a window of all runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.analysis.episodes import EpisodeArm, EpisodeLog, EpisodeRun, smoothed, window_of
from tests.analysis.episode_logs import FAST, table

RETURNS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def arm(*runs):
    logs = [
        EpisodeLog.of(table(FAST).head(len(found)).assign(**{"return": found})) for found in runs
    ]
    return EpisodeArm("a", tuple(EpisodeRun(seed, log) for seed, log in enumerate(logs)))


@given(RETURNS, st.integers(1, 40))
def test_a_point_is_the_mean_of_its_window_within_its_band(returns, window):
    found = smoothed(arm(returns), window)
    assert len(found.episode) == max(len(returns) - window + 1, 0)
    for episode, mean, low, high in zip(
        found.episode, found.mean, found.low, found.high, strict=True
    ):
        part = returns[int(episode) - window + 1 : int(episode) + 1]
        assert mean == pytest.approx(np.mean(part), abs=1e-6)
        assert min(part) <= low <= high <= max(part)


def test_runs_are_joined_over_the_episodes_that_all_have():
    found = smoothed(arm([1.0, 2.0, 3.0], [3.0, 4.0]), 2)
    assert (found.episode.tolist(), found.mean.tolist()) == ([1.0], [2.5])
    assert found.low[0] == pytest.approx(np.quantile([1, 2, 3, 4], 0.1))


def test_of_a_long_run_two_hundred_windows_are_told_with_both_ends():
    found = smoothed(arm(list(range(1000))), 100)
    assert len(found.episode) == 200
    assert (found.episode[0], found.episode[-1]) == (99, 999)


@pytest.mark.parametrize(("episodes", "window"), [(5, 1), (200, 20), (1000, 100), (1900, 100)])
def test_the_window_is_a_hundred_episodes_or_a_tenth_of_the_shortest_run(episodes, window):
    assert window_of((arm(np.zeros(1900)), arm(np.zeros(episodes)))) == window
