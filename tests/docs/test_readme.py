"""What the README says can be typed: its files, its commands and its Python, in a new project."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ablate.cli.app import app
from ablate.testing import toy
from tests.docs.blocks import README, ROOT, blocks, commands_named

ABLATE = str(Path(sys.executable).with_name("ablate"))
MODULE = "from toy import Points as MyData, Toy as MyModule\n"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder, which must do what it was asked; return what it printed."""
    environment = {name: text for name, text in os.environ.items() if name != "ABLATE_STORAGE"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False,
        timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.long
def test_a_user_gets_through_the_readme(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8").split("## Use it on your own module")[1]
    shutil.copy(toy.__file__, tmp_path / "toy.py")
    (tmp_path / "mycode.py").write_text(MODULE)
    for block in blocks(text, "yaml"):
        name = re.match(r"# ([\w/-]+\.yaml)", block.text)
        assert name, block.text
        (tmp_path / name[1]).parent.mkdir(exist_ok=True)
        (tmp_path / name[1]).write_text(block.text)
    typed = [words for block in blocks(text, "console") for words in block.commands]
    assert len(typed) == 7
    printed = [run(tmp_path, ABLATE, *words[1:]) for words in typed]
    assert "mine is done: " in printed[0]
    assert (tmp_path / "configs" / "best.yaml").read_text().startswith("# Frozen from trial 7")
    assert "full" in printed[4]
    assert (tmp_path / "results" / "mine-ablation" / "report" / "report.md").exists()

    script = "\n".join(block.text for block in blocks(text, "python"))
    checks = (
        "assert len(found.frame()) == 4\n"
        "assert set(mine.arms['arm']) == {'full', 'no_dropout', 'narrow'}\n"
        "assert '<table' in found._repr_html_()\n"
    )
    (tmp_path / "notebook.py").write_text(f"{script}\n{checks}")
    run(tmp_path, sys.executable, "notebook.py")


def test_the_python_of_the_readme_uses_nothing_but_the_api() -> None:
    import ablate

    script = "\n".join(block.text for block in blocks(README.read_text(), "python"))
    named = set(re.findall(r"\bablate\.(\w+)", script))
    assert {"Search", "search", "load"} <= named <= set(ablate.__all__)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_that_a_page_names_exist_with_their_options(page: Path) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for words in commands_named(page.read_text(encoding="utf-8")):
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        command = [word for word in words[1:2] if not word.startswith("-")]
        assert set(command) <= set(known), words
        shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command, "--help"])
        assert shown.exit_code == 0, words
        assert all(re.search(rf"{option}\b", shown.output) for option in options), words


def test_the_readme_names_every_command() -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    named = {words[1] for words in commands_named(README.read_text())}
    assert {word for word in named if not word.startswith("-")} == known


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_targets_of_make_exist(page: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^\$ )make (\w+)", (ROOT / page).read_text("utf-8"), re.MULTILINE))
    assert named
    assert named <= targets


def test_figures_name_the_processor_they_came_from() -> None:
    demo = README.read_text(encoding="utf-8").split("## See it work")[1].split("\n## ")[0]
    assert "±" in demo
    assert "These figures come from" in demo
