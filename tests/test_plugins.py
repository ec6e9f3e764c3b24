"""What installed packages add is loaded; what does not hold is said in one line."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from ablate.errors import RequestError
from ablate.plugins import installed
from tests.installing import install
from tests.test_architecture import HEAVY

MODULE = """
def hello(name: str = "you") -> None:
    \"\"\"Greet somebody.\"\"\"
    print(f"hello {name}")

def again() -> None:
    \"\"\"Greet again.\"\"\"

seven = 7
"""
SHOW_LOADED = """
import sys
from ablate.cli import main
try:
    main()
finally:
    print(*sorted({heavy} & sys.modules.keys()), file=sys.stderr)
"""


def add(folder: Path, **commands: str) -> None:
    (folder / "greetings.py").write_text(MODULE)
    install(folder, "greetings", {"ablate.commands": commands})


def ablate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SHOW_LOADED.format(heavy=HEAVY), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_installed_command_is_one_of_ablate_and_help_stays_light(tmp_path):
    add(tmp_path, hello="greetings:hello")
    help_ = ablate(tmp_path, "--help")
    assert (help_.returncode, help_.stderr) == (0, "\n")
    assert "Greet somebody." in help_.stdout
    assert "replay" in help_.stdout
    assert ablate(tmp_path, "hello", "--name", "Ann").stdout == "hello Ann\n"


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ({"replay": "greetings:again"}, "a command 'replay' (ablate.commands), which ablate has"),
        ({"hello": "greetings:gone"}, "(greetings:gone) can't be loaded: "),
        ({"hello": "greetings:seven"}, "(greetings:seven) is no function but 7; correct greetings"),
    ],
)
def test_a_command_that_does_not_hold_is_a_wrong_request(
    tmp_path: Path, commands: Mapping[str, str], message: str
) -> None:
    add(tmp_path, **commands)
    done = ablate(tmp_path, "--help")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_installed_comes_in_the_order_of_its_names(tmp_path, monkeypatch):
    add(tmp_path, second="greetings:again", first="greetings:hello")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "greetings", raising=False)
    found = installed("ablate.commands", callable, "function")
    assert {name: made.__name__ for name, made in found.items()} == {
        "first": "hello",
        "second": "again",
    }
    assert list(found) == ["first", "second"]
    assert installed("ablate.nothing", callable, "function") == {}
    with pytest.raises(RequestError, match="is no number but"):
        installed("ablate.commands", lambda made: isinstance(made, int), "number")
