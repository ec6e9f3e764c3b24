"""The problems of the world model system: what is drawn, how often, and how long it is."""

import hashlib
from collections import Counter
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.systems.worldmodel.problems import (
    LONGEST_PROMPT,
    REQUIRES,
    WEIGHTS,
    Draws,
    draw_problem,
)

SEEDS = st.integers(0, 2**63)
PROBLEMS = [draw_problem(0, index) for index in range(2_000)]
LENGTHS = [len(f"{problem.prompt}{problem.answer}".encode()) + 1 for problem in PROBLEMS]


def test_the_generator_is_pinned():
    lines = [f"{p.prompt}{p.answer}{p.value}" for p in PROBLEMS]
    digest = hashlib.sha256("\n".join(lines).encode())
    assert digest.hexdigest() == "3e8ebaa700003ddd1f02fd04e67244795afadf60b890193afed39913144396e6"


def test_kinds_come_with_their_weights():
    counts = Counter(problem.kind for problem in PROBLEMS)
    assert sum(WEIGHTS.values()) == 100
    for kind, weight in WEIGHTS.items():
        assert abs(counts[kind] / 2_000 - weight / 100) < 0.03


def test_most_problems_are_distinct():
    assert 0.92 < len({problem.prompt for problem in PROBLEMS}) / 2_000 < 0.96


def test_records_are_as_long_as_declared():
    assert (min(LENGTHS), max(LENGTHS)) == (142, 258)
    assert abs(mean(LENGTHS) - 178) < 1


@pytest.mark.parametrize(
    ("length", "share"), [(160, 0.54), (192, 0.42), (208, 0.17), (224, 0.10), (256, 0.02)]
)
def test_maximal_lengths_clip_the_declared_share_of_records(length, share):
    assert abs(mean(len_ > length for len_ in LENGTHS) - share) < 0.02


def test_the_longest_prompt_is_as_long_as_declared():
    assert max(len(problem.prompt.encode()) for problem in PROBLEMS) == LONGEST_PROMPT


def test_an_answer_has_three_tagged_parts():
    problem = PROBLEMS[0]
    assert problem.answer == (
        f"<think>{problem.thought}</think>\n"
        f"<model>\n{problem.code}\n</model>\n"
        "<requires>python:math</requires>"
    )
    assert {problem.requires for problem in PROBLEMS} == set(REQUIRES)


def test_the_code_says_every_number_of_the_prompt():
    for problem in PROBLEMS:
        numbers = "".join(c if c.isdigit() else " " for c in problem.prompt).split()
        assert all(number in problem.code for number in numbers)


@given(SEEDS, SEEDS)
def test_a_problem_depends_on_seed_and_index_alone(seed, index):
    assert draw_problem(seed, index) == draw_problem(seed, index)
    assert [draw_problem(seed, index + offset) for offset in range(4)] != [
        draw_problem(seed + 1, index + offset) for offset in range(4)
    ]


@given(SEEDS, SEEDS, st.integers(-50, 50), st.integers(0, 100))
def test_draws_stay_within_their_bounds(seed, index, low, width):
    draws = Draws(seed, index)
    assert all(low <= draws.integer(low, low + width) <= low + width for _ in range(20))
    assert all(0 <= draws.uniform() < 1 for _ in range(20))


def test_draws_reach_every_option_about_equally_often():
    counts = Counter(Draws(0, index).choice("abcd") for index in range(2_000))
    assert sorted(counts) == ["a", "b", "c", "d"]
    assert all(abs(count - 500) < 100 for count in counts.values())


def test_streams_of_one_index_differ():
    firsts = {Draws(0, 0, stream).uniform() for stream in range(10)}
    assert len(firsts) == 10
