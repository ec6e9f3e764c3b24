"""The entry of a project: what builds its LightningCLI, executed as `python train.py fit` does."""

import importlib
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from inspect import signature
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ablate.errors import SpecError
from ablate.run.frames import own_frame
from ablate.spec.entries import is_script

Construct = Callable[[LightningCLI, Callable[..., None], dict[str, Any]], None]
"""Takes a LightningCLI that is being made, its native constructor, and the arguments by name."""

Fit = Callable[[Trainer, Callable[..., None], dict[str, Any]], None]
"""Takes a trainer whose `fit` is called, the native method, and the arguments by name."""


def execute_entry(entry: str, construct: Construct, fit: Fit) -> None:
    """Execute a script, a function or a class, with its LightningCLI and its fit taken over.

    Raises SpecError where there is no such entry, or where it fails before its fit.
    """
    started = False

    def first_fit(trainer: Trainer, native: Callable[..., None], arguments: dict[str, Any]) -> None:
        nonlocal started
        started = True
        fit(trainer, native, arguments)

    call = partial(_run_script, Path(entry)) if is_script(entry) else _imported(entry)
    try:
        with _replaced(LightningCLI, "__init__", construct), _replaced(Trainer, "fit", first_fit):
            call()
    except SIGTERMException:  # a kind of SystemExit
        raise
    except SystemExit as error:
        if started and error.code in {None, 0}:
            return
        raise SpecError(f"cli: {entry} exits with {error.code!r}") from error
    except SpecError:
        raise
    except Exception as error:
        if started:
            raise
        raise SpecError(f"cli: {_failure(entry, error)}") from error


def _failure(entry: str, error: Exception) -> str:
    where = own_frame(error)
    return f"{entry} fails before it trains: {type(error).__name__}: {error}" + (
        f" ({where})" if where else ""
    )


def _run_script(path: Path) -> None:
    """Run a script as Python itself does: its folder comes first where modules are looked for."""
    if not path.is_file():
        raise SpecError(f"cli: there is no file {path}")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    with _arguments(str(path)):
        runpy.run_path(str(path), run_name="__main__")


def _imported(entry: str) -> Callable[[], None]:
    """Import a class or a function; what its module does while it is imported is not taken over."""
    module, colon, name = entry.partition(":")
    if not colon:
        module, _, name = entry.rpartition(".")
    with _replaced(LightningCLI, "__init__", _refuse_while_imported(module)):
        try:
            target: Any = importlib.import_module(module)
            for part in name.split("."):
                target = getattr(target, part)
        except SpecError:
            raise
        except Exception as error:
            raise SpecError(f"cli: {entry}: {type(error).__name__}: {error}") from error
    if not callable(target):
        raise SpecError(f"cli: {entry} is neither a class nor a function")

    def call() -> None:
        with _arguments(str(getattr(sys.modules[module], "__file__", module))):
            target()

    return call


def _refuse_while_imported(module: str) -> Construct:
    def refuse(*_: Any) -> None:
        raise SpecError(
            f"cli: {module} builds its LightningCLI while it is imported: name the script instead, "
            f"such as cli: {module.replace('.', '/')}.py"
        )

    return refuse


@contextmanager
def _arguments(program: str) -> Iterator[None]:
    """Let a script see the command line `fit`; its configuration comes from the job alone."""
    before = sys.argv
    sys.argv = [program, "fit"]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _replaced(owner: type, name: str, replacement: Callable[..., None]) -> Iterator[None]:
    """Have a method of a class taken over for the duration of a block."""
    native = getattr(owner, name)

    @wraps(native)
    def taken(self: Any, *args: Any, **kwargs: Any) -> None:
        arguments = _by_name(native, self, args, kwargs)
        replacement(self, native, arguments)

    setattr(owner, name, taken)
    try:
        yield
    finally:
        setattr(owner, name, native)


def _by_name(
    native: Callable[..., None], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    given = signature(native).bind(owner, *args, **kwargs).arguments
    return dict(list(given.items())[1:])
