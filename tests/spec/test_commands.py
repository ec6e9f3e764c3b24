"""What ablate prints for copying comes through a shell as it was meant."""

import shlex
import subprocess
import sys

import pytest

from ablate.cli import output
from ablate.spec.commands import write_command, write_option
from ablate.workflow.defaults import DEFAULT_STORAGE

NAMES = [
    "plain", "two words", "$(touch made)", "`touch made`", "a;touch made", "it's", '"quoted"',
    "a&b", "*", "~", "new\nline", "-dash", "--help", "", "é", "a|b>c", "\\", "#x", "!x",
]  # fmt: skip
URL = "postgresql://host/data base?options=-csearch_path%3Da&sslmode=require"


def typed(command, folder):
    """Type a command into a shell; return the words that the program `ablate` is started with."""
    program = folder / "bin" / "ablate"
    program.parent.mkdir(exist_ok=True)
    script = "import sys; print(ascii(sys.argv[1:]))"
    # An interpreter whose path has a space can't stand behind #!.
    program.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c '{script}' \"$@\"\n")
    program.chmod(0o755)
    path = {"PATH": f"{program.parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=path, capture_output=True, text=True, check=True
    )
    assert [entry.name for entry in folder.iterdir()] == ["bin"]
    return eval(done.stdout)  # noqa: S307 - a list of texts, printed three lines above


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def test_every_name_comes_through_a_shell(folder):
    dashes = ["--"] if any(name.startswith("-") for name in NAMES) else []
    assert typed(write_command("report", *NAMES), folder) == ["report", *dashes, *NAMES]


def test_every_value_of_an_option_comes_through_a_shell(folder):
    command = " ".join(["ablate replay s", *(write_option("allow-import", n) for n in NAMES)])
    words = [word.removeprefix("--allow-import=") for word in typed(command, folder)[2:]]
    assert [word for word in words if word != "--allow-import"] == NAMES


def test_a_plain_command_is_not_quoted():
    assert write_command("search", "s", retry_failed=None) == "ablate search --retry-failed s"
    assert write_command("search", study="s") == "ablate search --study s"
    assert write_option("study", "-s") == "--study=-s"


def test_hints_name_the_storage_unless_it_is_the_default(folder, capsys):
    assert output.hint("dashboard", storage=DEFAULT_STORAGE) == "ablate dashboard"
    output.say_what_next("a b", URL)
    report, dashboard = capsys.readouterr().err.removeprefix("report: ").split("    dashboard: ")
    assert typed(report, folder) == ["report", "--storage", URL, "a b"]
    assert typed(dashboard, folder) == ["dashboard", "--storage", URL]
