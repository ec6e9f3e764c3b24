"""What a program does, found without executing it: a small interpreter with a budget.

A random writer can write `9**9**9`, `[None]*9**9` or a recursion without end. So nothing is ever
given to Python to execute. A program that defines no function of the name wanted fails all tests
unread, as it would if it were executed; that is every program in the published tokens. Any other is
interpreted: of each test at most BUDGET steps, on values that can't grow beyond it. What the
interpreter does not know fails the test.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ablate.systems.token_dqn.problems import PROBLEMS, Problem

BUDGET = 2000
"""Steps of one test: nodes that are evaluated, and elements of values that are made."""
DEPTH = 100
"""How deep expressions, statements and calls may be nested in each other."""
LARGEST = 10**30
"""The largest whole number; a power or a shift beyond it is not computed."""
_PROBLEMS = {problem.name: problem for problem in PROBLEMS}


@dataclass(frozen=True)
class Verdict:
    """What is found of a program: whether it parses, how many tests pass, how many fail."""

    parses: bool
    passed: int
    failed: int

    @property
    def solved(self) -> bool:
        """Whether all tests pass."""
        return self.passed > 0 and self.failed == 0


UNPARSEABLE = Verdict(parses=False, passed=0, failed=0)


class _Refused(Exception):  # noqa: N818 - a verdict, not a mistake
    """The program does what is not allowed, or too much."""


@lru_cache(maxsize=1 << 14)
def judge(text: str, name: str) -> Verdict:
    """Say whether a program parses, and which tests of the problem of this name it passes."""
    tree = parsed(text)
    if tree is None:
        return UNPARSEABLE
    problem = _PROBLEMS[name]
    defined = any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body)
    passed = sum(_passes(tree, problem, test) for test in problem.tests) if defined else 0
    return Verdict(parses=True, passed=passed, failed=len(problem.tests) - passed)


def parsed(text: str) -> ast.Module | None:
    """Return the program as a tree, None if it is none."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _passes(tree: ast.Module, problem: Problem, test: tuple[tuple[Any, ...], Any]) -> bool:
    arguments, wanted = test
    try:
        found = Interpreter(tree).call(problem.name, [_own(argument) for argument in arguments])
    except (_Refused, ArithmeticError, LookupError, TypeError, ValueError):
        return False
    return bool(found == wanted)


def _own(argument: Any) -> Any:
    return list(argument) if isinstance(argument, list) else argument


def _within(number: Any) -> Any:
    if isinstance(number, int) and abs(number) > LARGEST:
        raise _Refused
    return number


def _bits(number: Any) -> int:
    return int(number).bit_length() if isinstance(number, int) else 64


def _power(base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, int) or _bits(base) * abs(exponent) > 2 * LARGEST.bit_length():
        raise _Refused
    return base**exponent


def _shift(number: Any, places: Any) -> Any:
    if not isinstance(places, int) or places > LARGEST.bit_length():
        raise _Refused
    return number << places


def _contained(item: Any, of: Any) -> bool:
    if isinstance(of, range) and not isinstance(item, int):
        raise _Refused  # Python would go through all of it
    return item in of


_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: _power,
    ast.LShift: _shift,
    ast.RShift: operator.rshift,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: _contained,
    ast.NotIn: lambda item, of: not _contained(item, of),
}
_SIGNS: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}


