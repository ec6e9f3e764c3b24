"""What a policy writes: tokens for letters and tags, and how a guess is read from them.

It is the answer of a language model cut down to what is scored: the thought, already open, is
closed; the guess is opened, spelt and closed; the text ends.
"""

from dataclasses import dataclass

import numpy as np

from ablate.systems.wordle.rules import LETTERS, PLACES, Bools, Ints

THINK_CLOSE, GUESS_OPEN, GUESS_CLOSE, JUNK, END = range(LETTERS, LETTERS + 5)
VOCABULARY = LETTERS + 5
BEGIN = VOCABULARY
"""What a decoder reads first; never written."""

LONGEST = 12
"""The most tokens of a completion."""

_NAMES = {THINK_CLOSE: "</think>", GUESS_OPEN: "<guess>", GUESS_CLOSE: "</guess>", JUNK: "~"}


@dataclass(frozen=True)
class Parsed:
    """Hold what was read from N completions.

    tagged_N: there is a guess between its two tags. thought_N: the thought is closed before it.
    trailing_N: something follows it. single_N: there is one opening and one closing tag, and one
    end of thought at most. length_N: letters of the guess, 0 without tags. letters_N5: the guess
    where it has five letters, else zeros.
    """

    tagged_N: Bools
    thought_N: Bools
    trailing_N: Bools
    single_N: Bools
    length_N: Ints
    letters_N5: Ints

    @property
    def five_N(self) -> Bools:  # noqa: N802 - its shape
        """Say which completions guess five letters."""
        five_N: Bools = self.length_N == PLACES
        return five_N

    @property
    def valid_N(self) -> Bools:  # noqa: N802 - its shape
        """Say which completions are well formed: what the metric `valid_format` counts."""
        return self.thought_N & self.single_N & self.five_N & ~self.trailing_N


def parse(tokens_NT: Ints) -> Parsed:
    """Read completions, END being their end and their padding, (N, T).

    The guess is what stands between the first opening tag and the first closing tag behind it;
    only its letters count.
    """
    count, width = tokens_NT.shape
    place_T = np.arange(width)
    open_NT, close_NT = tokens_NT == GUESS_OPEN, tokens_NT == GUESS_CLOSE
    first_N = np.where(open_NT.any(1), open_NT.argmax(1), width)
    after_NT = place_T > first_N[:, None]
    closing_NT = close_NT & after_NT
    tagged_N = closing_NT.any(1)
    last_N = np.where(tagged_N, closing_NT.argmax(1), width)
    inside_NT = after_NT & (place_T < last_N[:, None]) & (tokens_NT < LETTERS) & tagged_N[:, None]
    length_N = inside_NT.sum(1)
    thinks_NT = tokens_NT == THINK_CLOSE
    letters_N5 = np.zeros((count, PLACES), dtype=np.int64)
    five_N = length_N == PLACES
    letters_N5[five_N] = tokens_NT[five_N][inside_NT[five_N]].reshape(-1, PLACES)
    return Parsed(
        tagged_N=tagged_N,
        thought_N=tagged_N & (thinks_NT & (place_T < first_N[:, None])).any(1),
        trailing_N=((place_T > last_N[:, None]) & (tokens_NT != END)).any(1),
        single_N=(open_NT.sum(1) == 1) & (close_NT.sum(1) == 1) & (thinks_NT.sum(1) <= 1),
        length_N=length_N,
        letters_N5=letters_N5,
    )


def written(letters_N5: Ints) -> Ints:
    """Return well-formed completions that guess words, (N, 12)."""
    tokens_NT = np.full((len(letters_N5), LONGEST), END, dtype=np.int64)
    tokens_NT[:, 0], tokens_NT[:, 1] = THINK_CLOSE, GUESS_OPEN
    tokens_NT[:, 2 : 2 + PLACES], tokens_NT[:, 2 + PLACES] = letters_N5, GUESS_CLOSE
    return tokens_NT


def spelled(tokens: list[int]) -> str:
    """Return a completion as text."""
    names = (_NAMES.get(token, chr(ord("A") + token)) for token in tokens if token != END)
    return "".join(names)
