"""How often a comparison claims what is not there, and how often it finds what is.

A thousand ablations of five arms are imagined for every kind of noise and number of seeds, and
judged by the very functions that judge real ones. With identical arms every `better` or `worse`
is false; with one arm shifted by a multiple of the noise, finding it is right. Beside it stands
what is widely done: an unpaired Welch t-test per arm, corrected after Holm.

    python benchmarks/false_claims.py [--ablations 1000]
"""

import argparse
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ablate.analysis.families import Pair, compare
from ablate.analysis.statistics import ALPHA, holm, t_p, unpaired_gap
from ablate.analysis.verdicts import Tested
from ablate.spec import Direction

Array = np.ndarray
ARMS = 5
SEEDS = (3, 5, 10)
SHIFTS = (1.0, 2.0)


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return random.normal(size=shape)


def skewed(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Log-normal noise of sigma 0.5: skewness 1.75, about that of an exponential one."""
    variance = (math.exp(0.25) - 1) * math.exp(0.25)
    return random.lognormal(sigma=0.5, size=shape) / math.sqrt(variance)


def heavy_tailed(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Student's t with three degrees of freedom: its kurtosis is infinite."""
    return random.standard_t(3, size=shape) / math.sqrt(3)


def clustered(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Runs end in one of two modes, four of the noise within them apart; seeds share an effect."""
    modes = 4.0 * random.integers(0, 2, size=shape)
    shared = random.normal(size=(shape[0], 1, shape[2]))
    return (modes + random.normal(size=shape)) / math.sqrt(5) + 2 * shared


NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": normal,
    "skewed": skewed,
    "heavy-tailed": heavy_tailed,
    "clustered": clustered,
}


@dataclass(frozen=True)
class Cell:
    """What came of the ablations of one kind of noise and one number of seeds, as shares."""

    noise: str
    n: int
    false: float
    coverage: float
    power: dict[float, float]
    welch_false: float
    welch_power: dict[float, float]


def judged(values: Array) -> list[Tested]:
    """Compare the arms of one ablation, shaped arms x seeds, with the first."""
    by_seed = [dict(enumerate(row.tolist())) for row in values]
    return compare([Pair(arm, by_seed[0], Direction.MAXIMIZE) for arm in by_seed[1:]])


def claimed(tested: Tested) -> bool:
    """Say whether a comparison ends in `better` or `worse`."""
    return tested.p_holm <= ALPHA and not tested.low <= 0 <= tested.high


def welch(values: Array) -> list[bool]:
    """Judge the arms by unpaired t-tests after Holm."""
    rows = values.tolist()
    gaps = [unpaired_gap(row, rows[0]) for row in rows[1:]]
    return [p <= ALPHA for p in holm([t_p(g.difference, g.error, g.freedom) for g in gaps])]


def cell(noise: str, n: int, ablations: int, seed: int = 0) -> Cell:
    """Imagine the ablations of one cell."""
    random = np.random.default_rng([seed, list(NOISES).index(noise), n])
    values = NOISES[noise](random, (ablations, ARMS, n))
    found = [judged(one) for one in values]
    power, welch_power = {}, {}
    for shift in SHIFTS:
        moved = NOISES[noise](random, (ablations, ARMS, n))
        moved[:, 1] += shift
        power[shift] = share(claimed(judged(one)[0]) for one in moved)
        welch_power[shift] = share(welch(one)[0] for one in moved)
    return Cell(
        noise=noise,
        n=n,
        false=share(any(map(claimed, one)) for one in found),
        coverage=share(row.low <= 0 <= row.high for one in found for row in one),
        power=power,
        welch_false=share(any(welch(one)) for one in values),
        welch_power=welch_power,
    )


def share(found: Iterable[bool]) -> float:
    return float(np.mean(list(found)))


def error(of: float, n: int) -> float:
    """Return the Monte-Carlo error of a share of n, as a standard error."""
    return math.sqrt(of * (1 - of) / n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ablations", type=int, default=1000)
    ablations = parser.parse_args().ablations
    heads = ["noise", "n", "false claims", "coverage"]
    heads += [f"power, {shift:g} sd" for shift in SHIFTS]
    heads += ["Welch: false claims", *(f"Welch: power, {shift:g} sd" for shift in SHIFTS)]
    print(f"| {' | '.join(heads)} |")
    print(f"|{' --- |' * 2}{' ---: |' * (len(heads) - 2)}")
    for noise in NOISES:
        for n in SEEDS:
            one = cell(noise, n, ablations)
            shown = [
                f"{one.false:.1%} ± {error(one.false, ablations):.1%}",
                f"{one.coverage:.1%}",
                *(f"{one.power[shift]:.0%}" for shift in SHIFTS),
                f"{one.welch_false:.1%}",
                *(f"{one.welch_power[shift]:.0%}" for shift in SHIFTS),
            ]
            print(f"| {noise} | {n} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
