"""What is told of an exception: its type, what it says, where it was raised, and no more."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import SpecError, shortened, worded
from ablate.run.resolving import refusal
from ablate.spec import Cause, Outcome, Status
from ablate.testing.jobs import Record, execute, model, probe, resolve, run
from ablate.testing.toy import Toy

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class Fails(Toy):
    """Raises what it is told to, in a line of its own."""

    raises: Callable[[], BaseException]

    def training_step(self, batch, index):
        raise type(self).raises()


class MuteError(Exception):
    """Raises when it is asked what it says."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def wrapped() -> Exception:
    error = ValueError("outer")
    error.__cause__ = KeyError("inner")
    return error


HERE = Path(__file__)
LINE = next(
    number
    for number, text in enumerate(HERE.read_text().splitlines(), 1)
    if text == "        raise type(self).raises()"
)


def failed(tmp_path, monkeypatch, raises):
    monkeypatch.setattr(Fails, "raises", raises, raising=False)
    record = Record()
    execute(run(1, tmp_path, model(Fails, width=4)), record)
    return record.finished()


def test_the_innermost_line_of_the_users_own_code_is_told_beside_the_reason(tmp_path, monkeypatch):
    end = failed(tmp_path, monkeypatch, lambda: KeyError("x"))
    assert end.outcome == Outcome(Status.FAILED, Cause.RAISED, "KeyError: 'x'")
    assert end.raised.frame.file == str(HERE)
    assert end.raised.frame.line == LINE
    assert end.raised.traceback.startswith("Traceback")
    assert end.raised.traceback.endswith("KeyError: 'x'\n")
    assert str(end.raised.frame) == f"{HERE.relative_to(Path.cwd())}, line {LINE}"
    monkeypatch.chdir(tmp_path)
    assert str(end.raised.frame) == f"{HERE}, line {LINE}"


def test_what_torch_raises_is_placed_where_the_user_called_it(tmp_path, monkeypatch):
    monkeypatch.setattr(Toy, "validation_step", lambda self, batch, index: self.net(batch[1]))
    record = Record()
    execute(run(1, tmp_path, model(Toy)), record)
    assert Path(record.finished().raised.frame.file) == HERE


@pytest.mark.parametrize(
    ("raises", "said"),
    [
        (ValueError, "ValueError"),
        (lambda: ValueError("  "), "ValueError"),
        (MuteError, "MuteError: what it says can't be had: its __str__ raises"),
        (wrapped, "ValueError: outer"),
    ],
    ids=["empty", "blank", "mute", "wrapped"],
)
def test_an_exception_that_says_nothing_has_its_type_for_a_reason(
    tmp_path, monkeypatch, raises, said
):
    end = failed(tmp_path, monkeypatch, raises)
    assert end.outcome.reason == said
    assert end.raised.frame.line == LINE


def test_a_huge_text_is_not_kept(tmp_path, monkeypatch):
    text = "first\n" + "x" * 20_000_000 + "\n" * 1000 + "last"
    end = failed(tmp_path, monkeypatch, lambda: ValueError(text))
    assert end.outcome.reason.startswith("ValueError: first\nxxx")
    assert end.outcome.reason.endswith("\nlast")
    assert len(end.outcome.reason) < 20_000
    assert len(end.raised.traceback) < 100_000


@given(st.text() | st.lists(st.text(max_size=5)).map("\n".join))
def test_shortening_twice_is_shortening_once(text):
    assert shortened(shortened(text)) == shortened(text)
    assert worded(ValueError(text)).startswith("ValueError")


@pytest.mark.parametrize("job", [probe, resolve], ids=["probe", "resolve"])
def test_a_refusal_of_the_preflight_has_the_place_and_the_traceback(job, monkeypatch):
    monkeypatch.setattr(Fails, "raises", AssertionError, raising=False)
    record = Record()
    changes = {"probe": model(Fails), "resolve": {"model.init_args.width": "wide"}}
    execute(job(1, changes[job.__name__]), record)
    error = refusal(record.events).at("a: arms.wide")
    assert isinstance(error, SpecError)
    assert "Traceback" in error.traceback
    where = HERE.relative_to(Path.cwd())
    if job is probe:
        assert str(error) == f"a: arms.wide: AssertionError ({where}, line {LINE})"
    else:
        assert str(error).startswith("a: arms.wide: model.init_args.width: ")
