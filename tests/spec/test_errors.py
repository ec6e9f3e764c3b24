"""Errors: their exit status, and the hints in their messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate import errors
from ablate.errors import nearest


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.AblateError, 1),
        (errors.RunError, 1),
        (errors.AuditError, 1),
        (errors.RequestError, 2),
        (errors.SpecError, 2),
        (errors.NotFoundError, 2),
        (errors.StorageError, 2),
        (errors.Unavailable, 2),
        (errors.Interrupted, 130),
    ],
)
def test_the_exit_status_says_what_happened(error, status):
    assert error.exit_code == status
    assert issubclass(error, errors.AblateError)


def test_every_error_is_in_the_tree_at_the_top_of_its_file():
    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    tree = errors.__doc__.split("\n\n")[1].splitlines()
    drawn = [line.split("─ ")[-1].split()[0] for line in tree]
    assert sorted(drawn) == sorted(classes)


def test_the_nearest_names_come_first():
    assert nearest("lerning_rate", ["learning_rate", "width"]) == "did you mean 'learning_rate'?"


def test_without_a_near_name_the_known_ones_are_listed():
    assert nearest("zzz", ["width", "depth"]) == "known: depth, width"
    assert nearest("zzz", []) == "there are none"
    assert nearest("zzz", (f"name{i}" for i in range(20))).endswith(", ...")


# Of a longer name only the beginning is shown.
@given(st.text(min_size=1, max_size=20), st.lists(st.text(min_size=1), min_size=1, max_size=30))
def test_a_known_name_is_always_its_own_nearest(name, others):
    assert nearest(name, [*others, name]).startswith(f"did you mean {name!r}")
