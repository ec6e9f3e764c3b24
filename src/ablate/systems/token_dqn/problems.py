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
        "Return the sum of two numbers.",
        (((2, 3), 5), ((0, 0), 0), ((-1, 1), 0), ((10, -5), 5), ((100, 200), 300)),
    ),
    Problem(
        "is_even",
        ("n",),
        "Return True if number is even, False otherwise.",
        _of_one((2, True), (3, False), (0, True), (-2, True), (-3, False)),
    ),
    Problem(
        "max_of_three",
        ("a", "b", "c"),
        "Return the maximum of three numbers.",
        (((1, 2, 3), 3), ((3, 2, 1), 3), ((2, 3, 1), 3), ((5, 5, 5), 5), ((-1, -2, -3), -1)),
    ),
    Problem(
        "count_vowels",
        ("s",),
        "Count the number of vowels (a, e, i, o, u) in a string.",
        _of_one(("hello", 2), ("world", 1), ("python", 1), ("aeiou", 5), ("xyz", 0), ("HELLO", 2)),
    ),
    Problem(
        "reverse_string",
        ("s",),
        "Return the reverse of a string.",
        _of_one(("hello", "olleh"), ("world", "dlrow"), ("python", "nohtyp"), ("a", "a"), ("", "")),
    ),
    Problem(
        "factorial",
        ("n",),
        "Return the factorial of a non-negative integer n.",
        _of_one((0, 1), (1, 1), (5, 120), (3, 6), (4, 24)),
    ),
    Problem(
        "is_palindrome",
        ("s",),
        "Return True if string is a palindrome, False otherwise.",
        _of_one(
            ("racecar", True),
            ("hello", False),
            ("level", True),
            ("a", True),
            ("", True),
            ("noon", True),
        ),
    ),
    Problem(
        "sum_list",
        ("x",),
        "Return the sum of all numbers in a list.",
        _of_one(([1, 2, 3, 4, 5], 15), ([0], 0), ([], 0), ([-1, 1], 0), ([10, 20, 30], 60)),
    ),
)

HELD_OUT = (
    Problem(
        "multiply",
        ("a", "b"),
        "Return the product of two numbers.",
        (((2, 3), 6), ((0, 5), 0), ((-2, 3), -6), ((4, 5), 20)),
    ),
    Problem(
        "is_prime",
        ("n",),
        "Return True if number is prime, False otherwise.",
        _of_one((2, True), (3, True), (4, False), (17, True), (1, False), (0, False)),
    ),
    Problem(
        "find_min",
        ("x",),
        "Return the minimum value in a list.",
        _of_one(([1, 2, 3], 1), ([5, 2, 8, 1], 1), ([-1, -5, -3], -5), ([10], 10)),
    ),
)

PROBLEMS = (*TRAINING, *HELD_OUT)
"""All problems; their places are what a batch holds."""
