"""Tests of what the parts of the token system are named for: None, or what is wrong."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ablate.systems.token_dqn.environment import Episode, Rules, played
from ablate.systems.token_dqn.problems import PROBLEMS
from ablate.systems.token_dqn.states import embeddings

TRIES = 20
"""How often the action in the same state is asked for."""

Greedy = Callable[[Sequence[int], Sequence[tuple[float, ...]]], Tensor]


def _moments(rules: Rules | None = None) -> tuple[list[int], list[tuple[float, ...]]]:
    """Return the first state of every problem."""
    rules = rules or Rules(1, ())
    places = list(range(len(PROBLEMS)))
    return places, [Episode(problem, rules).features() for problem in PROBLEMS]


def evaluation_has_the_reward_of_training(training: Rules, evaluation: Rules) -> str | None:
    """Test that doing nothing earns the same in training and in evaluation."""
    problem = PROBLEMS[0]
    one, other = (played(problem, rules, ()).total for rules in (training, evaluation))
    if one == other:
        return None
    return (
        f"doing nothing about {problem.name} earns {one:.4g} in training and {other:.4g} in "
        "evaluation: what is evaluated is not what is trained"
    )


def width_is_the_configured_one(policy: nn.Module, hidden: int) -> str | None:
    """Test that the first layer is as wide as the configuration says."""
    width = next(part for part in policy.modules() if isinstance(part, nn.Linear)).out_features
    if width == hidden:
        return None
    return f"the hidden layers are {width} wide, not {hidden}: the key changes nothing"


def actions_are_those_of_the_state(greedy: Greedy) -> str | None:
    """Test that acting greedily gives the same actions every time."""
    places, features = _moments()
    with torch.random.fork_rng(devices=[]):
        found = {tuple(greedy(places, features).tolist()) for _ in range(TRIES)}
    if len(found) == 1:
        return None
    return f"{TRIES} times asked in the same states, it took {len(found)} different actions"


def embeddings_are_the_same_everywhere(embedding_PE: Tensor) -> str | None:
    """Test that the problems' embeddings are those of their texts' digests."""
    expected_PE = embeddings(PROBLEMS, "digest").to(embedding_PE)
    if torch.equal(embedding_PE, expected_PE):
        return None
    return "the embeddings are not those of a digest: another process has other ones"


def states_leave_the_global_generator_alone(greedy: Greedy) -> str | None:
    """Test that what acts does not touch NumPy's global generator."""
    kept = np.random.get_state()
    try:
        np.random.seed(1)
        expected = np.random.random()
        np.random.seed(1)
        greedy(*_moments())
        same = np.random.random() == expected
    finally:
        np.random.set_state(kept)
    return None if same else "acting seeds NumPy's global generator: it decides what others draw"
