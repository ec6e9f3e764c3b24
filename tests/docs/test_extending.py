"""The project of `docs/extending.md` is written, its commands are typed, and they do as it says."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.installing import install

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
COMMANDS = [words for block in blocks(PAGE, "console") for words in block.commands]
PROGRAMS = {"ablate": [str(Path(sys.executable).with_name("ablate"))], "python": [sys.executable]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, in a folder of their own, installed as a package is."""
    folder = tmp_path_factory.mktemp("project")
    for language in ("python", "yaml", "toml"):
        for block in blocks(PAGE, language):
            name = re.match(r"# ([\w/-]+\.\w+)\n", block.text)
            assert name, block.text
            path = folder / name[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
    written = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    install(folder, written["name"], written["entry-points"])
    return folder


def typed(folder: Path, words: list[str]) -> str:
    """Type a command in a folder; return what it prints."""
    program, *arguments = words
    environment = {name: text for name, text in os.environ.items() if name != "ABLATE_STORAGE"}
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), *filter(None, sys.path)])
    done = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def printed(project: Path) -> Iterator[dict[str, str]]:
    """What the commands of the page print, in its order."""
    return {" ".join(words): typed(project, words) for words in COMMANDS}


@pytest.mark.long
def test_the_commands_do_as_the_page_says(project: Path, printed: dict[str, str]) -> None:
    assert list(printed) == [
        "ablate replay line --workers 1",
        "python -m pytest -q test_line.py",
        "ablate search --study rates --workers 1",
        "python launch.py",
        "python -m pytest -q test_counting.py",
        "ablate report line",
        "python -m ablate longest line",
    ]
    assert "passed" in printed["python -m pytest -q test_line.py"]
    assert "rates is done: 3 complete" in printed["ablate search --study rates --workers 1"]
    rates = re.findall(r"lr: (\S+)", printed["ablate search --study rates --workers 1"])
    assert rates
    assert all(0 <= float(rate) <= 0.1 for rate in rates)
    assert "passed" in printed["python -m pytest -q test_counting.py"]
    assert int((project / "jobs.txt").read_text().split()[0]) >= 3
    report = (project / "results" / "line" / "report" / "report.md").read_text()
    assert re.search(r"`few-steps` \| warning \| 1 \| .*full.*, .*through_zero.* \|", report)
    assert "- 6 runs made fewer than 100" in report
    assert re.search(r"## Time\n+All runs took \d+ seconds\.", report)
    assert re.fullmatch(
        r"(full|through_zero), seed [123]\n", printed["python -m ablate longest line"]
    )


@pytest.mark.long
def test_what_is_added_is_known_to_the_commands(project: Path, printed: dict[str, str]) -> None:
    assert "longest" in typed(project, ["python", "-m", "ablate", "--help"])
    typed(project, ["ablate", "audit", "line", "--allow", "few-steps", "--static"])
    typed(project, ["ablate", "report", "rates"])
    report = (project / "results" / "rates" / "report" / "report.md").read_text()
    assert "## Time" in report


def test_every_seam_has_a_row_and_an_example() -> None:
    rows = re.findall(r"^\| (an? [\w ]+?) \|", PAGE, re.MULTILINE)
    assert rows == [
        "a system",
        "a sampler or a pruner",
        "a launcher",
        "a check of the audit",
        "a section of the report",
        "a command",
    ]
    named = re.findall(r"`(src/ablate/[\w/]+?)/(?:NAME/)?`", PAGE)
    assert named
    assert all((ROOT / path).is_dir() for path in named)
