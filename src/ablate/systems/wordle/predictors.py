"""Players without parameters: the baselines that a policy has to beat."""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from torch import Tensor

from ablate.systems.wordle.completions import written
from ablate.systems.wordle.games import Player
from ablate.systems.wordle.rules import Bools, Ints
from ablate.systems.wordle.states import Seen
from ablate.systems.wordle.words import Lexicon

Predictor = Literal["policy", "random_valid", "random_consistent"]


def random_valid(lexicon: Lexicon) -> Player:
    """Guess any word of the lexicon, whatever is known."""

    def write(seen: Seen, uniform_NT: Tensor, temperature: float) -> Ints:  # noqa: ARG001
        return _write(np.ones_like(seen.candidate_BL), uniform_NT, lexicon)

    return write


def random_consistent(lexicon: Lexicon) -> Player:
    """Guess any word that could be the secret."""

    def write(seen: Seen, uniform_NT: Tensor, temperature: float) -> Ints:  # noqa: ARG001
        return _write(seen.candidate_BL, uniform_NT, lexicon)

    return write


def _write(allowed_NL: Bools, uniform_NT: Tensor, lexicon: Lexicon) -> Ints:
    """Spell for each state one of its words, all as likely."""
    share_N = uniform_NT[:, 0].double().numpy()
    rank_N = (share_N * allowed_NL.sum(1)).astype(np.int64)
    chosen_N = (allowed_NL.cumsum(1) > rank_N[:, None]).argmax(1)
    return written(lexicon.letters_L5[chosen_N])


BASELINES: Mapping[str, Callable[[Lexicon], Player]] = {
    "random_valid": random_valid,
    "random_consistent": random_consistent,
}
"""Each makes a player for a lexicon."""
