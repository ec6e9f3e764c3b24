"""Episodes: a program grows token by token, and every token has a reward."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ablate.systems.token_dqn.problems import Problem
from ablate.systems.token_dqn.programs import Verdict, judge
from ablate.systems.token_dqn.rewards import (
    Moment,
    RewardName,
    RewardWeights,
    environment_reward,
    training_reward,
)

LONGEST = 1000
"""The most steps that an episode may have: Python's parser gets no longer program."""

CODE_FEATURES, ALL_FEATURES = 6, 14
"""How many numbers tell of a program alone, and how many of the whole moment."""

_DEFAULT = RewardWeights()


@dataclass(frozen=True)
class Rules:
    """What an episode is played by: its length, the tokens, the rewards."""

    horizon: int
    tokens: tuple[str, ...]
    weights: RewardWeights = _DEFAULT
    reward: RewardName = "training"


@dataclass
class Episode:
    """A program being written for a problem; `total` is the undiscounted sum of its rewards."""

    problem: Problem
    rules: Rules
    text: str = ""
    step: int = 0
    total: float = 0.0
    verdict: Verdict = field(default_factory=lambda: Verdict(parses=True, passed=0, failed=0))

    @property
    def over(self) -> bool:
        """Whether all tests pass or the last step is done."""
        return self.verdict.solved or self.step >= self.rules.horizon

    @property
    def passed(self) -> float:
        """The share of the tests that pass."""
        return self.verdict.passed / len(self.problem.tests)

    def append(self, action: int) -> float:
        """Append the token of an action, nothing if it has none; return the reward."""
        tokens, before, parsed_before = self.rules.tokens, self.text, self.verdict.parses
        self.step += 1
        if action < len(tokens):
            self.text += tokens[action]
        self.verdict = judge(self.text, self.problem.name)
        now = Moment(self.text, self.verdict, before, parsed_before, self.step, self.rules.horizon)
        if self.rules.reward == "environment":
            reward = environment_reward(now, len(self.problem.tests))
        else:
            reward = training_reward(now, self.rules.weights)
        self.total += reward
        return reward

    def features(self) -> tuple[float, ...]:
        """Return what a state says of the moment: 6 numbers of the program, 8 of all."""
        text, verdict = self.text, self.verdict
        length, lines, functions = len(text) / 1000, text.count("\n") / 50, text.count("def") / 5
        # A text that does not parse counts as one error.
        errors = verdict.failed if verdict.parses else 1
        return (
            length,
            lines,
            functions,
            text.count("return") / 5,
            text.count("if") / 10,
            text.count("for") / 10,
            self.step / self.rules.horizon,
            length,
            float(verdict.parses),
            self.passed,
            float(verdict.solved),
            functions,
            lines,
            errors / 10,
        )


def played(problem: Problem, rules: Rules, actions: Sequence[int]) -> Episode:
    """Play given actions, then do nothing until the episode is over."""
    episode = Episode(problem, rules)
    while not episode.over:
        place = episode.step
        episode.append(actions[place] if place < len(actions) else len(rules.tokens))
    return episode


def floor(problem: Problem, rules: Rules) -> float:
    """Return what doing nothing earns."""
    return played(problem, rules, ()).total


def garbage(rules: Rules) -> list[int]:
    """Return the actions of the best program that never parses, by the published rewards.

    Each bonus is collected as soon as it can be; then the text grows by tokens that cost nothing.
    """
    wanted = ["in ", "[", "for ", "def ", "return "]
    opening = [rules.tokens.index(token) for token in wanted]
    return [*opening, *[rules.tokens.index("[")] * (rules.horizon - len(opening))]
