"""The lexicon: real words by frequency, the two that are always there, the split."""

from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import numpy as np
import pytest

from ablate.systems.wordle import words
from ablate.systems.wordle.rules import MARKS
from ablate.systems.wordle.words import ALL_ANSWERS, lexicon, spelt
from tests.systems.wordle import plain


def test_a_lexicon_is_the_most_frequent_answers_with_crane_and_frost():
    found = lexicon(300)
    assert found.words[:5] == ("WHICH", "THEIR", "THERE", "WOULD", "ABOUT")
    assert found.words[-2:] == ("FROST", "CRANE")
    assert len(set(found.words)) == len(found) == 302
    assert lexicon(ALL_ANSWERS).words[765] == "FROST"
    assert lexicon(ALL_ANSWERS).words[943] == "CRANE"


@pytest.mark.parametrize("size", [2, 50, 300, ALL_ANSWERS])
def test_a_fifth_of_the_words_is_held_out_and_frost_among_them(size):
    found = lexicon(size)
    assert sorted(found.training + found.held_out) == list(range(len(found)))
    assert len(found.held_out) == max(1, round(0.2 * len(found)))
    assert found.words.index("FROST") in found.held_out


def test_words_are_found_by_their_letters_and_others_are_not():
    found = lexicon(60)
    assert found.find(found.letters_L5).tolist() == list(range(len(found)))
    others = np.array([spelt(word) for word in ("ZZZZZ", "AAAAA", "QWXYZ")])
    assert found.find(others).tolist() == [-1, -1, -1]


def test_the_table_of_feedback_has_the_secret_first():
    found = lexicon(50)
    secret, guess = 3, 7
    by_hand = plain.marks(found.words[secret], found.words[guess])
    assert "".join(".yg"[mark] for mark in MARKS[found.codes_LL[secret, guess]]) == by_hand


@pytest.mark.parametrize("size", [1, ALL_ANSWERS + 1])
def test_a_lexicon_of_an_impossible_size_is_refused(size):
    with pytest.raises(ValueError, match=r"lexicon: must be within 2\.\.2315"):
        lexicon(size)


def test_without_the_words_the_message_names_the_extra(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(words, "distribution", missing)
    with pytest.raises(ImportError, match=r"install ablate with the extra `wordle`"):
        lexicon.__wrapped__(10)


def test_the_words_are_read_by_path_and_nothing_called_wordle_is_imported(tmp_path, monkeypatch):
    folder = tmp_path / "wordle" / "data"
    folder.mkdir(parents=True)
    (folder / words.ANSWERS).write_text("crane\nfrost\nplain\nrare!\n")
    (folder / words.FREQUENCIES).write_text("plain 5\ncrane 9\n")
    here = SimpleNamespace(locate_file=lambda name: tmp_path / name)
    monkeypatch.setattr(words, "distribution", lambda name: here)
    assert lexicon.__wrapped__(2).words == ("CRANE", "PLAIN", "FROST")
