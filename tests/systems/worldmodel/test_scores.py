"""Scores of answers: the fixed points of the scale, and what each score stands for."""

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.systems.worldmodel.problems import REQUIRES, draw_problem
from ablate.systems.worldmodel.records import make_record
from ablate.systems.worldmodel.scores import (
    TAGS,
    TOLERANCE,
    clip_like_published,
    score,
    score_text,
)
from ablate.systems.worldmodel.tokenizer import END, PAD, encode

PROBLEMS = [draw_problem(0, index) for index in range(2_000)]
PERFECT = (3, 3, True, True, True, True)
EMPTY = (0, 0, False, False, False, False)
ANSWER = (
    "<think>Add them.</think>\n<model>\nprint(1 + 2)\n</model>\n<requires>python:math</requires>"
)


def scores_of(text, value=3.0):
    return score_text(text, value, "python:math")


# Fixed points


def test_every_reference_answer_is_perfect():
    for problem in PROBLEMS:
        ids = make_record(problem).answer
        assert astuple(score(ids, problem.value, problem.requires)) == PERFECT


def test_an_empty_answer_scores_nothing():
    for ids in ([], [END], [PAD, PAD], [END, *encode(ANSWER)]):
        assert astuple(score(ids, 3.0, "python:math")) == EMPTY


def test_the_clipped_scorer_takes_a_third_of_a_perfect_answer():
    for problem in PROBLEMS:
        ids = make_record(problem).answer
        scores = score(ids, problem.value, problem.requires, scorer="clipped")
        assert astuple(scores) == (2, 2, False, True, True, True)


def test_the_production_scorer_as_published_ignores_the_order_of_tags():
    """By hand: 34 characters lost, then a kind of tag counts if both of its marks are there."""
    lost = "x" * 34
    for answer, ordered, published in (
        (ANSWER, 1, 1),
        (lost + ANSWER, 3, 3),
        (f"{lost}</think>a<think></model>b<model><requires>c", 0, 2),
        (f"{lost}</requires><requires>d</requires>", 1, 1),
        (f"{lost}<think>a</model>", 0, 0),
    ):
        ids = [*encode(answer), END]
        clipped = score(ids, 3.0, "python:math", "clipped")
        scores = score(ids, 3.0, "python:math", "production-as-published")
        assert (clipped.structure, scores.structure) == (ordered, published)
        assert astuple(scores)[2:] == astuple(clipped)[2:]
        assert scores.opening_tags == clipped.opening_tags


def test_the_published_scorer_loses_34_characters():
    assert clip_like_published(ANSWER) == ANSWER[34:]
    assert clip_like_published("short") == ""


def test_a_truncated_answer_keeps_one_pair_of_tags():
    for problem in PROBLEMS:
        ids = make_record(problem, truncated=True).answer
        scores = score(ids, problem.value, problem.requires)
        assert astuple(scores) == (2, 1, False, False, False, False)


# Single scores


def test_what_follows_the_end_does_not_count():
    ids = [*encode(ANSWER), END, *encode("<think>"), PAD]
    assert astuple(score(ids, 3.0, "python:math")) == PERFECT


def test_invalid_bytes_do_not_hide_the_rest():
    ids = [*encode(ANSWER[:10]), 0xFF, 0xC3, *encode(ANSWER[10:]), END]
    assert astuple(score(ids, 3.0, "python:math")) == PERFECT


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_that_is_not_closed_counts_as_opened_only(tag):
    scores = scores_of(ANSWER.replace(f"</{tag}>", ""))
    assert (scores.opening_tags, scores.structure, scores.strict) == (3, 2, False)


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_that_is_closed_before_it_is_opened_is_not_closed(tag):
    swapped = ANSWER.replace(f"<{tag}>", "!").replace(f"</{tag}>", f"<{tag}>")
    scores = scores_of(swapped.replace("!", f"</{tag}>"))
    assert (scores.opening_tags, scores.structure, scores.strict) == (3, 2, False)


@pytest.mark.parametrize("tag", TAGS)
def test_a_repeated_tag_is_not_strict(tag):
    for mark in (f"<{tag}>", f"</{tag}>"):
        scores = scores_of(ANSWER.replace(mark, mark * 2))
        assert (scores.opening_tags, scores.structure, scores.strict) == (3, 3, False)


def test_parts_out_of_order_are_not_strict():
    think, rest = ANSWER.split("\n", 1)
    scores = scores_of(f"{rest}\n{think}")
    assert astuple(scores) == (3, 3, False, True, True, True)


@pytest.mark.parametrize(
    ("code", "executable", "correct"),
    [
        ("print(1 + 2)", True, True),
        ("print(3.0)", True, True),
        (f"print(3 + {TOLERANCE * 0.9:.8f})", True, True),
        (f"print(3 + {TOLERANCE * 1.1:.8f})", True, False),
        ("print(4)", True, False),
        ("print(3", False, False),
        ("import os\nprint(3)", False, False),
        ("", False, False),
    ],
)
def test_code_is_run_and_its_result_compared(code, executable, correct):
    scores = scores_of(ANSWER.replace("print(1 + 2)", code))
    assert (scores.executable, scores.correct) == (executable, correct)


@pytest.mark.parametrize(
    ("named", "right"), [("python:math", True), ("\npython:math ", True), ("python", False)]
)
def test_the_capability_has_to_be_the_one_required(named, right):
    assert scores_of(ANSWER.replace("python:math", named)).requires == right


def test_the_prompt_is_no_part_of_an_answer():
    problem = PROBLEMS[0]
    record = make_record(problem)
    generated = record.ids[len(record.prompt) :]
    assert astuple(score(generated, problem.value, REQUIRES[0])) == PERFECT


MARKS = st.sampled_from(
    [f"<{tag}>" for tag in TAGS] + [f"</{tag}>" for tag in TAGS] + ["print(3)", "\n", "x"]
)


@given(st.lists(MARKS, max_size=12).map("".join))
def test_scores_imply_one_another(text):
    scores = scores_of(text)
    assert 0 <= scores.structure <= scores.opening_tags <= 3
    assert not scores.strict or scores.structure == 3
    assert not scores.correct or scores.executable
    assert not scores.executable or scores.structure >= 1


@given(st.lists(st.integers(0, 255)))
def test_any_tokens_get_scores(ids):
    for scorer in ("exact", "clipped", "production-as-published"):
        assert 0 <= score(ids, 0.0, "python:math", scorer).structure <= 3
