"""The reward of a completion, and the metrics of many.

The total is format + feedback + information + accuracy, each by the constants of `Rewards`, whose
defaults are those of round 6.5 of the published recipe with four additions: for no tag, for text
that trails, for a guess made before, and for solving.
"""

from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ablate.systems.wordle.completions import Parsed
from ablate.systems.wordle.rules import LETTERS, NONE, PLACES, Bools, Ints, consistent
from ablate.systems.wordle.states import Seen
from ablate.systems.wordle.words import Lexicon, spelt

Floats = NDArray[np.float64]

COMMON: Bools = np.isin(np.arange(LETTERS), spelt("ETAOINSHRDLU"))
"""The twelve most common letters of English."""


@dataclass(frozen=True)
class Rewards:
    """Hold the constants of the reward.

    Of the format: `full_format` for a guess behind a closed thought, `partial_format` for a guess
    without one, `no_tag`, `trailing` for text behind the guess; `valid_word`, or `wrong_length` or
    `unknown_word` times (`lenience` + (1 - `lenience`) p), p being the progress of the training;
    `repeated` for a guess made before, `solved`.

    Of the feedback, of guesses of five letters: `green_kept` or `green_lost` for each green letter,
    `yellow_new`, `yellow_tried` or `yellow_omitted` for each yellow one, `dead_letter` each time
    it is there, `new_letter` for each that was never guessed, and nothing below `floor`. For the
    first guess of a game `new_letter` alone counts.

    `information` and `accuracy` weigh the two other parts.
    """

    full_format: float = 0.4
    partial_format: float = 0.2
    no_tag: float = -0.5
    trailing: float = -0.5
    valid_word: float = 0.4
    wrong_length: float = -1.5
    unknown_word: float = -1.5
    lenience: float = 0.5
    repeated: float = -0.5
    solved: float = 1.0
    green_kept: float = 0.4
    green_lost: float = -0.2
    yellow_new: float = 0.3
    yellow_tried: float = -0.2
    yellow_omitted: float = -0.4
    dead_letter: float = -0.5
    new_letter: float = 0.05
    floor: float | None = -1.2
    information: float = 1.0
    accuracy: float = 1.0

    def violations(self) -> list[str]:
        """Say what is out of range."""
        found = [
            f"rewards.{name} must be finite, got {value}"
            for name, value in asdict(self).items()
            if value is not None and not np.isfinite(value)
        ]
        if not 0 <= self.lenience <= 1:
            found.append(f"rewards.lenience must be in [0, 1], got {self.lenience}")
        return found


@dataclass(frozen=True)
class Scored:
    """Hold the rewards of N completions by part, and what the metrics count.

    word_N: the number of the guess in the lexicon, NONE if it is not there. past_N: guesses of
    five letters with a history. uses_N: of these, those that could be the secret. reuses_N: those
    with a dead letter.
    """

    format_N: Floats
    feedback_N: Floats
    information_N: Floats
    accuracy_N: Floats
    valid_N: Bools
    five_N: Bools
    word_N: Ints
    past_N: Bools
    uses_N: Bools
    reuses_N: Bools

    @property
    def total_N(self) -> Floats:  # noqa: N802 - its shape
        """Return the rewards."""
        return self.format_N + self.feedback_N + self.information_N + self.accuracy_N

    def counts(self) -> "Counts":
        """Return the sums of which metrics are made."""
        known_N = self.word_N != NONE
        return Counts(
            completions=len(self.valid_N),
            reward=float(self.total_N.sum()),
            format_reward=float(self.format_N.sum()),
            feedback_reward=float(self.feedback_N.sum()),
            information_reward=float(self.information_N.sum()),
            accuracy_reward=float(self.accuracy_N.sum()),
            valid_format=int(self.valid_N.sum()),
            guesses=int(self.five_N.sum()),
            invalid_word=int((self.five_N & ~known_N).sum()),
            past=int(self.past_N.sum()),
            feedback_use=int(self.uses_N.sum()),
            dead_reuse=int(self.reuses_N.sum()),
        )


@dataclass(frozen=True)
class Counts:
    """Hold sums over completions; `means` are the metrics."""

    completions: int = 0
    reward: float = 0.0
    format_reward: float = 0.0
    feedback_reward: float = 0.0
    information_reward: float = 0.0
    accuracy_reward: float = 0.0
    valid_format: int = 0
    guesses: int = 0
    invalid_word: int = 0
    past: int = 0
    feedback_use: int = 0
    dead_reuse: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        names = (field.name for field in fields(self))
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def means(self, *, empty: float | None = None) -> dict[str, tuple[float, int]]:
        """Return each metric with the number it is a mean over.

        Those over none are left out, or said to be `empty` over one.

        Rewards and `valid_format` are means over completions, `invalid_word` is one over guesses
        of five letters, `feedback_use` and `dead_reuse` are over such guesses with a history.
        """
        over = {"invalid_word": self.guesses, "feedback_use": self.past, "dead_reuse": self.past}
        bases = {"completions", "guesses", "past"}
        sums = {name: value for name, value in asdict(self).items() if name not in bases}
        counts = {name: over.get(name, self.completions) for name in sums}
        means = {
            name: (value / counts[name], counts[name])
            for name, value in sums.items()
            if counts[name]
        }
        if empty is not None:
            means = {name: means.get(name, (empty, 1)) for name in sums}
        return means


