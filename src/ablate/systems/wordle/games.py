"""Whole games of six turns, played to see how many are solved.

Shapes: N games, R draws for a turn, T tokens.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ablate.systems.wordle.completions import LONGEST, parse
from ablate.systems.wordle.rules import NONE, TURNS, Ints
from ablate.systems.wordle.states import Seen, States, see
from ablate.systems.wordle.words import Lexicon

Player = Callable[[Seen, Tensor, float], Ints]
"""Writes a completion for each state: of numbers in [0, 1), (N, 12), at a temperature."""

UNSOLVED = TURNS + 1


def play(
    player: Player,
    secret_N: Ints,
    uniform_NSRT: Tensor,
    lexicon: Lexicon,
    *,
    temperature: float,
    redraw_temperature: float,
) -> Ints:
    """Play games to their end; return the turn at which each was solved, 7 if none, (N,).

    `uniform_NSRT` has the numbers of every turn and draw. A guess that is no word is drawn again,
    at `redraw_temperature`; if the last draw is no word either, the turn is lost.
    """
    count = len(secret_N)
    solved_N = np.full(count, UNSOLVED, dtype=np.int64)
    rows = np.arange(count)
    states = States.new(secret_N)
    for turn in range(TURNS):
        seen = see(states, lexicon)
        guess = np.full(len(rows), NONE, dtype=np.int64)
        left = np.arange(len(rows))
        for draw in range(uniform_NSRT.shape[2]):
            among = seen if len(left) == len(rows) else see(states.only(left), lexicon)
            uniform = uniform_NSRT[rows[left], turn, draw]
            heat = temperature if draw == 0 else redraw_temperature
            guess[left] = guessed(player(among, uniform, heat), lexicon)
            left = left[guess[left] == NONE]
            if not len(left):
                break
        states, over, solved = states.played(guess)
        solved_N[rows[solved]] = turn + 1
        rows, states = rows[~over], states.only(~over)
        if not len(rows):
            break
    return solved_N


def guessed(tokens_NT: Ints, lexicon: Lexicon) -> Ints:
    """Return the word of each completion by its number in the lexicon, NONE if it is none, (N,)."""
    parsed = parse(tokens_NT)
    return np.where(parsed.five_N, lexicon.find(parsed.letters_N5), NONE)


def noise(seed_N: Tensor, *shape: int) -> Tensor:
    """Draw the numbers of each example from its own seed alone, whatever the batch, (N, *shape)."""
    generator = torch.Generator()
    return torch.stack(
        [torch.rand(shape, generator=generator.manual_seed(seed)) for seed in seed_N.tolist()]
    )


def game_noise(seed_N: Tensor, redraws: int) -> Tensor:
    """Draw the numbers of whole games, (N, 6, 1 + redraws, 12)."""
    return noise(seed_N, TURNS, 1 + redraws, LONGEST)
