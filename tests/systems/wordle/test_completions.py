"""What is read from completions, against the published pattern over their text."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.systems.wordle.completions import (
    END,
    LONGEST,
    VOCABULARY,
    parse,
    spelled,
    written,
)
from ablate.systems.wordle.words import lexicon, spelt
from tests.systems.wordle.plain import text_of, tokens_of

# Tags are as frequent as letters.
tokens = st.lists(
    st.sampled_from([0, 1, 2, 26, 26, 27, 27, 28, 28, 29, 30]), min_size=LONGEST, max_size=LONGEST
)


def ended(row: list[int]) -> list[int]:
    end = row.index(END) if END in row else len(row)
    return row[:end] + [END] * (len(row) - end)


def read(text: str):
    row = tokens_of(text)
    return parse(np.array([row + [END] * (LONGEST - len(row))]))


@given(tokens)
def test_the_guess_is_the_one_that_the_published_pattern_finds(row):
    row = ended(row)
    text = text_of(row)
    found = parse(np.array([row]))
    # A tag inside a tag is no letter; the published pattern wants none there.
    match = re.search(r"<guess>(.*?)</guess>", text)
    letters = re.sub(r"<[^>]*>|~", "", match.group(1)) if match else ""
    assert bool(found.tagged_N[0]) is (match is not None)
    assert found.length_N[0] == len(letters)
    if len(letters) == 5:
        assert found.letters_N5[0].tolist() == spelt(letters)
    if match:
        assert bool(found.thought_N[0]) is ("</think>" in text[: match.start()])
        assert bool(found.trailing_N[0]) is (match.end() < len(text))
    whole = re.fullmatch(r"[A-Z~]*</think>[A-Z~]*<guess>~*([A-Z]~*){5}</guess>", text)
    assert bool(found.valid_N[0]) is (whole is not None)


@pytest.mark.parametrize(
    ("text", "valid", "tagged", "length"),
    [
        ("</think><guess>CRANE</guess>", True, True, 5),
        ("<guess>CRANE</guess>", False, True, 5),
        ("</think>CRANE</guess>", False, False, 0),
        ("</think><guess>CRANE", False, False, 0),
        ("</think><guess>CRAN</guess>", False, True, 4),
        ("</think><guess>CRANES</guess>", False, True, 6),
        ("</think><guess>CRANE</guess>~", False, True, 5),
        ("</think><guess>CRANE</guess></guess>", False, True, 5),
        ("<guess>CRANE</guess></think>", False, True, 5),
        ("", False, False, 0),
    ],
)
def test_each_fault_is_seen(text, valid, tagged, length):
    found = read(text)
    assert (found.valid_N[0], found.tagged_N[0], found.length_N[0]) == (valid, tagged, length)


def test_a_written_word_is_well_formed_and_read_back():
    words = lexicon(50)
    rows = written(words.letters_L5)
    assert rows.max() < VOCABULARY
    found = parse(rows)
    assert found.valid_N.all()
    assert (found.letters_N5 == words.letters_L5).all()
    assert spelled(rows[0].tolist()) == f"</think><guess>{words.words[0]}</guess>"
