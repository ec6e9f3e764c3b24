"""Run the code of an answer without running it: a bounded walk over an allow-list.

The language: assignments of expressions to names and `print` of one number; in expressions
numbers, names, lists of numbers, + - * / // %, unary minus, and calls of sum len round abs min max.
Everything else is not executable, be it dangerous or merely unknown, and so is a program that
prints nothing. A program inside the language prints what Python would print.

Work and memory are bounded by the text alone, at most TEXT characters of it:

- Before Python's parser sees the text, every token has to be a name that is no keyword, a decimal
  number, or one of a few signs; brackets and signs are nested at most NESTING deep. Nothing that
  makes the parser recurse (brackets, signs, `lambda`, `not`, `else`, `await`, blocks, strings)
  gets through deeper than that; chains such as 1+1+1 it reads in a loop.
- The tree may have NODES nodes. Each is evaluated once, operands before operators, without
  recursion and without loops or jumps, so that a program takes at most NODES steps.
- A step costs at most the length of a list, which the text bounds too: the only way to make a
  list is to write its elements, all numbers. Lists don't nest and are no operands.
- Numbers stay within MAGNITUDE, constants below LARGEST_CONSTANT, and `round` within DIGITS
  digits, so that no operation makes an integer of more than a hundred bits.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import TypeAlias

TEXT = 2_000
"""Longest program, in characters."""

NODES = 400
"""Most nodes of a program's tree, as `ast.walk` counts them."""

NESTING = 12
"""Most brackets open at once, and most signs in a row."""

LARGEST_CONSTANT = 10**12
"""Constants are smaller than this."""

MAGNITUDE = 10**15
"""Largest absolute value of any result on the way."""

DIGITS = 15
"""Largest absolute value of the second argument of `round`."""

Number: TypeAlias = int | float
Value: TypeAlias = int | float | list[int | float]

_COMMENT = re.compile(r"#[^\n\r]*")
_TOKEN = re.compile(
    r"""(?P<space>[ \t\n]++)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*+)
    |(?P<number>(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?(?![\w.]))
    |(?P<open>[(\[])
    |(?P<close>[)\]])
    |(?P<sign>[+-])
    |(?P<other>//|\*(?!\*)|[/%=,;])
    """,
    re.VERBOSE | re.ASCII,
)
_BINARY: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


@dataclass(frozen=True)
class Graded:
    """Say whether a program is executable, which number it printed last, or why it is not."""

    executable: bool
    value: float | None
    reason: str


class _Refused(Exception):  # noqa: N818 - a verdict, not a mistake
    """The program is not in the language."""


def grade(code: str) -> Graded:
    """Run a program of the language described above; never raises."""
    try:
        return Graded(executable=True, value=_run(_parse(code)), reason="")
    except _Refused as refusal:
        return Graded(executable=False, value=None, reason=str(refusal))
    except (SyntaxError, ArithmeticError, ValueError, RecursionError, MemoryError) as error:
        return Graded(executable=False, value=None, reason=f"{type(error).__name__}: {error}")


# Reading


def _parse(code: str) -> list[ast.stmt]:
    if len(code) > TEXT:
        raise _Refused(f"longer than {TEXT} characters")
    text = _COMMENT.sub("", code)
    _check_tokens(text)
    tree = ast.parse(text)
    if sum(1 for _ in ast.walk(tree)) > NODES:
        raise _Refused(f"more than {NODES} nodes")
    return tree.body


def _check_tokens(text: str) -> None:
    """Refuse foreign tokens, and brackets or runs of signs that are nested too deeply."""
    position = brackets = signs = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _Refused(f"{text[position]!r} is not in the language")
        position = token.end()
        kind = token.lastgroup
        if kind == "word" and iskeyword(token[0]):
            raise _Refused(f"{token[0]} is not in the language")
        brackets += (kind == "open") - (kind == "close")
        signs = signs + 1 if kind == "sign" else signs if kind == "space" else 0
        if brackets < 0:
            raise _Refused("a bracket is closed before it is opened")
        if max(brackets, signs) > NESTING:
            raise _Refused(f"nested deeper than {NESTING}")


