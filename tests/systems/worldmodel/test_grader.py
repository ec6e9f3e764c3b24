"""The grader runs what is in its language as Python would, and nothing else, in bounded work."""

import ast
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.systems.worldmodel.grader import (
    MAGNITUDE,
    NESTING,
    NODES,
    TEXT,
    grade,
)
from ablate.systems.worldmodel.problems import draw_problem


def assign(value, name="a"):
    return f"{name} = {value}\nprint({name})"


# What is executable


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("print(1)", 1),
        ("print(-2.5e3)", -2500),
        ("a = 7\nb = 2\nprint(a // b + a % b * 10)", 13),
        ("print(7 / 2)", 3.5),
        ("print(-7 % 3)", 2),
        ("print(1 - 2 - 3)", -4),
        ("x = [3, 4, 8.5]\nprint(sum(x) / len(x))", 15.5 / 3),
        ("print(round(2.675, 2))", 2.67),
        ("print(round(2.5))", 2),
        ("print(round(1234, -2))", 1200),
        ("print(abs(-3) + min(4, 2) + max([1, 9]))", 14),
        ("print(sum([]))", 0),
        ("a = 1\na = a + 1\nprint(a)", 2),
        ("print(1); print(2)", 2),
        ("# the sum: 'quoted', \x00, \ud800\nprint(1)  # done", 1),
        ("\n\nprint(\n    3\n)\n", 3),
        (f"print({'(' * (NESTING - 1)}1{')' * (NESTING - 1)})", 1),
        (f"print({'-' * NESTING}1)", 1),
        (f"print({'+'.join('1' * 100)})", 100),
    ],
)
def test_programs_print_what_python_prints(code, value):
    graded = grade(code)
    assert (graded.executable, graded.value, graded.reason) == (True, value, "")
    assert isinstance(graded.value, float)


def test_every_reference_answer_is_executable_and_right():
    for index in range(2_000):
        problem = draw_problem(0, index)
        assert grade(problem.code).value == problem.value


# What is not