class _Returned(Exception):  # noqa: N818 - a statement, not a mistake
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Interpreter:
    """Interprets functions, branches, loops over sequences and expressions, on a budget.

    Values are numbers, texts, lists, ranges and None. Raises what the program would raise, and
    `_Refused` where it is at the end of its budget or beyond the subset.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._left = BUDGET
        self._depth = 0
        self._functions: dict[str, ast.FunctionDef] = {}
        self._globals: dict[str, Any] = {}
        self._run(tree.body, self._globals)

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        """Call a function that the program has defined."""
        function = self._functions[name]
        spec = function.args
        plain = not (spec.defaults or spec.kwonlyargs or spec.posonlyargs)
        if not plain or spec.vararg or spec.kwarg or len(spec.args) != len(arguments):
            raise _Refused
        given = zip(spec.args, arguments, strict=True)
        try:
            self._run(function.body, {parameter.arg: value for parameter, value in given})
        except _Returned as returned:
            return returned.value
        return None

    def _spend(self, steps: int = 1) -> None:
        self._left -= steps
        if self._left < 0:
            raise _Refused

    def _made(self, value: Any) -> Any:
        """Pay for a value that was made, with all that is in it."""
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if isinstance(one, list):
                self._spend(1 + len(one))
                waiting += one
            elif isinstance(one, str):
                self._spend(1 + len(one))
        return value

    # Statements

    def _run(self, body: Sequence[ast.stmt], names: dict[str, Any]) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise _Refused
        for statement in body:
            self._spend()
            self._do(statement, names)
        self._depth -= 1

    def _do(self, statement: ast.stmt, names: dict[str, Any]) -> None:
        match statement:
            case ast.FunctionDef(name=name, decorator_list=[]) if names is self._globals:
                self._functions[name] = statement
            case ast.Return(value=value) if names is not self._globals:
                raise _Returned(None if value is None else self._value(value, names))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names[name] = self._value(value, names)
            case ast.If(test=test, body=body, orelse=orelse):
                self._run(body if self._value(test, names) else orelse, names)
            case ast.For(target=ast.Name(id=name), iter=sequence, body=body, orelse=[]):
                for item in self._items(self._value(sequence, names)):
                    names[name] = item
                    self._run(body, names)
            case ast.Expr(value=value):
                self._value(value, names)
            case _:
                raise _Refused

    def _items(self, sequence: Any) -> Iterator[Any]:
        if not isinstance(sequence, list | str | range):
            raise _Refused
        for item in sequence:
            self._spend()
            yield item

    # Expressions

    def _value(self, node: ast.expr, names: Mapping[str, Any]) -> Any:
        self._spend()
        self._depth += 1
        if self._depth > DEPTH:
            raise _Refused
        found = self._evaluate(node, names)
        self._depth -= 1
        return found

    def _evaluate(self, node: ast.expr, names: Mapping[str, Any]) -> Any:  # noqa: PLR0911
        match node:
            case ast.Constant(value=value) if value is None or isinstance(value, int | str):
                return _within(value)
            case ast.Name(id=name):
                return names[name] if name in names else self._globals[name]
            case ast.List(elts=elements):
                return self._made([self._value(element, names) for element in elements])
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
                return _SIGNS[type(op)](self._value(operand, names))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return self._computed(type(op), self._value(left, names), self._value(right, names))
            case ast.BoolOp(op=op, values=values):
                return self._either(values, names, ends=isinstance(op, ast.Or))
            case ast.Compare():
                return self._compared(node, names)
            case ast.Subscript(value=value, slice=place):
                return self._part(self._value(value, names), place, names)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                given: list[Any] = [self._value(argument, names) for argument in arguments]
                if name == "range" and name not in self._functions:
                    return range(*given)
                return self._call_within(name, given)
        raise _Refused

    def _call_within(self, name: str, values: Sequence[Any]) -> Any:
        depth = self._depth
        found = self.call(name, values)
        self._depth = depth
        return found

    def _computed(self, op: type[ast.operator], left: Any, right: Any) -> Any:
        sequence = isinstance(left, list | str) or isinstance(right, list | str)
        if not sequence:
            return _within(_ARITHMETIC[op](left, right))
        if op is ast.Add:
            self._spend(len(left) + len(right))
        elif op is ast.Mult:
            times, of = (left, right) if isinstance(left, int) else (right, left)
            if not isinstance(times, int):
                raise _Refused
            self._spend(max(times, 0) * len(of))
        else:
            raise _Refused
        return self._made(_ARITHMETIC[op](left, right))

    def _either(self, values: Sequence[ast.expr], names: Mapping[str, Any], *, ends: bool) -> Any:
        found: Any = None
        for value in values:
            found = self._value(value, names)
            if bool(found) is ends:
                break
        return found

    def _compared(self, node: ast.Compare, names: Mapping[str, Any]) -> Any:
        left, found = self._value(node.left, names), True
        for op, other in zip(node.ops, node.comparators, strict=True):
            right = self._value(other, names)
            if type(op) not in _COMPARISONS:
                raise _Refused
            self._made(left)
            self._made(right)
            found = _COMPARISONS[type(op)](left, right)
            if not found:
                break
            left = right
        return found

    def _part(self, of: Any, place: ast.expr, names: Mapping[str, Any]) -> Any:
        if not isinstance(of, list | str | range):
            raise _Refused
        if not isinstance(place, ast.Slice):
            return of[self._value(place, names)]
        bounds = (place.lower, place.upper, place.step)
        values = (None if bound is None else self._value(bound, names) for bound in bounds)
        return self._made(of[slice(*values)])
