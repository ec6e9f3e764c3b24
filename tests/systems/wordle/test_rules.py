"""The rules: feedback in two passes, what a history tells, which words could be the secret."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.systems.wordle.rules import (
    FEATURES,
    GREY,
    MARKS,
    codes,
    consistent,
    feedback,
    known,
)
from ablate.systems.wordle.words import spelt
from tests.systems.wordle import plain

# Few letters: words of several copies of one.
words = st.text("ABC", min_size=5, max_size=5)
NAMES = np.array(list(".yg"))


def marked(secret: str, guess: str) -> str:
    return "".join(NAMES[feedback(np.array(spelt(secret)), np.array(spelt(guess)))])


@pytest.mark.parametrize(
    ("secret", "guess", "marks"),
    [
        ("ABBEY", "BABES", "yygg."),
        ("CRANE", "EERIE", "..y.g"),
        ("ALLOY", "LLAMA", "ygy.."),
        ("FROST", "SPOTS", "y.gy."),
        ("FROST", "FROST", "ggggg"),
        ("ABIDE", "SPEED", "..y.y"),
    ],
)
def test_copies_of_a_letter_are_marked_from_left_to_right_greens_first(secret, guess, marks):
    assert marked(secret, guess) == marks


@given(words, words)
def test_feedback_is_that_of_two_passes_by_hand(secret, guess):
    assert marked(secret, guess) == plain.marks(secret, guess)


@given(st.lists(words, min_size=1, max_size=4), st.lists(words, min_size=1, max_size=4))
def test_codes_of_every_pair_stand_for_their_marks(secrets, guesses):
    secret_N15, guess_1N5 = (np.array([spelt(word) for word in own]) for own in (secrets, guesses))
    pairs = codes(secret_N15[:, None], guess_1N5[None])
    assert (MARKS[pairs] == feedback(secret_N15[:, None], guess_1N5[None])).all()


@given(words, st.lists(words, min_size=1, max_size=5))
def test_a_letter_is_dead_if_it_was_grey_and_never_anything_else(secret, guesses):
    told = knowledge(secret, guesses)
    past = [(guess, plain.marks(secret, guess)) for guess in guesses]
    found = {chr(ord("A") + letter) for letter in np.flatnonzero(told.dead_BA[0])}
    assert found == plain.dead(past)
    assert not found & set(secret)


@given(words, st.lists(words, min_size=1, max_size=5))
def test_what_is_known_never_speaks_against_the_secret(secret, guesses):
    told = knowledge(secret, guesses)
    here_PA = np.array(spelt(secret))[:, None] == np.arange(26)
    assert not (told.banned_BPA[0] & here_PA).any()
    assert not (told.green_BPA[0] & ~here_PA).any()


@given(words, st.lists(words, max_size=5), words)
def test_a_word_is_consistent_if_every_guess_would_have_had_its_marks(secret, guesses, word):
    past = np.array([[place < len(guesses) for place in range(5)]])
    guess_BH5 = np.array([[spelt(guess) for guess in [*guesses, *["AAAAA"] * 5][:5]]])
    marks_BH5 = feedback(np.array([[spelt(secret)]]), guess_BH5)
    found = consistent(np.array([spelt(word)]), guess_BH5, marks_BH5, past)
    expected = all(plain.marks(word, guess) == plain.marks(secret, guess) for guess in guesses)
    assert found.tolist() == [expected]


def test_a_network_reads_344_numbers_and_the_turn_is_the_last_six():
    told = knowledge("CRANE", ["EERIE"])
    (features,) = told.features(np.array([2]))
    assert features.shape == (344,) == (FEATURES,)
    assert features[-6:].tolist() == [0, 0, 1, 0, 0, 0]
    # E is green at the end and grey at the first two places, R yellow at the third, I dead.
    assert features.sum() == 1 + 1 + 1 + 1 + 1 + 2 + 1


def knowledge(secret: str, guesses: list[str]):
    guess_BH5 = np.array([[spelt(guess) for guess in guesses]])
    marks_BH5 = feedback(np.array([[spelt(secret)]]), guess_BH5)
    assert GREY == 0
    return known(guess_BH5, marks_BH5, np.ones(guess_BH5.shape[:2], dtype=bool))
