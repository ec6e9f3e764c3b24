"""The arrows between the packages run one way, and importing the light ones stays cheap."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ablate

ROOT = Path(ablate.__file__).parent

ARROWS = {
    "": {"workflow", "spec"},
    "cli": {"workflow", "plan", "spec"},
    "testing": {
        *("reports", "analysis", "audits", "study", "measure", "run", "plan", "store", "spec")
    },
    "workflow": {
        *("reports", "analysis", "audits", "study", "measure", "run", "plan", "store", "spec")
    },
    "reports": {"analysis", "store", "spec"},
    "analysis": {"store", "plan", "spec"},
    "audits": {"run", "store", "spec"},
    "study": {"run", "store", "plan", "spec"},
    "measure": {"run", "plan", "spec"},
    "run": {"store", "plan", "spec"},
    "plan": {"spec"},
    "store": {"spec"},
    "spec": set(),
    "systems": set(),
    "__main__": {"cli"},
}
"""Package -> the packages it may import; itself and those of EVERYONE it always may."""

EVERYONE = {"", "errors", "lazy", "plugins"}
HEAVY = {"torch", "lightning", "optuna", "pandas"}
PACKAGES = sorted(
    ".".join(("ablate", *path.parent.relative_to(ROOT).parts)) for path in ROOT.rglob("__init__.py")
)


def imported(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of every import in a module, lazy ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            module = ".".join([*base, node.module or ""]).strip(".") if node.level else node.module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            if name in {"import_module", "__import__"} and isinstance(first, ast.Constant):
                yield node.lineno, str(first.value)


def violations(root: Path) -> Iterator[str]:
    """Yield `file:line: ...` for every import against the arrows in the package at `root`."""
    rooms = {path.stem for path in root.iterdir() if path.is_dir() or path.suffix == ".py"}
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        room = parts[0] if parts[0] != "__init__" else ""
        package = ".".join(("ablate", *parts[:-1]))
        if room not in ARROWS.keys() | EVERYONE:
            yield f"{file}:1: ablate.{room} is no known package: give it a row in ARROWS"
            continue
        for line, name in imported(ast.parse(file.read_text()), package):
            first, _, rest = name.partition(".")
            target = rest.split(".")[0]
            if first != "ablate" or (target not in rooms and target not in ARROWS):
                continue
            if target not in {room} | EVERYONE | ARROWS.get(room, set()):
                yield f"{file}:{line}: ablate.{room or '__init__'} may not import ablate.{target}"


def test_imports_follow_the_arrows():
    found = list(violations(ROOT))
    assert not found, "\n" + "\n".join(found)


def test_the_arrows_run_one_way():
    reached: set[str] = set()
    open_rooms = set(ARROWS)
    while open_rooms:
        ready = {room for room in open_rooms if ARROWS[room] <= reached}
        assert ready, f"a circle among {sorted(open_rooms)}"
        reached |= ready
        open_rooms -= ready


@pytest.mark.parametrize("room", ["systems", "testing"])
def test_nothing_of_ours_imports_the_systems_or_the_suites(room):
    assert all(room not in allowed for allowed in ARROWS.values())


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        (
            "spec/a.py",
            "import os\n\nimport ablate.store",
            "3: ablate.spec may not import ablate.store",
        ),
        ("store/a.py", "from ablate.run import x", "1: ablate.store may not import ablate.run"),
        ("store/a.py", "from ablate import run", "1: ablate.store may not import ablate.run"),
        ("plan/a.py", "from ..store import x", "1: ablate.plan may not import ablate.store"),
        ("plan/deep/a.py", "from ... import store", "1: ablate.plan may not import ablate.store"),
        ("plan/__init__.py", "from ..store import x", "1: ablate.plan may not import ablate.store"),
        (
            "run/a.py",
            "def f():\n    import ablate.study.x",
            "2: ablate.run may not import ablate.study",
        ),
        (
            "audits/a.py",
            "if TYPE_CHECKING:\n    from ablate.analysis import x",
            "2: ablate.audits may not import ablate.analysis",
        ),
        (
            "cli/a.py",
            "from ablate.systems import toy",
            "1: ablate.cli may not import ablate.systems",
        ),
        (
            "systems/a.py",
            "from ablate.spec import x",
            "1: ablate.systems may not import ablate.spec",
        ),
        (
            "run/a.py",
            "import importlib\nimportlib.import_module('ablate.systems.toy')",
            "2: ablate.run may not import ablate.systems",
        ),
        (
            "__init__.py",
            "from ablate.store import x",
            "1: ablate.__init__ may not import ablate.store",
        ),
        ("errors.py", "from ablate.spec import x", "1: ablate.errors may not import ablate.spec"),
        ("attic/a.py", "", "1: ablate.attic is no known package"),
    ],
)
def test_an_import_against_the_arrows_is_found(tmp_path, file, source, message):
    for room in ARROWS:
        (tmp_path / room).mkdir(exist_ok=True)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(source)
    (found,) = violations(tmp_path)
    assert found.startswith(f"{tmp_path / file}:{message}")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("cli/a.py", "from ablate.workflow import x\nfrom ablate import __version__"),
        ("study/a.py", "from ablate.errors import SpecError\nfrom ablate.spec import paths"),
        ("systems/toy/a.py", "import torch\nfrom ablate.systems.parts import x\nfrom . import b"),
        ("spec/a.py", "import optuna.study\nfrom store import x\nfrom other.ablate.run import x"),
    ],
)
def test_an_import_along_the_arrows_is_fine(tmp_path, file, source):
    for room in ARROWS:
        (tmp_path / room).mkdir(exist_ok=True)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(source)
    assert not list(violations(tmp_path))


def _rank(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_public_names_of_a_package_exist_and_are_sorted(package):
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    public = {name for name, value in vars(module).items() if _is_own(name, value)}
    assert public <= set(names), f"{package} hands out names that __all__ does not list"
    assert [name for name in names if not hasattr(module, name)] == []
    assert list(names) == sorted(set(names), key=_rank)


def _is_own(name: str, value: object) -> bool:
    """Say whether a package's `__init__` hands out `value`, rather than a submodule."""
    home = getattr(value, "__module__", "")
    return not name.startswith("_") and home.startswith("ablate") and home != "ablate.lazy"


def loaded_after(code: str) -> set[str]:
    """Return the heavy packages that a fresh interpreter has loaded after running `code`."""
    script = f"{code}\nimport sys\nprint(*sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


HELP = """
import sys
sys.argv = ["ablate", "--help"]
from ablate.cli import main
try:
    status = main()
except SystemExit as stop:
    status = stop.code
assert not status, status
"""


def test_help_needs_none_of_the_heavy_packages():
    assert loaded_after(HELP) == set()


@pytest.mark.parametrize("module", ["ablate", "ablate.errors", "ablate.spec", "ablate.cli"])
def test_the_light_packages_import_none_of_the_heavy_ones(module):
    assert loaded_after(f"import {module}") == set()


def test_a_heavy_package_would_be_noticed():
    assert "pandas" in loaded_after("import pandas")
