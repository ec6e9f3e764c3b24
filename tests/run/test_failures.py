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
from ablate.testing.toy import Points, Toy

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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\x00b", r"a\x00b"),
        ("lone \udcff and \ud800", r"lone \udcff and \ud800"),
        ("\u202eevil", r"\u202eevil"),
        ("tab\tand umlaut \u00fc \U0001f600", "tab\tand umlaut \u00fc \U0001f600"),
    ],
)
def test_what_is_no_text_is_told_as_escapes(tmp_path, monkeypatch, text, said):
    end = failed(tmp_path, monkeypatch, lambda: ValueError(text))
    assert end.outcome.reason == f"ValueError: {said}"
    assert end.raised.traceback.endswith(f"ValueError: {said}\n")


def test_a_million_lines_are_not_kept(tmp_path, monkeypatch):
    text = "\n".join(map(str, range(1_000_000)))
    end = failed(tmp_path, monkeypatch, lambda: ValueError(text))
    assert end.outcome.reason == "ValueError: 0\n1\n2\n3\n4\n5\n...\n999999"
    assert len(end.raised.traceback) < 100_000


@given(st.text(st.characters(exclude_categories=()), max_size=40), st.integers(1, 200))
def test_what_is_told_is_short_and_can_be_written_everywhere(text, times):
    told = worded(ValueError(text * times))
    assert len(told.encode()) < 80_000
    assert "\x00" not in told
    assert "\x1b" not in told


class LogsLongNames(Toy):
    name = "x" * 10**6

    def validation_step(self, batch, index):
        super().validation_step(batch, index)
        self.log(self.name, 1.0)


@pytest.mark.parametrize("job", [probe, run], ids=["probe", "run"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * 10**6, "name has 1000000 characters ('xxx"),
        ("a\x00b", r"whose name (a\x00b) holds characters that are no text"),
    ],
)
def test_a_metric_has_a_name_that_can_be_stored(tmp_path, monkeypatch, job, name, words):
    monkeypatch.setattr(LogsLongNames, "name", name)
    record = Record()
    changes = model(LogsLongNames, width=4)
    execute(probe(1, changes) if job is probe else run(1, tmp_path, changes), record)
    assert record.cause() == Cause.WRONG_CONFIG
    assert words in record.outcome().reason
    assert len(record.outcome().reason) < 300
    assert not record.reports()


def fingerprints(tmp_path, monkeypatch, offered):
    monkeypatch.setattr(Points, "fingerprint", lambda self: offered, raising=False)
    record = Record()
    tmp_path.mkdir(exist_ok=True)
    execute(run(1, tmp_path), record)
    found = record.finished().fingerprints
    return {name: text for name, text in found.items() if "batch" not in name}


@pytest.mark.parametrize("text", ["x" * 10**7, "a\x00b", "\ud800"])
def test_a_fingerprint_that_can_not_be_stored_is_hashed(tmp_path, monkeypatch, text):
    found = fingerprints(tmp_path / "1", monkeypatch, {"short": "text", "data": text, text: "x"})
    assert found.pop("short") == "text"
    assert found["data"].startswith("sha256:")
    assert found == {"data": found["data"], found["data"]: "x"}
    other = fingerprints(tmp_path / "2", monkeypatch, {"data": text + "."})
    assert other["data"] != found["data"]


def test_a_great_many_fingerprints_are_one(tmp_path, monkeypatch):
    many = {str(n): "x" for n in range(10_000)}
    found = fingerprints(tmp_path / "1", monkeypatch, many)
    assert [*found] == ["all"]
    again = dict(reversed(many.items()))
    assert fingerprints(tmp_path / "2", monkeypatch, again) == found
    assert fingerprints(tmp_path / "3", monkeypatch, {**many, "0": "y"}) != found


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
