"""Scripts of a project that build a LightningCLI of their own, found without importing any."""

import ast
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from ablate.spec import paths
from ablate.spec.fields import Config
from ablate.spec.native import SECTIONS

_CLI = "LightningCLI"
_HARMLESS = frozenset(
    {
        "args",
        "run",
        "save_config_callback",
        "save_config_kwargs",
        "load_from_checkpoint_support",
        "subclass_mode_model",
        "subclass_mode_data",
    }
)
"""Arguments of LightningCLI that change no number where a config names its classes."""

_SKIPPED = frozenset(
    {"build", "dist", "docs", "node_modules", "results", "site-packages", "test", "tests", "venv"}
)
_ROOTS = ("pyproject.toml", "setup.py", ".git")
_MOST_FILES, _MOST_BYTES, _LEVELS = 400, 500_000, 3


@dataclass(frozen=True)
class OwnCLI:
    """A script that builds a LightningCLI which is not the plain one, and the name of its class."""

    script: Path
    name: str

    def entry(self, folder: Path) -> str:
        """Return what a study in `folder` writes to name it."""
        return Path(os.path.relpath(self.script, folder)).as_posix()


def own_clis(folder: Path) -> list[OwnCLI]:
    """Find the scripts around a study's folder, and in the current one, that build their own CLI.

    Looks at a bounded number of files, whose text it parses; nothing is imported.
    """
    trees = {file: tree for file in _python_files(folder) if (tree := _parsed(file)) is not None}
    known = _subclasses(trees.values())
    built = {file: name for file, tree in trees.items() if (name := _built_in(tree, known))}
    found = []
    for file, tree in trees.items():
        name = built.get(file) or _imported_from(tree, built)
        if name is not None and _is_script(tree):
            found.append(OwnCLI(file, name))
    return found


def notice(folder: Path) -> str | None:
    """Say that a script builds a CLI of its own which a study there doesn't name; None if none."""
    found = own_clis(folder)
    if not found:
        return None
    entry, name = found[0].entry(folder), found[0].name
    others = f" (or {', '.join(other.entry(folder) for other in found[1:4])})" if found[1:] else ""
    return (
        f"{entry} builds a LightningCLI of its own ({name}); runs use the plain one. Name it: "
        f"cli: {entry}{others}, or say that the plain one is meant: cli: lightning"
    )


def advice(config: Config, folder: Path) -> str | None:
    """Say what a config that plain LightningCLI refuses seems to need; None if nothing shows."""
    why = _not_plain(config)
    if why is None:
        return None
    found = [cli.entry(folder) for cli in own_clis(folder)][:3]
    built = f" (found: {', '.join(found)})" if found else ""
    entry = found[0] if found else "train.py"
    return (
        f"{why}, so this is the config of a project's own LightningCLI: name what builds it in the "
        f"study, cli: {entry}{built}; it may also be module.Class or module:function"
    )


def _not_plain(config: Config) -> str | None:
    for section in ("model", "data"):
        value = config.get(section)
        if isinstance(value, dict) and not any(map(_is_class_key, value)):
            return f"{section} names no class_path"
    for key in config:
        if not get_close_matches(str(key), ("seed_everything", *SECTIONS), 1):
            return f"plain LightningCLI has no {key!r}"
    for path, value in paths.flatten(dict(config)).items():
        if isinstance(value, str) and "${" in value:
            return (
                f"{path} is {value!r}, which is read only with parser_kwargs={{'parser_mode': "
                "'omegaconf'}"
            )
    return None


def _is_class_key(key: Any) -> bool:
    return bool(get_close_matches(str(key), paths.CLASS_KEYS, 1))


def _python_files(folder: Path) -> Sequence[Path]:
    """List the Python files of the project that a folder belongs to, and of the current folder."""
    here = folder.absolute()
    above = [here, *here.parents][: _LEVELS + 1]
    root = next((place for place in above if any((place / name).exists() for name in _ROOTS)), None)
    start = dict.fromkeys((here, *([root] if root else [here.parent]), Path.cwd()))
    files = dict.fromkeys(file for place in start for file in _below(place, 1))
    return list(islice(files, _MOST_FILES))


def _below(folder: Path, levels: int) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: (entry.is_dir(), entry.name))
    except OSError:
        return
    for entry in islice(entries, _MOST_FILES):
        if entry.name.startswith((".", "_")) or entry.name in _SKIPPED:
            continue
        if entry.is_dir() and levels and not Path(entry.path, "pyvenv.cfg").exists():
            yield from _below(Path(entry.path), levels - 1)
        elif entry.name.endswith(".py") and entry.is_file():
            yield Path(entry.path)


def _parsed(file: Path) -> ast.Module | None:
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        text = file.read_text(encoding="utf-8")
        return ast.parse(text)
    except (OSError, ValueError, SyntaxError, RecursionError):
        return None


def _subclasses(trees: Collection[ast.Module]) -> dict[str, bool]:
    """Map the names that stand for LightningCLI or a subclass to whether it changes anything."""
    known = {_CLI: False}
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.alias) and node.name == _CLI and node.asname:
                known[node.asname] = False
    while found := {
        node.name: any(known.get(_name(base), False) for base in node.bases)
        or any(isinstance(part, ast.FunctionDef) for part in node.body)
        for node in classes
        if node.name not in known and any(_name(base) in known for base in node.bases)
    }:
        known |= found
    return known


def _name(node: ast.expr) -> str:
    """Return the last part of a dotted name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _own(call: ast.Call, known: dict[str, bool]) -> str | None:
    """Return the name of the class if a call builds a CLI that is not plain."""
    name = _name(call.func)
    if name not in known:
        return None
    changed = bool(call.args) or any(keyword.arg not in _HARMLESS for keyword in call.keywords)
    return name if known[name] or changed else None


def _built_in(tree: ast.AST, known: dict[str, bool]) -> str | None:
    """Return the name of the first CLI built in some code that is not plain."""
    return next((name for call in _calls(tree) if (name := _own(call, known))), None)


def _imported_from(tree: ast.Module, built: Mapping[Path, str]) -> str | None:
    """Return the CLI that a module builds from which a file imports a function that it calls."""
    called = {_name(call.func) for call in _calls(tree)}
    modules = {file.stem: name for file, name in built.items()}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            name = modules.get(node.module.rpartition(".")[2])
            functions = {alias.asname or alias.name for alias in node.names}
            if name is not None and called & functions:
                return name
    return None


def _is_script(tree: ast.Module) -> bool:
    """Say whether a file does something when it is run: behind its guard, or by bare calls."""
    for node in tree.body:
        if isinstance(node, ast.If) and any(
            isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
        ):
            return True
        if isinstance(node, ast.Expr | ast.Assign) and isinstance(node.value, ast.Call):
            return True
    return False
