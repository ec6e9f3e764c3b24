"""The rules of the game: feedback on a guess, and what a history of guesses tells.

Shapes: B states, H past guesses of each (-1: none), N words. A word is five letters, A = 0. Marks
are GREY, YELLOW and GREEN; a code is five marks as one number, the first mark counting most.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LETTERS, PLACES, TURNS = 26, 5, 6
HISTORY = TURNS - 1
"""The most guesses before a guess."""

GREY, YELLOW, GREEN = 0, 1, 2

NONE = -1
"""No guess."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_WEIGHTS = 3 ** np.arange(PLACES - 1, -1, -1)

MARKS: NDArray[np.uint8] = (np.arange(3**PLACES)[:, None] // _WEIGHTS % 3).astype(np.uint8)
"""The five marks of every code, (243, 5)."""


def feedback(secret_N5: Ints, guess_N5: Ints) -> NDArray[np.uint8]:
    """Mark the letters of guesses in two passes, (N, 5); the shapes may broadcast.

    A letter in its place is green. Of the others a letter is yellow as long as the secret has
    copies of it that are neither green nor yellow yet, from left to right; all else is grey.
    """
    secret_N5, guess_N5 = np.broadcast_arrays(secret_N5, guess_N5)
    green_N5 = secret_N5 == guess_N5
    left_N5 = ~green_N5
    marks_N5 = np.where(green_N5, GREEN, GREY).astype(np.uint8)
    for place in range(PLACES):
        letter_N1 = guess_N5[..., place, None]
        copies_N5 = left_N5 & (secret_N5 == letter_N1)
        first_N = copies_N5.argmax(-1)
        yellow_N = copies_N5.any(-1) & ~green_N5[..., place]
        marks_N5[..., place][yellow_N] = YELLOW
        taken_N5 = (np.arange(PLACES) == first_N[..., None]) & yellow_N[..., None]
        left_N5 &= ~taken_N5
    return marks_N5


def codes(secret_N5: Ints, guess_N5: Ints) -> NDArray[np.uint8]:
    """Return the feedback on guesses as codes, (N,); the shapes may broadcast."""
    return (feedback(secret_N5, guess_N5) @ _WEIGHTS.astype(np.uint8)).astype(np.uint8)


@dataclass(frozen=True)
class Knowledge:
    """Hold what histories tell about letters.

    dead_BA: grey in some guess, and never green or yellow in any. green_BA, yellow_BA: so marked
    in some guess. green_BPA: known to stand at a place. banned_BPA: known not to stand there,
    though the letter lives: it was yellow there, or grey beside another copy.
    """

    dead_BA: Bools
    green_BA: Bools
    yellow_BA: Bools
    green_BPA: Bools
    banned_BPA: Bools

    @property
    def seen_BA(self) -> Bools:  # noqa: N802 - its shape
        """Letters that were guessed."""
        return self.dead_BA | self.green_BA | self.yellow_BA

    def features(self, turn_B: Ints) -> NDArray[np.float32]:
        """Return all of it with the turn as numbers for a network, (B, 344)."""
        count = len(turn_B)
        by_letter = np.stack([self.dead_BA, self.green_BA, self.yellow_BA], 1)
        letters_BX = np.concatenate([by_letter, self.green_BPA, self.banned_BPA], 1)
        turn_BT = np.arange(TURNS) == turn_B[:, None]
        return np.concatenate([letters_BX.reshape(count, -1), turn_BT], 1).astype(np.float32)


FEATURES = LETTERS * (3 + 2 * PLACES) + TURNS


def known(guess_BH5: Ints, marks_BH5: NDArray[np.uint8], past_BH: Bools) -> Knowledge:
    """Return what guesses and their marks tell; where `past_BH` is False there was no guess."""
    letter_BH5A = guess_BH5[..., None] == np.arange(LETTERS)
    letter_BH5A &= past_BH[..., None, None]
    green_BPA = (letter_BH5A & (marks_BH5 == GREEN)[..., None]).any(1)
    yellow_BPA = (letter_BH5A & (marks_BH5 == YELLOW)[..., None]).any(1)
    grey_BPA = (letter_BH5A & (marks_BH5 == GREY)[..., None]).any(1)
    green_BA, yellow_BA = green_BPA.any(1), yellow_BPA.any(1)
    lives_BA = green_BA | yellow_BA
    return Knowledge(
        dead_BA=grey_BPA.any(1) & ~lives_BA,
        green_BA=green_BA,
        yellow_BA=yellow_BA,
        green_BPA=green_BPA,
        banned_BPA=yellow_BPA | (grey_BPA & lives_BA[:, None]),
    )


def consistent(
    word_N5: Ints, guess_NH5: Ints, marks_NH5: NDArray[np.uint8], past_NH: Bools
) -> Bools:
    """Say whether words could be the secret: each past guess would have had the marks it has."""
    agree_NH = (feedback(word_N5[:, None], guess_NH5) == marks_NH5).all(-1)
    fits_N: Bools = (agree_NH | ~past_NH).all(-1)
    return fits_N
