"""What a log of episodes says of its run: every measure by one definition.

`R` are the returns, `L` the losses of the episodes that trained, `N` is the number of episodes.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ablate.analysis.episodes.log import EpisodeLog, Values

WINDOWS = (20, 50, 100, 200)
"""The windows at the end of a run over which returns are averaged; one alone proves nothing."""
FINAL, AVERAGE = 20, 100
BANDS = 5
SPIKE = 100.0
"""A loss above so many times the median of the first trained episodes is a divergence."""
EARLY = 100
"""How many trained episodes those are."""
RISE = 1.0
"""A loss whose line rises over the last half by more than so many medians is unstable."""
TOLERANCE = 0.05
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Extreme:
    """An extreme value and the first episode that has it."""

    value: float
    episode: int


@dataclass(frozen=True)
class Window:
    """The episodes `first` to `last`, both included; NaN without a value.

    `sd` is of n - 1, `positive` counts the returns above 0, `trained` the losses.
    """

    first: int
    last: int
    mean: float
    sd: float
    low: float
    high: float
    positive: int
    trained: int
    loss_low: float
    loss_high: float

    @property
    def n(self) -> int:
        """The number of episodes."""
        return self.last - self.first + 1

    @property
    def share(self) -> float:
        """The share of episodes with a return above 0."""
        return self.positive / self.n

    @property
    def consistency(self) -> str:
        """High if every return is above 0, medium if more than half are, else low."""
        if self.positive == self.n:
            return "high"
        return "medium" if 2 * self.positive > self.n else "low"


@dataclass(frozen=True)
class Band:
    """The episodes `first` to `end`, without `end`: lowest, mean and highest return and loss."""

    first: int
    end: int
    low: float
    mean: float
    high: float
    trained: int
    loss_low: float
    loss_mean: float
    loss_high: float

    def meets(self, window: Window) -> bool:
        """Say whether the band and the window share an episode."""
        return self.first <= window.last and window.first < self.end


@dataclass(frozen=True)
class Exploration:
    """The schedule of random actions: at the start, at the end, and the mean over the episodes.

    `floor_from` is the episode from which on epsilon is at its lowest (None: it rises again).
    """

    start: float
    end: float
    mean: float
    floor_from: int | None

    def reached_by(self, episode: int) -> bool:
        """Say whether epsilon is at its lowest from an episode on, or from an earlier one."""
        return self.floor_from is not None and self.floor_from <= episode


@dataclass(frozen=True)
class Convergence:
    """From which episode on the mean of 100 episodes stays where it ends.

    `episode` is None if it never does before the last window; `epsilon` is the share of random
    actions there, `after_floor` says whether epsilon was at its floor by then (None: not logged).
    """

    tolerance: float
    episode: int | None
    epsilon: float | None
    after_floor: bool | None


@dataclass(frozen=True)
class Stability:
    """Whether training was stable, by three criteria.

    `unfinite` is the first episode whose loss or return is no finite number; `spike` the highest
    loss if it is above `limit`, 100 times the median of the first 100 losses; `rise` is by how
    much the line through the losses of the last half rises there, in parts of their median.
    """

    unfinite: int | None
    limit: float
    spike: Extreme | None
    rise: float

    @property
    def passed(self) -> bool:
        """Whether every number is finite, no loss is above the limit and the line does not rise."""
        return self.unfinite is None and self.spike is None and not self.rise > RISE


@dataclass(frozen=True)
class Measures:
    """What a log says. Raises ValueError where two measures contradict each other.

    `windows` are by their size, those that the run is long enough for; `before` are the 80 episodes
    of the last 100 that are not of the last 20. `highest` and `lowest` are of all returns,
    `lowest_loss` of all losses (None: nothing trained). `steps`, `seconds` and `success` are None
    where they were not logged; `success_end` is over the last 100 episodes, and so are `shares`, by
    title.
    """

    first: int
    last: int
    trained: int
    highest: Extreme
    lowest: Extreme
    final: float
    windows: Mapping[int, Window]
    before: Window | None
    lowest_loss: Extreme | None
    bands: tuple[Band, ...]
    stability: Stability
    convergence: Convergence
    exploration: Exploration | None
    steps: int | None
    longest: int | None
    seconds: float | None
    success: float | None
    success_end: float | None
    shares: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_bands(self.bands, self.first, self.last)
        for window in self.windows.values():
            met = [band for band in self.bands if band.meets(window)]
            _check(window.high <= self.highest.value, "a window is higher than the whole run")
            _check(window.low >= self.lowest.value, "a window is lower than the whole run")
            _check(
                min(band.low for band in met) <= window.low
                and window.high <= max(band.high for band in met),
                "a band lacks the extremes of a window",
            )
            if window.trained:
                _check(
                    self.lowest_loss is not None and self.lowest_loss.value <= window.loss_low,
                    "the lowest loss of a window is below that of the run",
                )
                _check(
                    min(_finite(band.loss_low for band in met)) <= window.loss_low
                    and window.loss_high <= max(_finite(band.loss_high for band in met)),
                    "a band lacks the extreme losses of a window",
                )
        _check(max(b.high for b in self.bands) == self.highest.value, "no band has the highest")
        _check(min(b.low for b in self.bands) == self.lowest.value, "no band has the lowest")

    @property
    def episodes(self) -> int:
        """N."""
        return self.last - self.first + 1

    @property
    def lowest_loss_at_end(self) -> bool:
        """Whether the lowest loss of the run falls in its last 20 episodes."""
        return self.lowest_loss is not None and self.lowest_loss.episode > self.last - FINAL

    @property
    def episodes_per_minute(self) -> float | None:
        """N over the minutes of the run."""
        return 60 * self.episodes / self.seconds if self.seconds else None

    @property
    def steps_per_minute(self) -> float | None:
        """Steps in the environment over the minutes of the run."""
        return 60 * self.steps / self.seconds if self.seconds and self.steps is not None else None


def measured(log: EpisodeLog) -> Measures:
    """Measure a run; raise ValueError if a return is no finite number (`EpisodeLog.broken`)."""
    if log.broken:
        raise ValueError(log.broken)
    returns, episodes = log.returns, log.episodes
    high, low = int(np.argmax(returns)), int(np.argmin(returns))
    success = log.values("success") if log.has("success") else None
    lengths = log.values("length") if log.has("length") else None
    return Measures(
        first=int(episodes[0]),
        last=int(episodes[-1]),
        trained=int(log.trained.sum()),
        highest=Extreme(float(returns[high]), int(episodes[high])),
        lowest=Extreme(float(returns[low]), int(episodes[low])),
        final=float(returns[-1]),
        windows={k: _window(log, len(log) - k, len(log)) for k in WINDOWS if k <= len(log)},
        before=_window(log, len(log) - AVERAGE, len(log) - FINAL) if len(log) >= AVERAGE else None,
        lowest_loss=_lowest_loss(log),
        bands=bands(log),
        stability=stability(log),
        convergence=convergence(log),
        exploration=exploration(log),
        steps=None if lengths is None else int(lengths.sum()),
        longest=None if lengths is None else int(lengths.max()),
        seconds=float(log.values("seconds")[-1]) if log.has("seconds") else None,
        success=None if success is None else float(success.mean()),
        success_end=None
        if success is None or len(log) < AVERAGE
        else float(success[-AVERAGE:].mean()),
    )


def bands(log: EpisodeLog, count: int = BANDS) -> tuple[Band, ...]:
    """Cut a run into disjoint bands [first, end) of equal size, give or take one episode.

    Returns and losses have the same bands, over all their values: min, mean, max.
    """
    count = min(count, len(log))
    edges = [len(log) * number // count for number in range(count + 1)]
    made = []
    for start, end in pairwise(edges):
        returns, losses = log.returns[start:end], _finite_losses(log, start, end)
        made.append(
            Band(
                first=int(log.episodes[start]),
                end=int(log.episodes[end - 1]) + 1,
                low=float(returns.min()),
                mean=float(returns.mean()),
                high=float(returns.max()),
                trained=len(losses),
                loss_low=float(losses.min()) if losses.size else math.nan,
                loss_mean=float(losses.mean()) if losses.size else math.nan,
                loss_high=float(losses.max()) if losses.size else math.nan,
            )
        )
    return tuple(made)


def stability(log: EpisodeLog) -> Stability:
    """Judge the stability of training: finite numbers, no divergence, no rise at the end.

    The rise is that of the line through the medians of both halves of the last half of the losses,
    from its first to its last one, over their median (Brown & Mood 1951): one loss moves no median.
    """
    wrong = ~np.isfinite(log.returns) | (log.trained & ~np.isfinite(log.losses))
    unfinite = int(log.episodes[int(np.argmax(wrong))]) if wrong.any() else None
    chosen = log.trained & np.isfinite(log.losses)
    losses, episodes = log.losses[chosen], log.episodes[chosen]
    limit = SPIKE * float(np.median(losses[:EARLY])) if losses.size else math.nan
    spike = None
    if losses.size and losses.max() > limit:
        place = int(np.argmax(losses))
        spike = Extreme(float(losses[place]), int(episodes[place]))
    return Stability(unfinite, limit, spike, _rise(losses[losses.size // 2 :]))


def _rise(losses: Values) -> float:
    half = losses.size // 2
    usual = float(np.median(losses)) if losses.size else 0.0
    if not half or usual <= 0:
        return math.nan
    climbed = float(np.median(losses[-half:]) - np.median(losses[:half]))
    return climbed / (losses.size - half) * (losses.size - 1) / usual


def convergence(log: EpisodeLog) -> Convergence:
    """Find the first episode from which on the mean of 100 episodes stays where it ends.

    It stays where it differs from the last such mean by no more than the larger of 5 % of the range
    of these means and one standard deviation of the last 100 returns. It counts from the end of
    its window, which must share no episode with the last one: those are alike in any case.
    """
    if len(log) < AVERAGE or log.broken:
        return Convergence(math.nan, None, None, None)
    means = sliding_window_view(log.returns, AVERAGE).mean(axis=1)
    spread = float(np.std(log.returns[-AVERAGE:], ddof=1))
    tolerance = max(TOLERANCE * float(np.ptp(means)), spread)
    away = np.flatnonzero(np.abs(means - means[-1]) > tolerance * (1 + _ROUNDING))
    first = int(away[-1]) + 1 if away.size else 0
    if first > len(means) - 1 - AVERAGE:
        return Convergence(tolerance, None, None, None)
    place = first + AVERAGE - 1
    explored = exploration(log)
    episode = int(log.episodes[place])
    return Convergence(
        tolerance,
        episode,
        None if explored is None else float(log.values("epsilon")[place]),
        None if explored is None else explored.reached_by(episode),
    )


def exploration(log: EpisodeLog) -> Exploration | None:
    """Return the schedule of random actions, None if it was not logged."""
    if not log.has("epsilon"):
        return None
    epsilon = log.values("epsilon")
    above = np.flatnonzero(epsilon > epsilon.min())
    floor = int(above[-1]) + 1 if above.size else 0
    stays = floor < len(log)
    return Exploration(
        start=float(epsilon[0]),
        end=float(epsilon[-1]),
        mean=float(epsilon.mean()),
        floor_from=int(log.episodes[floor]) if stays else None,
    )


def _window(log: EpisodeLog, start: int, end: int) -> Window:
    returns, losses = log.returns[start:end], _finite_losses(log, start, end)
    return Window(
        first=int(log.episodes[start]),
        last=int(log.episodes[end - 1]),
        mean=float(returns.mean()),
        sd=float(returns.std(ddof=1)),
        low=float(returns.min()),
        high=float(returns.max()),
        positive=int((returns > 0).sum()),
        trained=len(losses),
        loss_low=float(losses.min()) if losses.size else math.nan,
        loss_high=float(losses.max()) if losses.size else math.nan,
    )


def _finite_losses(log: EpisodeLog, start: int, end: int) -> Values:
    losses = log.losses[start:end]
    return losses[np.isfinite(losses)]


def _lowest_loss(log: EpisodeLog) -> Extreme | None:
    """Return the lowest loss of the episodes that trained."""
    if not np.isfinite(log.losses).any():
        return None
    place = int(np.nanargmin(np.where(np.isfinite(log.losses), log.losses, np.nan)))
    return Extreme(float(log.losses[place]), int(log.episodes[place]))


def _finite(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _check_bands(bands: tuple[Band, ...], first: int, last: int) -> None:
    edges = [(band.first, band.end) for band in bands]
    _check(edges[0][0] == first and edges[-1][1] == last + 1, "the bands do not cover the run")
    _check(
        all(end == start for (_, end), (start, _) in pairwise(edges)),
        "the bands overlap, or leave episodes out",
    )
    sizes = {end - start for start, end in edges}
    _check(max(sizes) - min(sizes) <= 1, "the bands are not equal")


def _check(holds: bool, contradiction: str) -> None:
    if not holds:
        raise ValueError(contradiction)
