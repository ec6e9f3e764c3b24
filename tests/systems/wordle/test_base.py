"""The base policy: its demonstrations, and its cache."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ablate.systems.wordle import base
from ablate.systems.wordle.base import BaseRecipe, Shape, demonstrations, pretrained
from ablate.systems.wordle.completions import parse
from ablate.systems.wordle.rules import NONE
from ablate.systems.wordle.words import lexicon

WORDS = lexicon(60)
SHAPE = Shape(8, scorer=True)
FEW = BaseRecipe(steps=2, demonstrations=4)


def drawn(**changes):
    rng = np.random.default_rng(0)
    return demonstrations(BaseRecipe(**{"demonstrations": 2000, **changes}), WORDS, rng)


def test_three_in_ten_demonstrations_are_well_formed_and_the_others_have_one_fault():
    parsed = parse(drawn()[1])
    assert parsed.valid_N.mean() == pytest.approx(0.3, abs=0.03)
    faulty = ~parsed.valid_N
    faults = np.stack(
        [
            ~parsed.tagged_N,
            parsed.tagged_N & ~parsed.thought_N,
            parsed.tagged_N & ~parsed.five_N,
            parsed.trailing_N,
        ]
    )
    assert (faults.sum(0) == faulty).all()
    # Two of the five kinds lack a tag of the guess.
    assert faults.mean(1) == pytest.approx([0.28, 0.14, 0.14, 0.14], abs=0.03)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_that_share_of_the_words_surely_fits_the_history(share):
    seen, tokens = drawn(consistent=share, well_formed=1.0)
    word = WORDS.find(parse(tokens).letters_N5)
    fits = seen.candidate_BL[np.arange(len(word)), word]
    past = (seen.states.guess_BH != NONE).any(1)
    by_chance = seen.candidate_BL[past].mean()
    assert fits[past].mean() == pytest.approx(share + (1 - share) * by_chance, abs=0.04)


def test_no_secret_of_the_demonstrations_is_held_out_and_none_was_guessed():
    states = drawn()[0].states
    assert not set(states.secret_B.tolist()) & set(WORDS.held_out)
    assert not (states.guess_BH == states.secret_B[:, None]).any()


def test_a_base_policy_is_trained_once_and_then_read(tmp_path: Path, monkeypatch):
    first = pretrained(SHAPE, FEW, WORDS, 3, cache=tmp_path)

    def never(*given):
        raise AssertionError(given)

    monkeypatch.setattr(base, "train", never)
    again = pretrained(SHAPE, FEW, WORDS, 3, cache=tmp_path)
    assert all(torch.equal(first[name], weight) for name, weight in again.items())
    assert len(list(tmp_path.glob("*.pt"))) == 1


@pytest.mark.parametrize(
    "other",
    [
        (Shape(9, scorer=True), FEW, WORDS, 3),
        (Shape(8, scorer=False), FEW, WORDS, 3),
        (SHAPE, BaseRecipe(steps=3, demonstrations=4), WORDS, 3),
        (SHAPE, FEW, lexicon(61), 3),
        (SHAPE, FEW, WORDS, 4),
    ],
    ids=["width", "scorer", "recipe", "lexicon", "seed"],
)
def test_whatever_the_weights_depend_on_has_a_file_of_its_own(other):
    assert base._key(*other, "cpu") != base._key(SHAPE, FEW, WORDS, 3, "cpu")


def test_training_it_leaves_the_random_numbers_alone(tmp_path: Path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    pretrained(SHAPE, FEW, WORDS, 3, cache=tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_a_damaged_file_is_made_again(tmp_path: Path, capsys):
    first = pretrained(SHAPE, FEW, WORDS, 3, cache=tmp_path)
    (path,) = tmp_path.glob("*.pt")
    path.write_bytes(path.read_bytes()[:-100])
    again = pretrained(SHAPE, FEW, WORDS, 3, cache=tmp_path)
    assert "is damaged" in capsys.readouterr().out
    assert all(torch.equal(first[name], weight) for name, weight in again.items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": -1},
        {"demonstrations": 0},
        {"rate": 0.0},
        {"clip": 0.0},
        {"well_formed": 1.5},
        {"consistent": -0.1},
        {"seed": -1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_setting_out_of_range_is_named(wrong):
    (said,) = BaseRecipe(**wrong).violations()
    assert said.startswith(f"base.{next(iter(wrong))} must be")
