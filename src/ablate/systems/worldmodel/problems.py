"""Problems of ten kinds, each with the code that solves it; drawn by seed and index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

Kind = Literal[
    "add",
    "subtract",
    "multiply",
    "divide",
    "percentage",
    "area",
    "mean",
    "temperature",
    "change",
    "discount",
]

WEIGHTS: dict[Kind, int] = {
    "add": 12,
    "subtract": 12,
    "multiply": 12,
    "divide": 10,
    "percentage": 20,
    "area": 8,
    "mean": 8,
    "temperature": 6,
    "change": 6,
    "discount": 6,
}
"""Percentage of each kind."""

REQUIRES = ("python:math",)
"""Capabilities that a problem may require."""

LONGEST_PROMPT = 84
"""Length of the longest prompt, in bytes."""

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """Hold a problem, its worked answer and the number that the code prints."""

    kind: Kind
    prompt: str
    thought: str
    code: str
    requires: str
    value: float

    @property
    def answer(self) -> str:
        """Return the three tagged parts."""
        return (
            f"<think>{self.thought}</think>\n<model>\n{self.code}\n</model>\n"
            f"<requires>{self.requires}</requires>"
        )


class Draws:
    """Draw numbers that depend on seed, index and stream alone.

    Philox keyed by seed and index, with the stream in its counter (Salmon et al. 2011): any
    element of a sequence is had without those before it, and streams don't disturb each other.
    """

    def __init__(self, seed: int, index: int, stream: int = 0) -> None:
        key = np.array([seed, index], dtype=np.uint64)
        self._bits = np.random.Philox(key=key, counter=[0, 0, 0, stream])

    def integer(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return low + (int(self._bits.random_raw()) * (high - low + 1) >> 64)

    def uniform(self) -> float:
        """Return a number from 0 to 1, without 1."""
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def choice(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self.integer(0, len(options) - 1)]


def draw_problem(seed: int, index: int) -> Problem:
    """Return the problem number `index` of the sequence `seed`; both are at least 0."""
    draws = Draws(seed, index)
    kinds = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
    return _MAKERS[draws.choice(kinds)](draws)


def _add(draws: Draws) -> Problem:
    a, b = draws.integer(11, 99), draws.integer(11, 99)
    return _arithmetic("add", f"{a} + {b}", "I add up the two numbers.", a + b)


def _subtract(draws: Draws) -> Problem:
    a, b = draws.integer(11, 99), draws.integer(11, 99)
    a, b = max(a, b), min(a, b)
    return _arithmetic("subtract", f"{a} - {b}", "I subtract the second number.", a - b)


def _multiply(draws: Draws) -> Problem:
    a, b = draws.integer(2, 39), draws.integer(2, 39)
    return _arithmetic("multiply", f"{a} * {b}", "I take the product of the two.", a * b)


def _divide(draws: Draws) -> Problem:
    b, quotient = draws.integer(2, 12), draws.integer(2, 50)
    a = b * quotient
    return _arithmetic("divide", f"{a} / {b}", "I divide by the second number.", a / b)


def _arithmetic(kind: Kind, expression: str, thought: str, value: float) -> Problem:
    return Problem(
        kind=kind,
        prompt=f"Q: What is {expression}?\n",
        thought=thought,
        code=f"result = {expression}\nprint(result)",
        requires=REQUIRES[0],
        value=float(value),
    )


def _percentage(draws: Draws) -> Problem:
    percent, number = draws.integer(1, 60), draws.integer(2, 99) * 10
    return Problem(
        kind="percentage",
        prompt=f"Q: What is {percent}% of {number}?\n",
        thought="I multiply the number by the percentage and divide by 100.",
        code=f"number = {number}\npercent = {percent}\nprint(number * percent / 100)",
        requires=REQUIRES[0],
        value=number * percent / 100,
    )


def _area(draws: Draws) -> Problem:
    length, width = draws.integer(3, 40), draws.integer(3, 40)
    return Problem(
        kind="area",
        prompt=f"Q: A rectangle is {length} m long and {width} m wide. What is its area?\n",
        thought="The area is the product of both sides.",
        code=f"length = {length}\nwidth = {width}\nprint(length * width)",
        requires=REQUIRES[0],
        value=float(length * width),
    )


def _mean(draws: Draws) -> Problem:
    numbers = [draws.integer(1, 99) for _ in range(draws.integer(3, 5))]
    listed = ", ".join(map(str, numbers))
    return Problem(
        kind="mean",
        prompt=f"Q: What is the mean of {listed}?\n",
        thought="The sum over the count.",
        code=f"numbers = [{listed}]\nprint(sum(numbers) / len(numbers))",
        requires=REQUIRES[0],
        value=sum(numbers) / len(numbers),
    )


def _temperature(draws: Draws) -> Problem:
    celsius = draws.integer(-20, 120)
    return Problem(
        kind="temperature",
        prompt=f"Q: How many degrees Fahrenheit are {celsius} degrees Celsius?\n",
        thought="I multiply by 9 / 5 and add 32.",
        code=f"print({celsius} * 9 / 5 + 32)",
        requires=REQUIRES[0],
        value=celsius * 9 / 5 + 32,
    )


def _change(draws: Draws) -> Problem:
    count, price = draws.integer(2, 9), draws.integer(2, 19)
    paid = 10 * draws.integer(count * price // 10 + 1, 20)
    return Problem(
        kind="change",
        prompt=f"Q: I buy {count} pens at {price} dollars each and pay with {paid} dollars. "
        "How much is my change?\n",
        thought="The change is what I pay minus what it costs.",
        code=f"cost = {count} * {price}\nprint({paid} - cost)",
        requires=REQUIRES[0],
        value=float(paid - count * price),
    )


def _discount(draws: Draws) -> Problem:
    price, discount = draws.integer(20, 400), 5 * draws.integer(1, 10)
    tax = draws.integer(2, 20)
    return Problem(
        kind="discount",
        prompt=f"Q: A price of {price} dollars is cut by {discount}%, then {tax}% tax is added. "
        "What do I pay?\n",
        thought="I take off the discount and add the tax.",
        code=f"price = {price} * (100 - {discount}) / 100\n"
        f"print(round(price * (100 + {tax}) / 100, 2))",
        requires=REQUIRES[0],
        value=round(price * (100 - discount) / 100 * (100 + tax) / 100, 2),
    )


_MAKERS: dict[Kind, Callable[[Draws], Problem]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "percentage": _percentage,
    "area": _area,
    "mean": _mean,
    "temperature": _temperature,
    "change": _change,
    "discount": _discount,
}
