"""What a user may type for an option, and what is said of the rest."""

from pathlib import Path

import pytest

from ablate.cli import output
from ablate.cli.options import parse_overrides, parse_seeds
from ablate.errors import RequestError, SpecError
from ablate.store.urls import parse_url
from ablate.study import Request
from ablate.study.recorded import trial_named
from ablate.study.threads import chosen_threads


@pytest.mark.parametrize(
    "text",
    [
        *("99999999999", "4294967296", "1,01", "1,1", "²", "\u0661", "-1", "1e3", "", ",", "1,,2"),
        "9" * 5_000,
    ],
)
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match="--seeds") as caught:
        parse_seeds(text)
    assert len(str(caught.value)) < 400


def test_seeds_are_read() -> None:
    assert parse_seeds("1, 02,4294967295") == (1, 2, 4294967295)
    assert parse_seeds(None) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a", "write path=value"),
        ("=1", "write path=value"),
        ("a.=1", "is not a path"),
        ("a." * 2_000 + "a=1", "has 2001 keys; a path has at most 100"),
        ("a=[1", "is not valid YAML: "),
        ('a="\\U00110000"', "an escape there stands for no character"),
        ('a=!!int ""', "'' can't be read as a whole number"),
        ("a=" + "9" * 5_000, "can't be read as a whole number"),
        ("a=" + "[" * 5_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_change_that_can_not_be_read_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(SpecError, match=r"^--set ") as caught:
        parse_overrides([text])
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 800


def test_a_number_of_a_trial_is_one() -> None:
    assert trial_named("a/b/12") == ("a/b", 12)
    for name in ("a", "/1", "a/", "a/²", "a/-1", "a/" + "9" * 5_000):
        assert trial_named(name) is None


def test_a_storage_is_a_name_that_a_file_can_have() -> None:
    for url in ("sqlite:///" + "x" * 300, "sqlite:///a\0b"):
        with pytest.raises(RequestError, match="is no name of a file"):
            parse_url(url)


def test_a_folder_of_results_has_a_name_that_a_folder_can_have() -> None:
    with pytest.raises(RequestError, match="--results"):
        Request("sqlite:///a.db", results=Path("x" * 300)).require_writable()


@pytest.mark.parametrize("value", ["²", "abc", "9" * 5_000, "-1", ""])
def test_a_number_of_threads_that_is_none_is_not_taken_from_the_environment(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert chosen_threads(None, None, 1_000) == 1


def test_a_number_that_there_is_not_is_a_dash() -> None:
    nan = float("nan")
    assert [output.number(found) for found in (None, nan, 0.123456)] == ["-", "-", "0.1235"]
    assert [output.interval(nan, nan), output.interval(-1.0, 0.5)] == ["-", "-1 to 0.5"]