def score(
    parsed: Parsed,
    seen: Seen,
    row_N: Ints,
    lexicon: Lexicon,
    rewards: Rewards,
    *,
    progress: float,
) -> Scored:
    """Score completions; `row_N` is the state of each, `progress` that of the training, 0 to 1."""
    five_N = parsed.five_N
    word_N = np.where(five_N, lexicon.find(parsed.letters_N5), NONE)
    past_NH = seen.past_BH[row_N]
    past_N = five_N & past_NH.any(1)
    letter_N5A = parsed.letters_N5[..., None] == np.arange(LETTERS)
    dead_NA = seen.knowledge.dead_BA[row_N]
    uses_N = consistent(parsed.letters_N5, seen.guess_BH5[row_N], seen.marks_BH5[row_N], past_NH)
    secret_N = seen.states.secret_B[row_N]
    accuracy_N = _accuracy(parsed.letters_N5, lexicon.letters_L5[secret_N])
    information_N = _information(letter_N5A.any(1), seen.possible_BA[row_N])
    return Scored(
        format_N=_format(
            parsed,
            word_N,
            seen.states.guess_BH[row_N],
            secret_N,
            rewards,
            progress=progress,
        ),
        feedback_N=np.where(five_N, _feedback(letter_N5A, seen, row_N, rewards), 0.0),
        information_N=rewards.information * np.where(word_N != NONE, information_N, 0.0),
        accuracy_N=rewards.accuracy * np.where(five_N, accuracy_N, 0.0),
        valid_N=parsed.valid_N,
        five_N=five_N,
        word_N=word_N,
        past_N=past_N,
        uses_N=past_N & uses_N,
        reuses_N=past_N & (letter_N5A.any(1) & dead_NA).any(1),
    )


def _format(
    parsed: Parsed,
    word_N: Ints,
    guess_NH: Ints,
    secret_N: Ints,
    rewards: Rewards,
    *,
    progress: float,
) -> Floats:
    share = rewards.lenience + (1 - rewards.lenience) * progress
    known_N = word_N != NONE
    shape_N = np.where(parsed.thought_N, rewards.full_format, rewards.partial_format)
    unknown_N = np.where(parsed.five_N, rewards.unknown_word, rewards.wrong_length) * share
    word_reward_N = np.where(known_N, rewards.valid_word, unknown_N)
    extras_N = rewards.repeated * (known_N & (guess_NH == word_N[:, None]).any(1))
    extras_N = extras_N + rewards.solved * (known_N & (word_N == secret_N))
    extras_N = extras_N + rewards.trailing * parsed.trailing_N
    return np.where(parsed.tagged_N, shape_N + word_reward_N + extras_N, rewards.no_tag)


def _feedback(letter_N5A: Bools, seen: Seen, row_N: Ints, rewards: Rewards) -> Floats:
    knowledge = seen.knowledge
    used_NA = letter_N5A.any(1)
    new_N = rewards.new_letter * (used_NA & ~knowledge.seen_BA[row_N]).sum(-1)
    green_N5A = knowledge.green_BPA[row_N]
    kept_N = (green_N5A & letter_N5A).sum((1, 2))
    lost_N = green_N5A.sum((1, 2)) - kept_N
    # As published, the first copy of a letter stands for it.
    first_N5A = letter_N5A & (np.cumsum(letter_N5A, 1) == 1)
    tried_NA = (first_N5A & knowledge.banned_BPA[row_N]).any(1)
    yellow_NA = knowledge.yellow_BA[row_N]
    tried_N = (yellow_NA & tried_NA).sum(1)
    omitted_N = (yellow_NA & ~used_NA).sum(1)
    moved_N = yellow_NA.sum(1) - tried_N - omitted_N
    dead_N = (letter_N5A & knowledge.dead_BA[row_N][:, None]).sum((1, 2))
    total_N = (
        rewards.green_kept * kept_N
        + rewards.green_lost * lost_N
        + rewards.yellow_new * moved_N
        + rewards.yellow_tried * tried_N
        + rewards.yellow_omitted * omitted_N
        + rewards.dead_letter * dead_N
        + new_N
    )
    if rewards.floor is not None:
        total_N = np.maximum(total_N, rewards.floor)
    earned_N: Floats = np.where(seen.past_BH[row_N].any(1), total_N, new_N)
    return earned_N


def _accuracy(guess_N5: Ints, secret_N5: Ints) -> Floats:
    """Return min(1, 1.2 (e + 0.2 (m - e)) / 6): e letters in place, m of them in the secret."""
    exact_N = (guess_N5 == secret_N5).sum(1)
    numbers = np.arange(LETTERS)
    counts_NA, copies_NA = (
        (word_N5[..., None] == numbers).sum(1) for word_N5 in (guess_N5, secret_N5)
    )
    matched_N = np.minimum(counts_NA, copies_NA).sum(1)
    accuracy_N: Floats = np.minimum(
        1.0, 1.2 * (exact_N + 0.2 * np.maximum(0, matched_N - exact_N)) / 6
    )
    return accuracy_N


def _information(used_NA: Bools, possible_NA: Bools) -> Floats:
    """Return 0.6 of the guess's letters that are possible, 0.4 of those that are common, too."""
    hits_NA = used_NA & possible_NA
    share_N: Floats = (0.6 * hits_NA.sum(1) + 0.4 * (hits_NA & COMMON).sum(1)) / PLACES
    return share_N
