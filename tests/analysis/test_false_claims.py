"""Identical arms are hardly ever told apart; `benchmarks/false_claims.py` does it at length."""

import numpy as np
import pytest
from benchmarks.false_claims import NOISES, SEEDS, claimed, judged

ABLATIONS = 150


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", SEEDS)
def test_few_ablations_of_identical_arms_claim_anything(noise, n):
    values = NOISES[noise](np.random.default_rng(n), (ABLATIONS, 5, n))
    found = [judged(one) for one in values]
    # 5 % of 150 are 7.5; more than 13 happen in fewer than 2 of 100 such tests.
    assert sum(any(map(claimed, one)) for one in found) <= 13
    covered = np.mean([row.low <= 0 <= row.high for one in found for row in one])
    assert 0.92 <= covered <= 0.985


@pytest.mark.parametrize("noise", NOISES)
def test_a_large_difference_is_found_with_ten_seeds(noise):
    values = NOISES[noise](np.random.default_rng(0), (40, 5, 10))
    values[:, 1] += 2
    assert sum(claimed(judged(one)[0]) for one in values) >= 30