# Running


def _run(statements: list[ast.stmt]) -> float:
    """Return the number that was printed last."""
    names: dict[str, Value] = {}
    printed: Number | None = None
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=expression):
                if name in _FUNCTIONS or name == "print":
                    raise _Refused(f"{name} may not be assigned to")
                names[name] = _evaluate(expression, names)
            case ast.Expr(
                value=ast.Call(func=ast.Name(id="print"), args=[expression], keywords=[])
            ):
                printed = _number(_evaluate(expression, names))
            case _:
                raise _Refused(f"statement {type(statement).__name__} is not in the language")
    if printed is None:
        raise _Refused("nothing is printed")
    return float(printed)


def _evaluate(expression: ast.expr, names: Mapping[str, Value]) -> Value:
    """Evaluate breadth first from the leaves: `ast.walk` yields a node before its children."""
    values: dict[ast.AST, Value] = {}
    functions = {node.func for node in ast.walk(expression) if isinstance(node, ast.Call)}
    for node in reversed(list(ast.walk(expression))):
        if isinstance(node, ast.expr) and node not in functions:
            values[node] = _bounded(_step(node, values, names))
    return values[expression]


def _step(node: ast.expr, values: Mapping[ast.AST, Value], names: Mapping[str, Value]) -> Value:
    """Return the value of a node, given those of its children."""
    match node:
        case ast.Constant(value=int() | float() as constant):
            if constant >= LARGEST_CONSTANT:
                raise _Refused(f"constants have to be below {LARGEST_CONSTANT}")
            return constant
        case ast.Name(id=name):
            if name not in names:
                raise _Refused(f"{name} is not defined")
            return names[name]
        case ast.List(elts=elements):
            return [_number(values[element]) for element in elements]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(values[operand])
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _BINARY:
            return _BINARY[type(operation)](_number(values[left]), _number(values[right]))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name]([values[argument] for argument in arguments])
    raise _Refused(f"{type(node).__name__} is not in the language")


def _bounded(value: Value) -> Value:
    """Refuse what is too large, infinite or not a number."""
    if not isinstance(value, list) and not abs(value) <= MAGNITUDE:
        raise _Refused(f"larger than {MAGNITUDE}")
    return value


def _number(value: Value) -> Number:
    if isinstance(value, list):
        raise _Refused("a list where a number is needed")
    return value


# Functions


def _list(arguments: list[Value]) -> list[Number]:
    match arguments:
        case [list() as elements]:
            return elements
    raise _Refused("sum and len take one list")


def _length(arguments: list[Value]) -> Number:
    return len(_list(arguments))


def _sum(arguments: list[Value]) -> Number:
    return sum(_list(arguments))


def _absolute(arguments: list[Value]) -> Number:
    if len(arguments) != 1:
        raise _Refused("abs takes one number")
    return abs(_number(arguments[0]))


def _round(arguments: list[Value]) -> Number:
    match [_number(argument) for argument in arguments]:
        case [number]:
            return round(number)
        case [number, int() as digits] if abs(digits) <= DIGITS:
            return round(number, digits)
    raise _Refused(f"round takes a number and at most {DIGITS} digits")


def _several(arguments: list[Value]) -> list[Number]:
    """Return the numbers that min and max choose from: one list's, or two arguments or more."""
    if len(arguments) == 1:
        return _list(arguments)
    return [_number(argument) for argument in arguments]


def _minimum(arguments: list[Value]) -> Number:
    return min(_several(arguments))


def _maximum(arguments: list[Value]) -> Number:
    return max(_several(arguments))


_FUNCTIONS: Mapping[str, Callable[[list[Value]], Number]] = {
    "sum": _sum,
    "len": _length,
    "round": _round,
    "abs": _absolute,
    "min": _minimum,
    "max": _maximum,
}
