"""What a program does is found without executing it, in bounded time, as Python would find it."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.systems.token_dqn import programs
from ablate.systems.token_dqn.problems import HELD_OUT, PROBLEMS, TRAINING
from ablate.systems.token_dqn.programs import UNPARSEABLE, Verdict, judge, parsed
from ablate.systems.token_dqn.tokens import PUBLISHED, SOLVABLE

ADD = "def add_numbers(a, b):\n    "
published = st.lists(st.sampled_from(PUBLISHED), max_size=50).map("".join)
solvable = st.lists(st.sampled_from(SOLVABLE), max_size=50).map("".join)

SOLUTIONS = {
    "add_numbers": ["return ", "a ", "+", "b "],
    "is_even": ["return ", "n ", "/", "/", "2 ", "*", "2 ", "==", "n "],
    "max_of_three": [
        *("r ", " = ", "[", "a ", ", ", "b ", "]", "[", "a ", "<", "b ", "]", "\n    "),
        *("return ", "[", "r ", ", ", "c ", "]", "[", "r ", "<", "c ", "]"),
    ],
    "count_vowels": [
        *("r ", " = ", "0 ", "\n    ", "for ", "i ", "in ", "s ", ":\n", "    ", "    "),
        *("r ", " = ", "r ", "+", "(", "i ", "in ", "'aeiouAEIOU' ", ")", "\n    "),
        *("return ", "r "),
    ],
    "reverse_string": [
        *("r ", " = ", "s ", "[", "0 ", ":\n", "0 ", "]", "\n    ", "for ", "i ", "in ", "s "),
        *(":\n", "    ", "    ", "r ", " = ", "i ", "+", "r ", "\n    ", "return ", "r "),
    ],
    "factorial": [
        *("r ", " = ", "1 ", "\n    ", "for ", "i ", "in ", "range(", "n ", ")", ":\n"),
        *("    ", "    ", "r ", " = ", "r ", "*", "(", "i ", "+", "1 ", ")", "\n    "),
        *("return ", "r "),
    ],
    "is_palindrome": ["return ", "s ", "==", "s ", "[", ":\n", ":\n", "-", "1 ", "]"],
    "sum_list": [
        *("r ", " = ", "0 ", "\n    ", "for ", "i ", "in ", "x ", ":\n", "    ", "    "),
        *("r ", " = ", "r ", "+", "i ", "\n    ", "return ", "r "),
    ],
    "multiply": ["return ", "a ", "*", "b "],
    "is_prime": [
        *("if ", "n ", "<", "2 ", ":\n", "    ", "    ", "return ", "False", "\n    "),
        *("for ", "i ", "in ", "range(", "2 ", ", ", "n ", ")", ":\n", "    ", "    ", "if "),
        *("n ", "/", "/", "i ", "*", "i ", "==", "n ", ":\n", "    ", "    ", "    ", "return "),
        *("False", "\n    ", "return ", "True"),
    ],
    "find_min": [
        *("r ", " = ", "x ", "[", "0 ", "]", "\n    ", "for ", "i ", "in ", "x ", ":\n", "    "),
        *("    ", "if ", "i ", "<", "r ", ":\n", "    ", "    ", "    ", "r ", " = ", "i "),
        *("\n    ", "return ", "r "),
    ],
}


def solution(problem) -> str:
    tokens = [problem.header, *SOLUTIONS[problem.name]]
    assert set(tokens) <= set(SOLVABLE)
    return "".join(tokens)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_every_problem_can_be_solved_in_the_solvable_tokens(problem):
    text = solution(problem)
    assert judge(text, problem.name) == Verdict(parses=True, passed=len(problem.tests), failed=0)
    assert len(SOLUTIONS[problem.name]) < 50


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_a_solution_is_one_for_python_too(problem):
    names = {}
    exec(solution(problem), names)  # noqa: S102 - written in this file
    for arguments, wanted in problem.tests:
        assert names[problem.name](*arguments) == wanted


def test_there_are_34_published_tokens_of_which_equality_is_there_twice():
    assert len(PUBLISHED) == len(set(PUBLISHED)) == 34
    assert len({token.strip() for token in PUBLISHED if "==" in token}) == 1
    assert (len(TRAINING), len(HELD_OUT)) == (8, 3)
    assert [len(problem.tests) for problem in TRAINING] == [5, 5, 5, 6, 5, 5, 6, 5]


def test_no_name_that_is_wanted_can_be_written_in_the_published_tokens():
    letters = set("".join(PUBLISHED))
    for problem in PROBLEMS:
        assert set(problem.name) - letters


@given(published, st.sampled_from(PROBLEMS))
def test_nothing_in_the_published_tokens_is_interpreted_or_passes(text, problem):
    found = judge(text, problem.name)
    assert found.passed == 0
    assert found.parses is (parsed(text) is not None)
    assert found.failed == (len(problem.tests) if found.parses else 0)


@settings(deadline=None)
@given(solvable, st.sampled_from(PROBLEMS))
def test_whatever_is_written_has_a_verdict(text, problem):
    found = judge(problem.header + text, problem.name)
    assert found == UNPARSEABLE or found.passed + found.failed == len(problem.tests)


@pytest.mark.parametrize(
    "body",
    [
        "return 9**9**9**9",
        "return 9<<9**9",
        "return [None]*9**9",
        "return 'aeiou'*9**9",
        "r = a\n    for i in range(9**9):\n        r = r*r\n    return r",
        "r = [a]\n    for i in range(999):\n        r = [r, r]\n    return r == r",
        "for i in range(9**9):\n        for i in range(9**9):\n            a\n    return a",
        "return add_numbers(a, b)",
        "return a/2 in range(10**25)",
        "return [[[[a]*40]*40]*40]*40",
        "return " + "-" * 900 + "a",
        "return " + "(" * 90 + "-9" + ")" * 90,
        "r = 'a'\n    for i in range(99):\n        r = r + r\n    return r",
    ],
)
def test_a_program_without_measure_fails(body):
    found = judge(ADD + body, "add_numbers")
    assert (found.parses, found.passed) == (True, 0)


@pytest.mark.parametrize(
    "body",
    [
        "import os",
        "return __import__",
        "return a.__class__",
        "return eval('a')",
        "return open(a)",
        "return (lambda: a)()",
        "return [i for i in range(a)]",
        "while a: a",
        "try:\n        return a\n    finally: a",
        "global a",
        "with a: a",
        "return f'{a}'",
        "def r(): a\n    return a",
        "class r: a",
        "return range(*[a])",
        "return a if b else a",
        "del a",
        "assert a",
        "yield a",
        "return print(a)",
    ],
)
def test_what_the_interpreter_does_not_know_fails_every_test(body):
    text = ADD + body
    ast.parse(text)
    assert judge(text, "add_numbers") == Verdict(parses=True, passed=0, failed=5)


def test_functions_call_each_other_and_see_globals():
    text = (
        "r = 1\n"
        "def i(n):\n    return n + r\n"
        "def factorial(n):\n"
        "    if n == 0:\n        return r\n"
        "    return n*factorial(n - 1)\n"
        "def is_even(n):\n    return i(n)/2 != i(n)//2\n"
    )
    assert judge(text, "factorial").solved
    assert judge(text, "is_even").solved


numbers = st.sampled_from(["a", "b", "1", "2", "True"])
operators = st.sampled_from(["+", "-", "*", "//", "/", "<", "<=", "==", "!=", " and ", " or "])
expressions = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(inner, operators, inner).map(lambda parts: f"({''.join(parts)})"),
        inner.map(lambda of: f"(not {of})"),
        inner.map(lambda of: f"(-{of})"),
        st.tuples(inner, inner).map(lambda two: f"[{two[0]}, {two[1]}][0]"),
        st.tuples(inner, inner).map(lambda two: f"[{two[0]}, {two[1]}][1:][0]"),
    ),
    max_leaves=8,
)


@given(expressions, st.integers(-9, 9), st.integers(-9, 9))
def test_an_expression_has_the_value_that_python_gives_it(expression, a, b):
    tree = parsed(f"{ADD}return {expression}")
    try:
        expected = eval(expression, {"a": a, "b": b})  # noqa: S307 - of the texts above
    except ArithmeticError as error:
        with pytest.raises(type(error)):
            programs.Interpreter(tree).call("add_numbers", [a, b])
    else:
        found = programs.Interpreter(tree).call("add_numbers", [a, b])
        assert (found, type(found)) == (expected, type(expected))
