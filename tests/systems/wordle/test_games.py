"""Whole games: players that are known to win or lose, words drawn again, the baselines."""

import numpy as np
import pytest
import torch

from ablate.systems.wordle.completions import END, LONGEST, parse, written
from ablate.systems.wordle.games import UNSOLVED, game_noise, noise, play
from ablate.systems.wordle.predictors import BASELINES
from ablate.systems.wordle.properties import sample_states
from ablate.systems.wordle.rewards import Rewards, score
from ablate.systems.wordle.states import States, see
from ablate.systems.wordle.words import lexicon

WORDS = lexicon(60)
SECRETS = np.arange(len(WORDS))


def played(player, redraws: int = 3):
    seeds = torch.arange(len(WORDS))
    return play(
        player, SECRETS, game_noise(seeds, redraws), WORDS, temperature=0.0, redraw_temperature=0.5
    )


def guessing(choose):
    """Make a player of a function from what is seen to words; -1 is silence."""

    def write(seen, uniform, temperature):
        word = choose(seen, temperature)
        rows = written(WORDS.letters_L5[word])
        rows[np.asarray(word) < 0] = END
        return rows

    return write


def test_who_knows_the_secret_wins_in_one_turn_and_who_is_silent_never():
    assert (played(guessing(lambda seen, heat: seen.states.secret_B)) == 1).all()
    silent = guessing(lambda seen, heat: np.full(len(seen.states), -1))
    assert (played(silent) == UNSOLVED).all()


def test_a_game_is_lost_after_six_turns():
    def at(turn: int):
        return guessing(
            lambda seen, heat: np.where(
                seen.states.turn_B >= turn - 1,
                seen.states.secret_B,
                (seen.states.secret_B + 1) % 62,
            )
        )

    assert (played(at(6)) == 6).all()
    assert (played(at(7)) == UNSOLVED).all()


@pytest.mark.parametrize(("redraws", "turn"), [(0, UNSOLVED), (1, 1), (3, 1)])
def test_a_guess_that_is_no_word_is_drawn_again_at_another_temperature(redraws, turn):
    def choose(seen, heat):
        return seen.states.secret_B if heat == 0.5 else np.full(len(seen.states), -1)

    assert (played(guessing(choose), redraws) == turn).all()


def test_a_turn_without_a_word_is_lost():
    heard = []

    def choose(seen, heat):
        heard.append((seen.states.turn_B.max(), (seen.states.guess_BH >= 0).sum()))
        return np.full(len(seen.states), -1)

    played(guessing(choose), redraws=0)
    assert heard == [(turn, 0) for turn in range(6)]


@pytest.mark.parametrize("name", BASELINES)
def test_the_baselines_write_well_formed_words_and_one_of_them_heeds_what_is_known(name):
    seen = see(sample_states(WORDS), WORDS)
    rows = np.arange(len(seen.states))
    write = BASELINES[name](WORDS)
    tokens = np.concatenate(
        [write(seen, noise(torch.arange(24) + 100 * draw, LONGEST), 1.0) for draw in range(20)]
    )
    parsed = parse(tokens)
    scored = score(parsed, seen, np.tile(rows, 20), WORDS, Rewards(), progress=1.0)
    assert scored.valid_N.all()
    assert (scored.word_N >= 0).all()
    uses = scored.uses_N.sum() / scored.past_N.sum()
    assert uses == 1.0 if name == "random_consistent" else uses < 0.5
    # Without a history any word will do, and all of them come.
    start = see(States.new(np.zeros(2000, np.int64)), WORDS)
    found = WORDS.find(parse(write(start, noise(torch.arange(2000), LONGEST), 1.0)).letters_N5)
    assert set(found) == set(range(len(WORDS)))


def test_who_plays_by_the_rules_wins_more_than_who_plays_any_word():
    consistent, valid = (
        (played(BASELINES[name](WORDS)) < UNSOLVED).mean()
        for name in ("random_consistent", "random_valid")
    )
    assert consistent > 0.9
    assert valid < 0.3


def test_the_numbers_of_a_game_do_not_depend_on_the_games_beside_it():
    together = game_noise(torch.tensor([5, 6, 7]), 2)
    assert together.shape == (3, 6, 3, LONGEST)
    assert torch.equal(game_noise(torch.tensor([6]), 2)[0], together[1])
