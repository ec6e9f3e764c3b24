"""The exercises: functions to be written, and the tests that they have to pass."""

from dataclasses import dataclass

Value = int | str | bool | list[int]


@dataclass(frozen=True)
class Problem:
    """A function to be written: its name, its parameters, what it is to do, and its tests.

    A test is the arguments and the value wanted.
    """

    name: str
    parameters: tuple[str, ...]
    docstring: str
    tests: tuple[tuple[tuple[Value, ...], Value], ...]

    @property
    def header(self) -> str:
        """The first line of a solution, up to the indentation of the second."""
        return f"def {self.name}({', '.join(self.parameters)}):\n    "


def _of_one(*tests: tuple[Value, Value]) -> tuple[tuple[tuple[Value, ...], Value], ...]:
    return tuple(((argument,), wanted) for argument, wanted in tests)


TRAINING = (
    Problem(
        "add_numbers",
        ("a", "b"),
        "Add a to b.",
        (((1, 4), 5), ((0, 0), 0), ((-7, 7), 0), ((12, -9), 3), ((250, 50), 300)),
    ),
    Problem(
        "is_even",
        ("n",),
        "Say whether n can be halved without a rest.",
        _of_one((4, True), (7, False), (0, True), (-6, True), (-1, False)),
    ),
    Problem(
        "max_of_three",
        ("a", "b", "c"),
        "Find the largest of a, b and c.",
        (((1, 2, 6), 6), ((9, 4, 1), 9), ((2, 8, 3), 8), ((4, 4, 4), 4), ((-2, -5, -9), -2)),
    ),
    Problem(
        "count_vowels",
        ("s",),
        "How many letters of s are a, e, i, o or u?",
        _of_one(("trial", 2), ("study", 1), ("arm", 1), ("aeiou", 5), ("dry", 0), ("TRIAL", 2)),
    ),
    Problem(
        "reverse_string",
        ("s",),
        "Write s from its end to its start.",
        _of_one(("trial", "lairt"), ("study", "yduts"), ("arm", "mra"), ("x", "x"), ("", "")),
    ),
    Problem(
        "factorial",
        ("n",),
        "Multiply all whole numbers from 1 to n.",
        _of_one((0, 1), (1, 1), (6, 720), (3, 6), (4, 24)),
    ),
    Problem(
        "is_palindrome",
        ("s",),
        "Say whether s reads the same from both ends.",
        _of_one(
            ("rotor", True),
            ("trial", False),
            ("refer", True),
            ("x", True),
            ("", True),
            ("deed", True),
        ),
    ),
    Problem(
        "sum_list",
        ("x",),
        "Add up the numbers of x.",
        _of_one(([2, 4, 6, 8], 20), ([0], 0), ([], 0), ([-3, 3], 0), ([15, 25, 35], 75)),
    ),
)

HELD_OUT = (
    Problem(
        "multiply",
        ("a", "b"),
        "Multiply a by b.",
        (((3, 4), 12), ((0, 9), 0), ((-5, 2), -10), ((6, 7), 42)),
    ),
    Problem(
        "is_prime",
        ("n",),
        "Say whether n has no divisors but 1 and itself.",
        _of_one((2, True), (7, True), (9, False), (19, True), (1, False), (0, False)),
    ),
    Problem(
        "find_min",
        ("x",),
        "Find the smallest number of x.",
        _of_one(([4, 6, 9], 4), ([8, 7, 5, 3], 3), ([-2, -6, -4], -6), ([12], 12)),
    ),
)

PROBLEMS = (*TRAINING, *HELD_OUT)
"""All problems; their places are what a batch holds."""
