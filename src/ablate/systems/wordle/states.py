"""States of games: what is known before a guess, and where such states come from.

Shapes: B states, H = 5 past guesses (-1: none), L words of the lexicon.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.systems.wordle.rules import (
    HISTORY,
    MARKS,
    NONE,
    TURNS,
    Bools,
    Ints,
    Knowledge,
    known,
)
from ablate.systems.wordle.words import Lexicon


@dataclass(frozen=True)
class States:
    """Hold games in the middle: secrets, past guesses and turns taken, by numbers of a lexicon.

    secret_B. guess_BH: the past guesses in order, then NONE. turn_B: turns taken; more than the
    past guesses where a turn was lost.
    """

    secret_B: Ints
    guess_BH: Ints
    turn_B: Ints

    def __len__(self) -> int:
        return len(self.secret_B)

    @classmethod
    def new(cls, secret_B: Ints) -> "States":
        """Return games that begin."""
        count = len(secret_B)
        return cls(
            secret_B, np.full((count, HISTORY), NONE, dtype=np.int64), np.zeros(count, np.int64)
        )

    def only(self, rows: Any) -> "States":
        """Return some of the states."""
        return States(self.secret_B[rows], self.guess_BH[rows], self.turn_B[rows])

    def replaced(self, rows_B: Bools, others: "States") -> "States":
        """Return these states with others in their place where `rows_B` is True."""
        return States(
            np.where(rows_B, others.secret_B, self.secret_B),
            np.where(rows_B[:, None], others.guess_BH, self.guess_BH),
            np.where(rows_B, others.turn_B, self.turn_B),
        )

    def played(self, guess_B: Ints) -> tuple["States", Bools, Bools]:
        """Return the states after a guess each, which games are over, and which were solved.

        NONE, a guess that is no word, loses its turn. A game that is over keeps its history.
        """
        counts_B = (self.guess_BH != NONE).sum(1)
        told_BH = (np.arange(HISTORY) == counts_B[:, None]) & (guess_B != NONE)[:, None]
        guess_BH = np.where(told_BH, guess_B[:, None], self.guess_BH)
        solved_B = guess_B == self.secret_B
        turn_B = self.turn_B + 1
        return States(self.secret_B, guess_BH, turn_B), solved_B | (turn_B >= TURNS), solved_B


@dataclass(frozen=True)
class Seen:
    """Hold what a player may know of states, and what a judge makes of it.

    past_BH: where there is a past guess. guess_BH5, marks_BH5: its letters and marks.
    candidate_BL: the words that could be the secret. possible_BA: the letters in any of these.
    """

    states: States
    past_BH: Bools
    guess_BH5: Ints
    marks_BH5: NDArray[np.uint8]
    knowledge: Knowledge
    candidate_BL: Bools
    possible_BA: Bools

    def features(self) -> NDArray[np.float32]:
        """Return the knowledge as numbers for a network, (B, 344)."""
        return self.knowledge.features(self.states.turn_B)


def see(states: States, lexicon: Lexicon) -> Seen:
    """Return what is known in states."""
    past_BH = states.guess_BH != NONE
    guess_BH = np.where(past_BH, states.guess_BH, 0)
    code_BH = lexicon.codes_LL[states.secret_B[:, None], guess_BH]
    guess_BH5, marks_BH5 = lexicon.letters_L5[guess_BH], MARKS[code_BH]
    candidate_BL = candidates(states, lexicon)
    contains_LA = (lexicon.letters_L5[..., None] == np.arange(26)).any(1)
    return Seen(
        states=states,
        past_BH=past_BH,
        guess_BH5=guess_BH5,
        marks_BH5=marks_BH5,
        knowledge=known(guess_BH5, marks_BH5, past_BH),
        candidate_BL=candidate_BL,
        possible_BA=(candidate_BL.astype(np.float32) @ contains_LA.astype(np.float32)) > 0,
    )


def candidates(states: States, lexicon: Lexicon) -> Bools:
    """Say which words of the lexicon could be the secrets, (B, L)."""
    codes_LL = lexicon.codes_LL
    candidate_BL = np.ones((len(states), len(lexicon)), dtype=bool)
    for guess_B in states.guess_BH.T:
        code_B = codes_LL[states.secret_B, guess_B]
        agree_BL = code_B[:, None] == codes_LL[:, guess_B].T
        candidate_BL &= agree_BL | (guess_B == NONE)[:, None]
    return candidate_BL


def random_states(
    secret: int, turns: int, lexicon: Lexicon, rng: np.random.Generator, *, consistent: bool
) -> States:
    """Play `turns` random guesses that are not the secret; return the state after them.

    Where they are `consistent`, each could be the secret as far as those before it tell; there may
    be fewer then, as the secret is left over.
    """
    state = States.new(np.array([secret]))
    for _ in range(turns):
        choice_L = candidates(state, lexicon)[0] if consistent else np.ones(len(lexicon), bool)
        choice_L[secret] = False
        choices = np.flatnonzero(choice_L)
        if not len(choices):
            break
        state, _, _ = state.played(rng.choice(choices, 1))
    return state
