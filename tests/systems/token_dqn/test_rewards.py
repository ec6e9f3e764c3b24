"""Both rewards, by hand and by their bounds; what an episode earns; what a state shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.systems.token_dqn.environment import (
    ALL_FEATURES,
    Episode,
    Rules,
    floor,
    garbage,
    played,
)
from ablate.systems.token_dqn.problems import PROBLEMS, TRAINING
from ablate.systems.token_dqn.programs import UNPARSEABLE, Verdict
from ablate.systems.token_dqn.rewards import (
    Moment,
    RewardWeights,
    complexity,
    correctness,
    efficiency,
    environment_reward,
    progress,
    quality,
    training_reward,
)
from ablate.systems.token_dqn.tokens import PUBLISHED, SOLVABLE

FAILS = Verdict(parses=True, passed=0, failed=5)
SOLVES = Verdict(parses=True, passed=5, failed=0)
ADD = "def add_numbers(a, b):\n    return a + b"


def moment(text="", verdict=FAILS, before="", **changes):
    return Moment(**{"text": text, "verdict": verdict, "before": before, "parsed_before": True,
                     "step": 1, "horizon": 10, **changes})  # fmt: skip


def rules(horizon=30, tokens=PUBLISHED, **changes):
    return Rules(horizon, tokens, **changes)


# Parts


@pytest.mark.parametrize(
    ("verdict", "value"),
    [(FAILS, -0.5), (SOLVES, 3.0), (UNPARSEABLE, 0.0), (Verdict(True, 3, 2), 0.4)],
)
def test_correctness_is_the_passed_share_with_a_bonus_and_a_price(verdict, value):
    assert correctness(verdict) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0.7),
        (ADD, 0.5 + 0.15 + 0.15 + 0.2),
        (ADD + "\n\n\n", 0.5 + 0.15 + 0.15 + 0.2 + 0.2),
        ("if " * 4, 0.5),
        ("if " * 15, 0.4),
        ("\n" * 51, 0.5 - 0.1 + 0.2),
        ("'''a'''", 0.7 + 0.1),
    ],
)
def test_quality_counts_words_lines_and_decisions(text, value):
    assert quality(text, FAILS) == pytest.approx(value)
    assert quality(text, UNPARSEABLE) == 0


def test_for_counts_as_or_too():
    assert complexity("for ") == 3
    assert complexity("elif ") == 3
    assert complexity("if a and b or c") == 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", -0.05),
        ("in ", 0.0),
        ("[for ", 0.0),
        ("for " * 4, -0.15),
        ("enumerate(", 0.0),
        ("while True:", -0.25),
        ("while True: break", -0.05),
        ("a" * 1001, -0.15),
    ],
)
def test_efficiency_rewards_patterns_and_prices_steps(text, value):
    assert efficiency(text, 5, 10) == pytest.approx(value)


def test_progress_is_what_the_last_token_brought():
    assert progress(moment("def return ", FAILS, "", parsed_before=False)) == pytest.approx(0.65)
    assert progress(moment("def ", UNPARSEABLE, "def ")) == 0
    assert progress(moment("def ", UNPARSEABLE, "de")) == pytest.approx(0.25)


def test_the_reward_is_the_weighted_sum_of_its_parts():
    now = moment(ADD, SOLVES)
    expected = 10 * 3 + 2 * 1.0 + 1 * (-0.01) + 0.5 * (0.2 + 0.1 + 0.05)
    assert training_reward(now, RewardWeights()) == pytest.approx(expected)
    assert training_reward(now, RewardWeights(0, 0, 0, 0, -2)) == 0
    assert training_reward(moment("(", UNPARSEABLE), RewardWeights(0, 0, 0, 0, -2)) == -2


def test_the_environment_has_a_reward_of_its_own():
    assert environment_reward(moment("", FAILS), 5) == pytest.approx(1 - 0.01 - 2.5)
    assert environment_reward(moment("(", UNPARSEABLE), 5) == pytest.approx(-2 - 0.5 - 0.01)
    assert environment_reward(moment(ADD, SOLVES), 5) == pytest.approx(30 + 1 + 0.5 - 0.01)
    assert environment_reward(moment("\n" * 5, FAILS), 5) == pytest.approx(1 + 1 - 0.01 - 2.5)
    assert environment_reward(moment("\n" * 51, FAILS), 5) == pytest.approx(1 - 2 - 0.01 - 2.5)


# Episodes


@pytest.mark.parametrize(
    ("horizon", "floors", "ceiling"),
    [(30, {-109.55, -139.55}, 2.25), (50, {-182.55, -232.55}, 3.75)],
)
def test_the_published_floors_and_ceilings_come_out(horizon, floors, ceiling):
    found = {round(floor(problem, rules(horizon)), 6) for problem in TRAINING}
    assert found == floors
    best = played(TRAINING[0], rules(horizon), garbage(rules(horizon)))
    assert best.total == pytest.approx(ceiling)
    assert not best.verdict.parses


@given(st.lists(st.integers(0, 60), max_size=30), st.sampled_from(TRAINING))
def test_no_program_in_the_published_tokens_earns_more_than_the_ceiling(actions, problem):
    assert played(problem, rules(), actions).total <= 2.25 + 1e-9


@given(st.lists(st.integers(0, len(SOLVABLE) + 5), max_size=20), st.sampled_from(PROBLEMS))
def test_an_episode_ends_at_its_horizon_or_with_a_solution(actions, problem):
    found = played(problem, rules(20, SOLVABLE), actions)
    assert found.over
    assert found.step == 20 or found.verdict.solved
    assert len(found.features()) == ALL_FEATURES
    assert 0 <= found.passed <= 1


def test_a_solution_ends_the_episode_and_is_paid():
    problem, tokens = TRAINING[0], SOLVABLE
    actions = [tokens.index(token) for token in (problem.header, "return ", "a ", "+", "b ")]
    found = played(problem, rules(30, tokens), actions)
    assert (found.verdict.solved, found.step, found.passed) == (True, 5, 1.0)
    assert found.total > 20


def test_actions_beyond_the_tokens_append_nothing():
    episode = Episode(TRAINING[0], rules())
    episode.append(34)
    assert (episode.text, episode.step) == ("", 1)
    episode.append(33)
    assert episode.text == "\n    "


def test_features_are_those_of_the_origin():
    episode = Episode(TRAINING[3], rules(10))
    assert episode.features() == (0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0)
    for token in ("if ", "True", ":\n", "    ", "None"):
        episode.append(PUBLISHED.index(token))
    length = len("if True:\n    None") / 1000
    assert episode.features() == pytest.approx(
        (length, 0.02, 0, 0, 0.1, 0, 0.5, length, 1, 0, 0, 0, 0.02, 0.6)
    )
    episode.append(PUBLISHED.index("("))
    assert episode.features()[-1] == pytest.approx(0.1)