HOSTILE = {
    "import": "import os\nprint(1)",
    "import by function": "print(__import__('os'))",
    "import from": "from os import system\nprint(1)",
    "attribute": "a = 1\nprint(a.real)",
    "attribute of a constant": "print(1 .real)",
    "class walk": "print(().__class__.__bases__)",
    "method": "x = [1]\nx.append(2)\nprint(1)",
    "subscript": "x = [1]\nprint(x[0])",
    "slice": "x = [1]\nprint(x[::-1])",
    "power": "print(2 ** 3)",
    "power tower": "print(9**9**9**9)",
    "power by name": "print(pow(2, 3))",
    "shift": "print(1 << 99999999)",
    "growing product": "a = 999999999\n" + "a = a * a\n" * 20 + "print(1)",
    "large list": "a = [0] * 999999999\nprint(1)",
    "large list, mirrored": "a = 999999999 * [0]\nprint(1)",
    "doubled list": "a = [1]\n" + "a = a + a\n" * 20 + "print(1)",
    "list of itself twice": "a = [1]\n" + "a = [a, a]\n" * 20 + "print(1)",
    "list in a list": "a = [[1], [2]]\nprint(len(a))",
    "printed list": "print([1, 2])",
    "negated list": "print(-[1])",
    "tuple": "a = (1, 2)\nprint(1)",
    "set": "print({1})",
    "brackets": f"print({'(' * 90}1{')' * 90})",
    "open brackets": "(" * 2_000,
    "square brackets": "[" * 2_000,
    "braces": "{" * 1_000 + ":" + "}" * 999,
    "signs": f"print({'-' * 1_900}1)",
    "signs and brackets": "print(" + "-(" * 300 + "1" + ")" * 301,
    "inversions": f"print({'~' * 1_900}1)",
    "negations": f"print({'not ' * 450}1)",
    "awaits": f"print({'await ' * 300}1)",
    "long sum": f"print({'+'.join('1' * 900)})",
    "long list": f"print(sum([{','.join('1' * 900)}]))",
    "long text": f"print(1){' ' * TEXT}",
    "while": "while 1: print(1)",
    "for": "for i in [1]: print(i)",
    "if": "if 1: print(1)",
    "blocks": "".join(f"{' ' * depth}if 1:\n" for depth in range(40)) + " " * 40 + "print(1)",
    "function": "def f(): return f()\nprint(f())",
    "lambda": "print((lambda: 1)())",
    "lambdas": "a = " + "lambda:" * 200 + "1\nprint(1)",
    "class": "class A: pass\nprint(1)",
    "comprehension": "print(sum([i for i in [1]]))",
    "generator": "print(sum(i for i in [1]))",
    "ternary": "print(1 if 1 else 2)",
    "walrus": "print((a := 1))",
    "open": "print(open('/etc/passwd'))",
    "exec": "exec('print(1)')",
    "input": "print(input())",
    "string": "print('1')",
    "long string": "print(len('" + "a" * 1_000 + "'))",
    "bytes": "print(b'1')",
    "f-string": "print(f'{1}')",
    "ellipsis": "print(...)",
    "true": "print(True)",
    "none": "print(None)",
    "comparison": "print(1 < 2)",
    "boolean": "print(1 and 2)",
    "complex": "print(1j)",
    "overflow": "print(1e300 * 1e300)",
    "infinity": "print(1e999)",
    "infinite quotient": "print(1 / 1e-300 / 1e-300)",
    "not a number": "a = 1e999 - 1e999\nprint(a)",
    "large constant": f"print({10**12})",
    "many digits": f"print({'9' * 1_990})",
    "large product": "print(999999999999 * 999999999999)",
    "rounded to many digits": "a = 10000000000\nprint(round(5, -a))",
    "rounded to a fraction": "print(round(1.5, 0.5))",
    "division by zero": "print(1 / 0)",
    "floor division by zero": "print(1 // 0)",
    "remainder by zero": "print(1 % 0.0)",
    "least of nothing": "print(min([]))",
    "least of one": "print(min(1))",
    "nothing to choose from": "print(max())",
    "sum of a number": "print(sum(1))",
    "sum with a start": "print(sum([1], 2))",
    "length of a number": "print(len(1))",
    "two absolute values": "print(abs(1, 2))",
    "function as a value": "print(len)",
    "called value": "a = 1\nprint(a())",
    "called call": "print(abs(1)(2))",
    "printed print": "print(print(1))",
    "shadowed function": "sum = 1\nprint(sum)",
    "shadowed print": "print = 1\nprint(2)",
    "undefined name": "print(a)",
    "later name": "print(a)\na = 1",
    "deleted name": "a = 1\ndel a\nprint(1)",
    "tuple of names": "a, b = [1, 2]\nprint(a)",
    "starred": "print(*[1])",
    "keyword argument": "print(round(number=1))",
    "two prints in one": "print(1, 2)",
    "print of nothing": "print()",
    "augmented": "a = 1\na += 1\nprint(a)",
    "annotated": "a: int = 1\nprint(a)",
    "bare expression": "1\nprint(1)",
    "nothing printed": "a = 1",
    "nothing": "",
    "indented": "  print(1)",
    "continued": "print(\\\n1)",
    "carriage return": "print(1)\r",
    "form feed": "\fprint(1)",
    "nul": "print(1)\x00",
    "surrogate": "\ud800 = 1\nprint(1)",
    "foreign letter": "é = 1\nprint(é)",
    "prose": "The answer is 3",
    "unbalanced": "print(1",
    "closed before opened": ")(" * 300,
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE)
def test_everything_else_is_refused_with_a_reason(code):
    graded = grade(code)
    assert (graded.executable, graded.value) == (False, None)
    assert graded.reason


def test_the_list_of_hostile_programs_is_long():
    assert len(HOSTILE) >= 35


@pytest.mark.parametrize(
    "name",
    [
        *("brackets", "open brackets", "square brackets", "closed before opened", "braces"),
        *("signs", "signs and brackets", "inversions", "negations", "awaits", "power tower"),
        *("lambdas", "blocks", "ternary", "string", "f-string", "comprehension", "attribute"),
        *("true", "long text"),
    ],
)
def test_what_makes_the_parser_recurse_never_reaches_it(monkeypatch, name):
    parsed = []
    with monkeypatch.context() as patch:
        patch.setattr(ast, "parse", lambda text: parsed.append(text) or ast.Module([], []))
        graded = grade(HOSTILE[name])
    assert not graded.executable
    assert not parsed


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        (f"print(1){' ' * (TEXT - 8)}", f"print(1){' ' * (TEXT - 7)}"),
        ("print(999999999999)", "print(1000000000000)"),
        (f"print({MAGNITUDE // 9_000} * 9000)", f"print({MAGNITUDE // 9_000} * 9000 + 1001)"),
        (f"print(-{MAGNITUDE // 9_000} * 9000)", f"print(-{MAGNITUDE // 9_000} * 9000 - 1001)"),
        ("print(round(1.5, 15))", "print(round(1.5, 16))"),
        (f"print({'-' * NESTING}1)", f"print({'-' * (NESTING + 1)}1)"),
        # a module, a print of four nodes, and three nodes for every further term
        (f"print({'+'.join('1' * 132)})", f"print({'+'.join('1' * 133)})"),
    ],
)
def test_bounds_are_where_they_are_declared(allowed, refused):
    assert grade(allowed).executable
    assert not grade(refused).executable


