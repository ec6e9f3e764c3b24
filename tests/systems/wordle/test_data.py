"""The data: both meanings of a batch, the fixed rows, the stream, states and games to judge."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablate.systems.wordle import WordleDataModule
from ablate.systems.wordle.data import PromptOrder
from ablate.systems.wordle.rows import DROPPED, fixed_states, raw_rows, split
from ablate.systems.wordle.rules import NONE
from ablate.systems.wordle.words import OPENING, lexicon

SMALL = {"lexicon": 60, "games": 5, "val_prompts": 12, "eval_batch_size": 6, "epoch_steps": 3}


def data(seed: int = 1, **arguments) -> WordleDataModule:
    torch.manual_seed(seed)
    made = WordleDataModule(**{**SMALL, **arguments})
    made.setup()
    return made


# The batch


@pytest.mark.parametrize(
    ("unit", "batch", "generations", "iterations", "steps"),
    [
        # What TRL 1.16 was seen to do with 60 prompts.
        ("completions", 2, 2, 1, 60),
        ("completions", 16, 8, 1, 30),
        ("completions", 64, 8, 1, 7),
        ("completions", 64, 16, 1, 15),
        ("completions", 2, 2, 2, 120),
        ("prompts", 2, 2, 1, 30),
        ("prompts", 7, 2, 1, 9),
    ],
)
def test_an_epoch_has_the_steps_of_its_unit(unit, batch, generations, iterations, steps):
    made = data(
        states="fixed",
        batch_unit=unit,
        batch_size=batch,
        generations=generations,
        num_iterations=iterations,
        epoch_steps=None,
    )
    assert len(made.train_dataloader()) == steps
    batches = list(made.train_dataloader())
    assert len(batches) == steps
    prompts = batch if unit == "prompts" else batch // generations
    assert len(batches[0].secret_B) == made.prompts == prompts
    assert {one.generations for one in batches} == {generations}


def test_iterations_bring_every_batch_again():
    made = data(
        lexicon=300, states="fixed", batch_size=4, generations=2, num_iterations=3, epoch_steps=None
    )
    rows = [one.secret_B.tolist() for one in made.train_dataloader()]
    assert rows[::3] == rows[1::3] == rows[2::3]
    assert len({tuple(row) for row in rows}) == 30


@pytest.mark.parametrize(
    ("batch", "generations", "near"), [(3, 2, "2 or 4"), (5, 8, "8"), (100, 8, "96 or 104")]
)
def test_completions_that_are_no_whole_groups_are_refused_with_the_nearest(
    batch, generations, near
):
    with pytest.raises(ValueError, match=f"set batch_size to {near}, or batch_unit to prompts"):
        WordleDataModule(batch_size=batch, generations=generations)
    assert WordleDataModule(batch_size=batch, generations=generations, batch_unit="prompts")


@pytest.mark.parametrize(
    "wrong",
    [
        {"states": "replayed"},
        {"validation": "pool"},
        {"batch_unit": "tokens"},
        {"generations": 1},
        {"num_iterations": 0},
        {"epoch_steps": 0},
        {"games": 0},
        {"val_generations": 0},
        {"seed": -1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_argument_out_of_range_is_named(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}: must be"):
        WordleDataModule(**wrong)


def test_fewer_rows_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="64 states are no batch of the 60 fixed rows"):
        data(states="fixed", batch_size=512, generations=8)


def test_a_stream_has_no_epoch_of_its_own():
    with pytest.raises(ValueError, match="epoch_steps: states 'pool' have no end"):
        WordleDataModule(epoch_steps=None)


@given(
    st.integers(1, 40), st.integers(1, 9), st.integers(1, 3), st.booleans(), st.none() | st.just(7)
)
def test_every_row_comes_once_before_any_comes_again(rows, prompts, again, whole, steps):
    if whole and prompts > rows:
        return
    order = PromptOrder(rows, prompts, prompts, 3, steps=steps, drop_last=whole, iterations=again)
    batches = []
    for epoch in range(3):
        order.set_epoch(epoch)
        batches += list(order)
        assert len(batches) == (epoch + 1) * len(order)
    assert all(batches[place] == batches[place - place % again] for place in range(len(batches)))
    per_pass = rows // prompts if whole else -(-rows // prompts)
    single = batches[::again]
    for start in range(0, len(single) - per_pass + 1, per_pass):
        seen = Counter(row for batch in single[start : start + per_pass] for row in batch)
        assert set(seen.values()) == {1}
        assert len(seen) == (rows // prompts * prompts if whole else rows)


def test_a_stream_goes_on_where_the_epoch_before_ended():
    order = PromptOrder(None, 2, 8, steps=3)
    order.set_epoch(2)
    assert list(order) == [[12, 13], [14, 15], [16, 17]]
    assert order.count == 6


# The fixed rows


@pytest.mark.parametrize("size", [50, 300])
def test_the_fixed_rows_have_the_published_make_up(size):
    words = lexicon(size)
    raw = raw_rows(words)
    assert len(raw) == 76
    assert [row.secret for row in raw if not row.valid] == [DROPPED]
    rows = [row for row in raw if row.valid]
    assert Counter(len(row.guesses) for row in rows) == {2: 55, 1: 19, 0: 1}
    assert sum(row.guesses[:1] == (OPENING,) for row in rows) == 74
    assert all(row.secret not in row.guesses for row in rows)
    training, validation = fixed_states(words)
    assert (len(training), len(validation)) == (60, 15)
    assert not set(training.secret_B.tolist()) & set(words.held_out)
    assert set(validation.secret_B.tolist()) <= set(words.held_out)
    assert ((training.guess_BH != NONE).sum(1) == training.turn_B).all()


def test_with_words_enough_every_row_has_a_secret_of_its_own():
    training, validation = fixed_states(lexicon(300))
    secrets = [*training.secret_B.tolist(), *validation.secret_B.tolist()]
    assert len(set(secrets)) == 75


def test_the_split_is_that_of_scikit_learn():
    training, validation = split(75, 15, 42)
    # The first of numpy's legacy permutation are the test set there.
    assert validation == [4, 63, 10, 0, 35, 61, 28, 12, 69, 64, 34, 42, 49, 18, 9]
    assert sorted(training + validation) == list(range(75))


# The stream


def test_the_stream_goes_on_from_epoch_to_epoch_and_follows_the_seed():
    def secrets(seed: int, epoch: int) -> list[int]:
        loader = data(seed, epoch_steps=3, batch_size=16, generations=4).train_dataloader()
        loader.sampler.set_epoch(epoch)
        return [secret for batch in loader for secret in batch.secret_B.tolist()]

    assert secrets(1, 0) == secrets(1, 0)
    assert len({tuple(secrets(*pair)) for pair in ((1, 0), (1, 1), (2, 0))}) == 3


def test_the_pool_begins_staggered_unless_it_is_told_not_to():
    first, second, _ = data(batch_size=512).train_dataloader()
    assert first.pooled
    assert set(first.turn_B.tolist()) == set(range(6))
    assert second.turn_B.tolist() == [0] * 64
    (first, *_) = data(batch_size=512, stagger=False).train_dataloader()
    assert first.turn_B.tolist() == [0] * 64


def test_consistent_histories_hold_guesses_that_could_have_been_the_secret():
    made = data(states="consistent", batch_size=512)
    states = made.train_states(64)
    codes = made.lexicon.codes_LL
    for secret, past in zip(states.secret_B, states.guess_BH, strict=True):
        told = past[past != NONE]
        for number, guess in enumerate(told):
            before = told[:number]
            assert (codes[guess, before] == codes[secret, before]).all()
            assert guess != secret
    (first, *_) = made.train_dataloader()
    assert not first.pooled


def test_no_secret_of_training_is_one_of_validation():
    made = data()
    assert not set(made.train_states().secret_B.tolist()) & set(made.lexicon.held_out)
    assert set(made.val_states.secret_B.tolist()) <= set(made.lexicon.held_out)
    assert not set(made.example_keys("train")) & set(made.example_keys("val"))
    assert all(test() is None for test in made.properties().values())


def test_games_come_in_turn_and_frost_comes_first():
    made = data(games=100)
    (games,) = made.val_dataloader()[1]
    words = made.lexicon
    names = [words.words[secret] for secret in games.secret_B]
    assert names[0] == "FROST"
    assert games.held_out_B[:6].tolist() == [True, False] * 3
    assert len(names) == len(set(names)) == len(words)
    assert int(games.held_out_B.sum()) == len(words.held_out)


def test_validation_is_the_same_for_every_seed_of_a_run():
    one, other = data(1), data(2)
    assert one.fingerprint() == other.fingerprint()
    for mine, theirs in zip(one.val_dataloader(), other.val_dataloader(), strict=True):
        for batch, same in zip(mine, theirs, strict=True):
            assert torch.equal(batch.noise_B, same.noise_B)
            assert torch.equal(batch.secret_B, same.secret_B)


def test_each_completion_of_a_validation_state_has_numbers_of_its_own():
    loader = data(validation="fixed", val_generations=2, eval_batch_size=2).val_dataloader()[0]
    assert len(loader) == 15
    first = next(iter(loader))
    assert first.secret_B[0] == first.secret_B[1]
    assert first.noise_B[0] != first.noise_B[1]


def test_before_setup_nothing_is_served():
    made = WordleDataModule(**SMALL)
    with pytest.raises(RuntimeError, match=r"call setup\(\) first"):
        _ = made.val_states
    with pytest.raises(RuntimeError, match=r"call setup\(\) first"):
        made.train_states()
    assert np.isscalar(made.prompts)
