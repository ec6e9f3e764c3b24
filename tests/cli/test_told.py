"""A failure is told when it happens: which run, why, where in the user's code, and its log."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

import ablate
from ablate.errors import RequestError
from ablate.run import InProcessLauncher
from ablate.spec import Cause, Outcome, Status
from ablate.study import FailedRun, Snapshot
from ablate.workflow.progress import Progress
from ablate.workflow.words import expected
from tests.study.conftest import ABLATION, SEARCH, STORAGE, Project

from .test_commands import ablate as command
from .test_commands import new_project

MODULE = """
from toy import Toy


class Raises(Toy):
    def training_step(self, batch, index):
        if self.current_epoch:
            raise KeyError("no such word")
        return super().training_step(batch, index)


class Bare(Toy):
    def training_step(self, batch, index):
        assert batch is None
"""
RAISED = "raised: KeyError: 'no such word' at wrong.py, line 8"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = new_project(tmp_path)
    (tmp_path / "wrong.py").write_text(MODULE)
    arms = {"narrow": {"model.init_args.width": 2}, "raises": {"model.class_path": "wrong.Raises"}}
    project.study("a", ABLATION, arms=arms, reference="narrow", floor={})
    project.study("s", SEARCH, budget={"trials": 2})
    return project


def test_a_failed_run_is_told_when_it_fails_and_once(project: Project) -> None:
    done = command(project.folder, "replay", "a", "--workers", "1", "--json")
    assert done.returncode == 1
    assert {run["state"] for run in json.loads(done.stdout)["runs"]} == {"complete", "failed"}
    told = [line for line in done.stderr.splitlines() if "KeyError" in line]
    assert len(told) == 2
    said, log = told[0].split("; log: ")
    assert re.fullmatch(rf"failed: trial \d, arm raises, seed 1: {re.escape(RAISED)}", said)
    assert "KeyError: 'no such word'" in (project.folder / log).read_text()
    assert told[1] == f"4 attempts failed alike: {RAISED}"
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines.index(told[0]) < next(n for n, line in enumerate(lines) if "4/4 trials" in line)


def test_the_python_api_takes_verbose_and_a_launcher(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    made: list[int] = []

    def launcher(workers: int) -> InProcessLauncher:
        made.append(workers)
        return InProcessLauncher()

    options = {"storage": STORAGE, "workers": 3, "launcher": launcher, "verbose": True}
    monkeypatch.syspath_prepend(str(project.folder))
    result = ablate.replay("a", seeds=[1], **options)
    assert made == [3]
    assert result.frame()["state"].tolist() == ["complete", "failed"]
    lines = capsys.readouterr().err.splitlines()
    (place,) = [at for at, line in enumerate(lines) if line.startswith("failed: trial")]
    assert lines[place].endswith(RAISED)
    assert lines[place + 1].startswith("Traceback")
    with pytest.raises(RequestError, match=r"toy.yaml: AssertionError \(wrong.py, line 14\)"):
        ablate.search("s", set={"model.class_path": "wrong.Bare"}, **options)
    told = capsys.readouterr().err
    assert "    assert batch is None" in told
    with pytest.raises(RequestError) as refused:
        ablate.matrix("a", set={"model.init_args.depth": 1}, **{**options, "verbose": False})
    assert "Traceback" not in capsys.readouterr().err
    assert "Traceback" in str(refused.value.traceback)


def failed(reason: str, **changes: object) -> FailedRun:
    facts: dict[str, object] = {
        "trial": 3,
        "arm": None,
        "seed": 7,
        "outcome": Outcome(Status.FAILED, Cause.RAISED, reason),
        "where": None,
        "traceback": None,
        "log": None,
    }
    return FailedRun(**{**facts, **changes})  # type: ignore[arg-type]


def test_failures_that_differ_in_an_address_alone_are_alike(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Progress(quiet=False) as progress:
        progress.fail(failed("ValueError: <Net object at 0x7f00aa>"))
        progress.fail(failed("ValueError: <Net object at 0x7f11bb>"))
        progress.fail(failed("ValueError: another"))
        progress.show(Snapshot("loss", 2, {}, {}, None, 0.0, None))
    lines = capsys.readouterr().err.splitlines()
    assert [line[:30] for line in lines] == [
        "failed: trial 3, seed 7: raise",
        "failed: trial 3, seed 7: raise",
        "0/2 trials | 0:00 so far",
        "2 attempts failed alike: raise",
    ]


def test_a_failure_is_one_line_whatever_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(quiet=False) as progress:
        progress.fail(failed("ValueError: first\n\x1b[31msecond\x07\n  last " + "x" * 5000))
        progress.fail(failed("diverged", outcome=Outcome(Status.FAILED, Cause.DIVERGED, None)))
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("failed: trial 3, seed 7: raised: ValueError: first ... last xxx")
    assert len(first) < 500
    assert "\x1b" not in first
    assert second == "failed: trial 3, seed 7: diverged: no reason is known"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(quiet=True, verbose=True) as progress:
        progress.fail(failed("ValueError: x", traceback="Traceback"))
    assert capsys.readouterr().err == ""


def snapshot(finished: int, **running: str) -> Snapshot:
    shown = {int(number[1:]): what for number, what in running.items()}
    return Snapshot("loss", 9, {Status.COMPLETE: finished}, shown, None, 1.0, 2.0)


def test_on_a_terminal_the_live_line_is_cut_and_each_trial_that_ends_leaves_a_line() -> None:
    progress = Progress(quiet=False)
    screen = io.StringIO()
    progress._console = Console(file=screen, force_terminal=True, width=40)
    progress._live = Live(console=progress._console, auto_refresh=False, transient=True)
    with progress:
        for finished in (0, 1, 2):
            progress.show(snapshot(finished, t7="an arm with a long name " * 9))
            progress._live.refresh()
            height = progress._live.get_renderable().wrap(progress._console, 40)
            assert len(height) == 1
    said = re.findall(r"(\d/9 trials \| \d complete) \| 0:01 so far", screen.getvalue())
    assert said == ["1/9 trials | 1 complete", "2/9 trials | 2 complete"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "unknown"), (0.3, "under a second"), (61.0, "about 1:01")]
)
def test_an_expected_time_is_never_zero(seconds: float | None, said: str) -> None:
    assert expected(seconds) == said