# The same as Python


NAMES = ("a", "b", "c")
NUMBERS = st.one_of(
    st.integers(0, 999).map(str),
    st.floats(0, 999, allow_nan=False).map(lambda number: f"{number:.3f}"),
    st.sampled_from(NAMES),
)
LISTS = st.lists(NUMBERS, max_size=4).map(lambda items: f"[{', '.join(items)}]")


def compound(parts):
    pair = st.tuples(parts, parts)
    return st.one_of(
        st.tuples(parts, st.sampled_from(["+", "-", "*", "/", "//", "%"]), parts).map(" ".join),
        parts.map(lambda part: f"({part})"),
        parts.map(lambda part: f"-{part}"),
        parts.map(lambda part: f"abs({part})"),
        parts.map(lambda part: f"round({part})"),
        st.tuples(parts, st.integers(-3, 9)).map(lambda both: f"round({both[0]}, {both[1]})"),
        pair.map(lambda both: f"min({both[0]}, {both[1]})"),
        pair.map(lambda both: f"max({both[0]}, {both[1]})"),
        st.tuples(st.sampled_from(["sum", "len", "min", "max"]), LISTS).map(
            lambda both: f"{both[0]}({both[1]})"
        ),
    )


EXPRESSIONS = st.recursive(NUMBERS, compound, max_leaves=12)
STATEMENTS = st.one_of(
    EXPRESSIONS.map(lambda expression: f"print({expression})"),
    st.tuples(st.sampled_from(NAMES), EXPRESSIONS).map(" = ".join),
)
PROGRAMS = st.lists(STATEMENTS, min_size=1, max_size=6).map("\n".join)


@settings(max_examples=300)
@given(PROGRAMS)
def test_programs_of_the_language_do_what_they_do_in_python(code):
    code = f"a = 2\nb = 0\nc = 1.5\n{code}"
    printed = []
    try:
        exec(code, {"print": printed.append})  # noqa: S102
    except (ArithmeticError, ValueError):
        printed.clear()
    graded = grade(code)
    if graded.executable:
        assert printed
        assert graded.value == float(printed[-1])
    else:
        assert not printed or graded.reason.startswith(("larger than", "more than"))


# Bounded work


def calls_of(code):
    """Return how many nodes the grader evaluates, and how many calls of any function it makes."""
    steps = calls = 0

    def count(frame, event, argument):
        nonlocal steps, calls
        calls += event in {"call", "c_call"}
        steps += event == "call" and frame.f_code.co_name == "_step"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        grade(code)
    finally:
        sys.setprofile(before)
    return steps, calls


def check_bounded(code):
    steps, calls = calls_of(code)
    assert steps <= NODES
    assert calls <= 200 * TEXT


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE)
def test_hostile_programs_take_few_steps(code):
    check_bounded(code)


def test_steps_are_counted():
    assert calls_of("a = 1 + 2\nprint(a)")[0] == 4


def test_a_list_that_is_used_often_takes_few_steps():
    code = f"a = [{','.join('1' * 100)}]\n" + "b = sum(a)\n" * 20 + "print(b)"
    assert grade(code).value == 100
    check_bounded(code)


def test_the_verdict_does_not_depend_on_the_depth_of_the_caller():
    code = f"print({'+'.join('1' * 130)})"

    def deep(levels):
        return grade(code) if levels == 0 else deep(levels - 1)

    assert deep(sys.getrecursionlimit() // 2).value == 130


SIGNS = "()[]{},;:=+-*/%.'\"\\#@~! \n\t\r\x00\ud800é"
WORDS = (
    *("print", "sum", "len", "round", "abs", "min", "max", "a", "b", "1", "0", "9e9", "1e999"),
    *("if", "else", "for", "in", "not ", "lambda", "await ", "import", "def", "0x1", "1j", "1_0"),
    *("==", "**", "//", "\n  ", "(" * 300, "-" * 300, "not " * 300),
)
FRAGMENTS = st.sampled_from([*SIGNS, *WORDS])


@settings(max_examples=300)
@given(st.one_of(st.text(), st.lists(FRAGMENTS, max_size=60).map("".join)))
def test_any_text_gets_a_verdict_in_bounded_work(code):
    check_bounded(code)


@settings(max_examples=300)
@given(
    st.sampled_from(list(HOSTILE.values())),
    st.lists(st.tuples(st.integers(0, TEXT), st.integers(0, 9), FRAGMENTS), max_size=4),
)
def test_hostile_programs_with_errors_get_a_verdict_in_bounded_work(code, edits):
    for place, dropped, added in edits:
        start = place % (len(code) + 1)
        code = code[:start] + added + code[start + dropped :]
    check_bounded(code)
