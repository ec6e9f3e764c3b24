"""States of the random numbers: what is captured comes back, also from a checkpoint."""

import io
import random
from typing import Any

import numpy as np
import pytest
import torch

from ablate.run.isolation import pristine
from ablate.run.randomness import RandomState, seed_all, seeded


def draws() -> tuple[float, float, float]:
    """Draw one number of each library."""
    return random.random(), float(np.random.standard_normal()), float(torch.rand(()))


def as_it_was(draw_first: bool = True) -> RandomState:
    """Return a state; NumPy keeps every second normal number in it."""
    seed_all(7)
    if draw_first:
        np.random.standard_normal()
    return RandomState.capture()


@pytest.mark.parametrize("draw_first", [True, False])
def test_the_same_numbers_follow_a_state_each_time_it_is_restored(draw_first: bool) -> None:
    state = as_it_was(draw_first)
    first = draws()
    assert draws() != first
    for _ in range(2):
        state.restore()
        assert draws() == first


def test_a_state_survives_a_checkpoint_from_which_nothing_is_unpickled() -> None:
    state = as_it_was()
    first = draws()
    file = io.BytesIO()
    torch.save(state.to_plain(), file)
    file.seek(0)
    seed_all(8)
    RandomState.of_plain(torch.load(file, weights_only=True)).restore()
    assert draws() == first


def test_the_state_in_an_earlier_checkpoint_is_read() -> None:
    """The layout, written out: a run may continue from a checkpoint of another version."""
    as_it_was()
    kind, words, place, has_normal, normal = np.random.get_state()
    earlier: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (kind, torch.tensor(words.astype(np.int64)), place, has_normal, normal),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "loaders": [],
    }
    first = draws()
    assert first == (0.32383276483316237, -0.4659373705408328, 0.5349225401878357)
    seed_all(8)
    RandomState.of_plain(earlier).restore()
    assert draws() == first


def test_what_is_seeded_in_a_block_stays_in_it() -> None:
    state = as_it_was()
    expected = draws()
    state.restore()
    inside = []
    for _ in range(2):
        with seeded(3):
            inside.append(draws())
    assert inside[0] == inside[1]
    assert draws() == expected


def test_an_error_in_a_seeded_block_leaves_the_numbers_alone() -> None:
    @seeded(3)
    def fails() -> None:
        draws()
        raise ZeroDivisionError

    state = as_it_was()
    expected = draws()
    state.restore()
    with pytest.raises(ZeroDivisionError):
        fails()
    assert draws() == expected


def test_a_run_leaves_no_trace_in_the_random_numbers() -> None:
    state = as_it_was()
    expected = draws()
    state.restore()
    with pristine():
        seed_all(1)
        draws()
    assert draws() == expected
