"""The two rewards of the origin: the one that is trained with, and the environment's own."""

from dataclasses import dataclass
from typing import Literal

from ablate.systems.token_dqn.programs import Verdict

RewardName = Literal["training", "environment"]

_DECISIONS = ("if ", "elif ", "for ", "while ", "and ", "or ", "except ")


@dataclass(frozen=True)
class RewardWeights:
    """What counts how much in the reward that is trained with.

    Args:
        correctness: Weight of the tests.
        quality: Weight of how the program is written.
        efficiency: Weight of steps, length and patterns.
        progress: Weight of what the last token added.
        syntax: Reward of every step whose program does not parse, which the origin gives nothing;
            -2 makes garbage unattractive.
    """

    correctness: float = 10.0
    quality: float = 2.0
    efficiency: float = 1.0
    progress: float = 0.5
    syntax: float = 0.0


@dataclass(frozen=True)
class Moment:
    """A program after a token, and what it was before it; `step` counts from 1."""

    text: str
    verdict: Verdict
    before: str
    parsed_before: bool
    step: int
    horizon: int


def training_reward(now: Moment, weights: RewardWeights) -> float:
    """Return the reward of a step as the origin trains with it."""
    found = (
        weights.correctness * correctness(now.verdict)
        + weights.quality * quality(now.text, now.verdict)
        + weights.efficiency * efficiency(now.text, now.step, now.horizon)
        + weights.progress * progress(now)
    )
    return found if now.verdict.parses else found + weights.syntax


def correctness(verdict: Verdict) -> float:
    """Return the passed share, 2 more if all pass, 0.1 less for each test that fails."""
    if not verdict.parses:
        return 0.0
    total = verdict.passed + verdict.failed
    return verdict.passed / total + (2.0 if verdict.solved else 0.0) - 0.1 * verdict.failed


def quality(text: str, verdict: Verdict) -> float:
    """Return how well a program is written; 0 if it does not parse."""
    if not verdict.parses:
        return 0.0
    lines, decisions = text.count("\n"), complexity(text)
    return (
        0.5
        + (0.15 if "def " in text else 0.0)
        + (0.15 if "return " in text else 0.0)
        + (0.2 if 3 <= lines <= 20 else -0.1 if lines > 50 else 0.0)
        + (0.2 if decisions < 5 else -0.1 if decisions > 15 else 0.0)
        + (0.1 if '"""' in text or "'''" in text else 0.0)
    )


def complexity(text: str) -> int:
    """Return 1 and the number of places that decide; "for " counts as "or ", too."""
    return 1 + sum(text.count(word) for word in _DECISIONS)


def efficiency(text: str, step: int, horizon: int) -> float:
    """Return what patterns earn, less what steps, loops and length cost."""
    endless = "while True:" in text and "break" not in text
    return (
        -0.1 * step / horizon
        + (0.05 if "in " in text else 0.0)
        + (0.05 if "enumerate(" in text else 0.0)
        + (0.05 if "[" in text and "for" in text else 0.0)
        - (0.1 if text.count("for") > 3 else 0.0)
        - (0.2 if endless else 0.0)
        - (0.1 if len(text) > 1000 else 0.0)
    )


def progress(now: Moment) -> float:
    """Return what the last token has brought."""
    return (
        (0.3 if now.verdict.parses and not now.parsed_before else 0.0)
        + (0.2 if "def " in now.text and "def " not in now.before else 0.0)
        + (0.1 if "return " in now.text and "return " not in now.before else 0.0)
        + (0.05 if len(now.text) > len(now.before) else 0.0)
    )


def environment_reward(now: Moment, tests: int) -> float:
    """Return the environment's own reward of a step, by which the origin evaluates."""
    text, verdict = now.text, now.verdict
    found = 10.0 * verdict.passed / tests + (20.0 if verdict.solved else 0.0) - 0.01 * now.step
    if not verdict.parses:
        # A text that does not parse counts as one error.
        return found - 2.0 - 0.5
    lines = text.count("\n")
    found += 1.0 + (1.0 if 5 <= lines <= 20 else -2.0 if lines > 50 else 0.0)
    found += 0.5 if "def " in text and "return " in text else 0.0
    return found - 0.5 * verdict.failed
