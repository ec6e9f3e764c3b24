"""The fixed rows: 75 single decisions with the make-up of the published data.

Published are the counts alone. Of 76 raw rows one has a secret of other than five letters and is
dropped. Of the 75 others 55 have two past guesses, 19 one and 1 none, and 74 open with CRANE. 60
are for training and 15 for validation, by the shuffle of scikit-learn's `train_test_split` at
`random_state=42`.
"""

from dataclasses import dataclass

import numpy as np

from ablate.systems.wordle.rules import NONE, PLACES
from ablate.systems.wordle.states import States, candidates
from ablate.systems.wordle.words import OPENING, Lexicon

PAST = (2,) * 55 + (1,) * 19 + (0,)
"""Past guesses of the rows, before they are shuffled."""

VALIDATION = 15
RANDOM_STATE = 42
DROPPED = "FROSTY"
"""The secret of the raw row that is dropped."""


@dataclass(frozen=True)
class Row:
    """Hold a decision: what was guessed so far, and the secret."""

    guesses: tuple[str, ...]
    secret: str

    @property
    def valid(self) -> bool:
        """Whether the secret has five letters."""
        return len(self.secret) == PLACES


def split(count: int, validation: int, random_state: int) -> tuple[list[int], list[int]]:
    """Return the positions for training and for validation, as scikit-learn shuffles them."""
    # The generator that scikit-learn uses; a newer one would shuffle otherwise.
    order = np.random.RandomState(random_state).permutation(count).tolist()
    return order[validation:], order[:validation]


def raw_rows(lexicon: Lexicon) -> list[Row]:
    """Make the 76 raw rows, the same for the same lexicon.

    The secrets of rows for validation are held-out ones, those of the others are secrets of
    training; each is drawn once as long as there are enough. A second guess could be the secret.
    """
    rng = np.random.default_rng(RANDOM_STATE)
    past = rng.permutation(PAST).tolist()
    training, validation = split(len(PAST), VALIDATION, RANDOM_STATE)
    secrets = dict(
        zip(training, _drawn(lexicon.training, len(training), lexicon, rng), strict=True)
    )
    held_out = _drawn(lexicon.held_out, len(validation), lexicon, rng)
    secrets |= dict(zip(validation, held_out, strict=True))
    rows = [_row(secrets[place], past[place], lexicon, rng) for place in range(len(PAST))]
    rows.insert(int(rng.integers(len(rows) + 1)), Row((OPENING,), DROPPED))
    return rows


def fixed_states(lexicon: Lexicon) -> tuple[States, States]:
    """Return the rows for training and for validation, those that are not valid dropped."""
    rows = [row for row in raw_rows(lexicon) if row.valid]
    number = {word: place for place, word in enumerate(lexicon.words)}
    states = States.new(np.array([number[row.secret] for row in rows]))
    for place, row in enumerate(rows):
        states.guess_BH[place, : len(row.guesses)] = [number[guess] for guess in row.guesses]
    states = States(states.secret_B, states.guess_BH, (states.guess_BH != NONE).sum(1))
    training, validation = split(len(rows), VALIDATION, RANDOM_STATE)
    return states.only(training), states.only(validation)


def _drawn(
    numbers: tuple[int, ...], count: int, lexicon: Lexicon, rng: np.random.Generator
) -> list[int]:
    choices = [number for number in numbers if lexicon.words[number] != OPENING]
    drawn: list[int] = rng.choice(choices, count, replace=len(choices) < count).tolist()
    return drawn


def _row(secret: int, past: int, lexicon: Lexicon, rng: np.random.Generator) -> Row:
    opening = lexicon.words.index(OPENING)
    guesses = [opening][:past]
    if past == 2:
        state, _, _ = States.new(np.array([secret])).played(np.array([opening]))
        choice_L = candidates(state, lexicon)[0]
        if choice_L.sum() > 1:
            choice_L[secret] = False
            guesses.append(int(rng.choice(np.flatnonzero(choice_L))))
        else:
            # Nothing but the secret is left: any other word will do.
            others = [word for word in range(len(lexicon)) if word not in {secret, opening}]
            guesses.append(int(rng.choice(others)))
    return Row(tuple(lexicon.words[guess] for guess in guesses), lexicon.words[secret])
