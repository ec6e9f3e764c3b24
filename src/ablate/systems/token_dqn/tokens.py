"""The tokens that a program is written in.

The first 34 are the published ones. No required name can be written in them: they have no
underscore, no c as in `factorial` and no m as in `multiply`. `solvable` adds what is missing.
"""

from typing import Literal

from ablate.systems.token_dqn.problems import PROBLEMS

Tokens = Literal["published", "solvable"]

PUBLISHED = (
    *("def ", "return ", "if ", "else:", "for ", "in ", "range(", ":\n", "\n", "    "),
    *("(", ")", "[", "]", "+", "-", "*", "/", "==", "!=", "<", ">", "<=", ">="),
    *("and ", "or ", "not ", "True", "False", "None", ", ", " = ", " == ", "\n    "),
)

HEADERS = tuple(problem.header for problem in PROBLEMS)

# A blank ends each name and number: tokens that follow each other must not run together.
NAMES = tuple(
    f"{name} "
    for name in (
        *dict.fromkeys(name for problem in PROBLEMS for name in problem.parameters),
        "r",
        "i",
    )
)
CONSTANTS = ("0 ", "1 ", "2 ", "'aeiouAEIOU' ")

SOLVABLE = (*PUBLISHED, *HEADERS, *NAMES, *CONSTANTS)


def tokens_of(kind: Tokens) -> tuple[str, ...]:
    """Return the tokens that the first actions append; every other action appends nothing."""
    return PUBLISHED if kind == "published" else SOLVABLE
