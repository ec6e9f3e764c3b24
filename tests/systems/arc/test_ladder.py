"""What `docs/ladder-failures.md` says of the ARC system is so."""

import re

import pytest

from tests.audits.test_entries import ENTRIES, TABLE, functions_in

_, SECTION = TABLE.read_text(encoding="utf-8").split("\n## In the ARC system\n")
ROWS = [line.strip("|").split("|") for line in SECTION.splitlines() if re.match(r"\| \d", line)]


@pytest.mark.parametrize(("numbers", "_", "tests"), ROWS)
def test_every_test_it_names_is_there(numbers: str, _: str, tests: str) -> None:
    assert {int(number) for number in numbers.split(",")} <= ENTRIES.keys()
    named = [name.split("::") for name in re.findall(r"`([^`]*)`", tests)]
    assert named
    assert [test for file, test in named if test not in functions_in(file)] == []
