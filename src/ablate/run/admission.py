"""What a configuration from a database may name, decided before anything of it is imported.

The names come first: of trusted packages alone, no text that holds or names a description of
objects. Then what is found under them: a class or function that is its package's own, and of the
libraries only what a training consists of.
"""

import importlib
import importlib.util
import inspect
import os
import re
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ablate.errors import SpecError
from ablate.run.run_folder import misplaced
from ablate.spec.commands import write_option
from ablate.spec.entries import is_script
from ablate.spec.paths import Key
from ablate.spec.secrets import variables
from ablate.spec.trust import LIBRARIES, SCRIPT, Trust

_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_MOST_NODES = 100_000
_SECTIONS = frozenset({"model", "data", "optimizer", "lr_scheduler"})
_ARGUMENTS = frozenset({"init_args", "dict_kwargs"})
_MATHEMATICS = ("torch.nn.functional", "torch.nn.init", "torch.special", "torch.linalg")
"""Modules of torch whose functions only compute."""
_NEVER = (
    "ablate.cli", "ablate.run.launchers", "ablate.workflow", "lightning.pytorch.cli.LightningCLI",
    "lightning.pytorch.cli.instantiate_class", "torch.distributed.elastic",
    "torch.distributed.launcher", "torch.hub", "torch.load", "torch.multiprocessing",
    "torch.package", "torch.serialization", "torch.utils.collect_env", "torch.utils.cpp_extension",
)  # fmt: skip
"""What starts programs or loads code, in packages that are trusted otherwise."""


def check_names(config: dict[str, Any], trust: Trust) -> None:
    """Raise SpecError for the first text of a stored config that it may not hold.

    Imports nothing.
    """
    for text in _texts(config):
        text.check(trust)
    for path, name in variables(config):
        if name not in trust.variables:
            raise SpecError(
                f"{path} reads the variable {name} of the environment, and no study file here "
                "refers to it; freeze the trial to a config of your own, read it, and run that"
            )


def enclose(trust: Trust) -> None:
    """Have jsonargparse import nothing else for a config, for the rest of this process."""
    from jsonargparse import set_parsing_settings  # noqa: PLC0415 - the coordinator needs it not

    set_parsing_settings(
        import_path_denylist=["*", *_NEVER],
        import_path_allowlist=sorted(
            LIBRARIES | {*filter(_may_be_allowed, (*trust.packages, *_homes(trust.classes)))}
        ),
    )


def _homes(classes: Iterable[str]) -> Iterator[str]:
    """Yield where classes are really from, which is where jsonargparse imports them from."""
    for name in classes:
        found = _found(name)
        if inspect.isclass(found) and not isinstance(found, _Foreign):
            yield f"{found.__module__}.{found.__qualname__}"


def _may_be_allowed(package: str) -> bool:
    """Say whether jsonargparse takes a package as allowed: a script is none."""
    return bool(_NAME.fullmatch(package)) and package.partition(".")[0] != "jsonargparse"


def admit(config: dict[str, Any], trust: Trust, entry: str | None = None) -> None:
    """Raise SpecError unless a stored config, and the entry it is run with, may be built.

    Imports the trusted modules that they name. What can't be found is left to whoever builds it.
    """
    check_names(config, trust)
    for path, value in misplaced(config):
        raise SpecError(
            f"{path}: {value!r} leads out of the folder of the run, and a stored config writes "
            "nowhere else"
        )
    if entry is not None and not is_script(entry):
        _check_entry(entry, trust)
    for text in _texts(config):
        if text.may_name(trust):
            _check_object(text, trust)
    for text in _texts(config):
        if text.owner is not None and _is_file(text.value) and _takes_objects(text):
            raise SpecError(_not_read(text))


@dataclass(frozen=True)
class _Text:
    """A text of a config, where it stands, and the class whose argument it is, if that is known."""

    keys: tuple[Key, ...]
    value: str
    owner: str | None

    @property
    def path(self) -> str:
        return ".".join(str(key) for key in self.keys)

    @property
    def root(self) -> str:
        return self.value.partition(".")[0]

    @property
    def names_class(self) -> bool:
        """Whether a class must be meant: a class_path, or the short form of a section."""
        return _is_class_path(self.keys[-1]) or (len(self.keys) == 1 and self.keys[0] in _SECTIONS)

    @property
    def is_dotted(self) -> bool:
        return "." in self.value and bool(_NAME.fullmatch(self.value))

    def may_name(self, trust: Trust) -> bool:
        """Say whether it may name what is in a trusted package."""
        return self.is_dotted and trust.covers(self.root) and self.root != SCRIPT

    def check(self, trust: Trust) -> None:
        """Raise SpecError if a stored config may not hold this text; nothing is imported."""
        if self.is_dotted:
            imported = self.names_class or self.root == SCRIPT or _is_installed(self.root)
            if imported and not trust.covers(self.root):
                raise SpecError(
                    f"{self.path}: {self.value} is not of a trusted package; if you trust it, "
                    f"add: {write_option('allow-import', self.root)}"
                )
            if imported and any(part.startswith("__") for part in self.value.split(".")[1:]):
                raise SpecError(f"{self.path}: {self.value} is no name of a class")
            if self.root == SCRIPT and self.value.count(".") > 1:
                raise SpecError(f"{self.path}: {self.value} is no class of the script itself")
        elif self.names_class and not _NAME.fullmatch(self.value):
            raise SpecError(f"{self.path}: {self.value[:80]!r} is no name of a class")
        if _describes(self.value):
            raise SpecError(
                f"{self.path}: the text {self.value[:80]!r} describes objects; a stored config "
                "holds them itself, so it is not read"
            )
        if "${oc." in self.value:
            raise SpecError(f"{self.path}: an interpolation of OmegaConf is not read again")
        in_arguments = not _ARGUMENTS.isdisjoint(self.keys)
        if _is_file(self.value) and (not in_arguments or _file_describes(self.value)):
            raise SpecError(_not_read(self))


def _not_read(text: _Text) -> str:
    return (
        f"{text.path}: it names the file {text.value} where objects are described; a stored config "
        "holds them itself, so it is not read"
    )


def _is_class_path(key: Any) -> bool:
    return str(key).rpartition(".")[2].rstrip("+") == "class_path"


def _texts(config: dict[str, Any]) -> Iterator[_Text]:
    """Yield every text of a config; raise SpecError for a class_path that is none."""
    waiting: list[tuple[tuple[Key, ...], Any, str | None]] = [((), config, None)]
    count = 0
    while waiting:
        keys, node, owner = waiting.pop()
        count += 1
        if count > _MOST_NODES:
            raise SpecError(f"it holds more than {_MOST_NODES} values, and is not read")
        if isinstance(node, str):
            yield _Text(keys, node, owner)
        elif isinstance(node, list):
            items = [((*keys, index), item, owner) for index, item in enumerate(node)]
            waiting += reversed(items)
        elif isinstance(node, dict):
            made = node.get("class_path")
            for key, item in reversed(node.items()):
                here = (*keys, str(key))
                if _is_class_path(key) and not isinstance(item, str | None):
                    raise SpecError(f"{'.'.join(map(str, here))}: {item!r} is no name of a class")
                inner = made if key in _ARGUMENTS and isinstance(made, str) else owner
                waiting.append((here, item, inner))


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # it is loaded, and does not say from where
        return True


def _describes(text: str) -> bool:
    """Say whether a text is one from which objects are read: YAML or JSON with a class_path."""
    if not any(mark in text for mark in ":{[\n=") or len(text) < len("class_path"):
        return False
    if "class_path" in text:
        return True
    try:
        return _holds_class(yaml.safe_load(text), text)
    except (ValueError, RecursionError, yaml.YAMLError):
        return False


def _holds_class(node: Any, text: str) -> bool:
    """Say whether what a text was read as has a class_path, at any depth and in texts of it."""
    waiting, seen = [node], set[int]()
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and item != text and _describes(item):
            return True
        if isinstance(item, dict | list) and id(item) not in seen:
            seen.add(id(item))  # of a YAML alias the node is the same
            waiting += item.values() if isinstance(item, dict) else item
            if isinstance(item, dict) and any(_is_class_path(key) for key in item):
                return True
    return False


def _is_file(text: str) -> bool:
    try:
        return bool(text) and Path(text).is_file()
    except (OSError, ValueError):
        return False


def _file_describes(name: str) -> bool:
    """Say whether a file is one from which jsonargparse would take objects."""
    try:
        content = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return False
    if isinstance(content, str):
        return "." in content and bool(_NAME.fullmatch(content))
    return _holds_class(content, "")


# --- what is found under a name ----------------------------------------------------------


@dataclass(frozen=True)
class _Foreign:
    """A name that leads through one package into another, or to no class or function."""

    reason: str


def _found(name: str) -> Any:
    """Return what a dotted name stands for: an attribute of a module, or of a class in one.

    None if there is no such thing, or its module can't be imported.
    """
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        module = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and f"{module}.".startswith(f"{error.name}."):
                continue
            return None
        except Exception:  # noqa: BLE001 - a module may raise anything; the job says what
            return None
        for depth, part in enumerate(parts[end:]):
            if depth and not inspect.isclass(found):
                return _Foreign(
                    f"leads through {'.'.join(parts[: end + depth])}, which is no class"
                )
            found = getattr(found, part, None)
        return found
    return None


def _check_object(text: _Text, trust: Trust) -> None:
    """Raise SpecError if what a text names is not what a stored config may build or call."""
    if text.value in trust.classes:
        return
    found = _found(text.value)
    plain = not text.names_class and not isinstance(found, _Foreign) and not callable(found)
    if found is None or plain:
        return
    if why := _objection(found, text.value, trust):
        raise SpecError(f"{text.path}: {text.value} {why}, so a stored config may not name it")


def _objection(found: Any, name: str, trust: Trust) -> str | None:
    """Say what speaks against building a class, or calling a function, of a stored config."""
    if isinstance(found, _Foreign):
        return found.reason
    if not (inspect.isclass(found) or inspect.isroutine(found)):
        return "is neither a class nor a function"
    home = str(getattr(found, "__module__", None) or name.rpartition(".")[0])
    own = f"{home}.{found.__qualname__}"
    root = home.partition(".")[0]
    if not trust.covers(root):
        hint = write_option("allow-import", root)
        return f"is {own} of another package (if you trust that, add: {hint})"
    if root in LIBRARIES:
        admitted = _trains(found) if inspect.isclass(found) else _computes(found, name, own)
        return None if admitted else f"is {own}, which is no part of a training"
    if not inspect.isclass(found) and root != name.partition(".")[0]:
        return f"is {own}, a function of another package"
    return None


def _trains(found: type) -> bool:
    """Say whether a class of the libraries is one of those that a training consists of."""
    from lightning.fabric.plugins import CheckpointIO, ClusterEnvironment  # noqa: PLC0415
    from lightning.pytorch import (  # noqa: PLC0415
        Callback,
        LightningDataModule,
    )
    from lightning.pytorch.accelerators import Accelerator  # noqa: PLC0415
    from lightning.pytorch.loggers import Logger  # noqa: PLC0415
    from lightning.pytorch.plugins import LayerSync, Precision  # noqa: PLC0415
    from lightning.pytorch.profilers import Profiler  # noqa: PLC0415
    from lightning.pytorch.strategies import Strategy  # noqa: PLC0415
    from torch import Tensor, nn, optim  # noqa: PLC0415
    from torch.distributions import Distribution  # noqa: PLC0415
    from torch.utils.data import DataLoader, Dataset, Sampler  # noqa: PLC0415

    kinds = (
        nn.Module, Tensor, Distribution, optim.Optimizer, optim.lr_scheduler.LRScheduler,
        Dataset, DataLoader, Sampler, LightningDataModule, Callback, Logger, Profiler,
        Strategy, Accelerator, Precision, LayerSync, ClusterEnvironment, CheckpointIO,
    )  # fmt: skip
    return issubclass(found, kinds)


def _computes(found: Any, name: str, own: str) -> bool:
    """Say whether a function of the libraries does nothing but arithmetic on tensors."""
    from torch import Tensor  # noqa: PLC0415

    module, _, last = name.rpartition(".")
    if last.startswith("_"):
        return False
    if module in _MATHEMATICS:
        return inspect.isbuiltin(found) or own == name
    if module == "torch":
        return inspect.isbuiltin(found) and hasattr(Tensor, last)
    return own == name and name.startswith("ablate.systems.")


def _check_entry(entry: str, trust: Trust) -> None:
    name = entry.replace(":", ".")
    root = name.partition(".")[0]
    if name == "lightning.pytorch.cli.LightningCLI":
        return
    if root in LIBRARIES or not trust.covers(root):
        raise SpecError(f"cli: {entry} is not of a trusted package")
    found = _found(name)
    if found is not None and (why := _objection(found, name, trust)):
        raise SpecError(f"cli: {entry} {why}, so a stored study may not be run with it")


def _takes_objects(text: _Text) -> bool:
    """Say whether the argument that a text is given for takes objects, not texts or paths."""
    index = max(i for i, key in enumerate(text.keys) if key in _ARGUMENTS)
    if index + 1 >= len(text.keys):
        return False
    owner = _found(text.owner) if text.owner and "." in text.owner else None
    for made in inspect.getmro(owner) if inspect.isclass(owner) else (owner,):
        function = vars(made).get("__init__") if inspect.isclass(made) else made
        hint = _hint(function, text.keys[index + 1])
        if hint is not None:
            return any(_is_object(kind) for kind in _kinds(hint))
    return False


def _hint(function: Any, argument: Key) -> Any:
    try:
        return typing.get_type_hints(function).get(str(argument))
    except Exception:  # noqa: BLE001 - an annotation may be any expression
        return None


def _kinds(hint: Any) -> Iterator[Any]:
    yield hint
    for inner in typing.get_args(hint):
        yield from _kinds(inner)


def _is_object(kind: Any) -> bool:
    plain = not inspect.isclass(kind) or kind.__module__ in {"builtins", "typing", "types"}
    return not plain and not issubclass(kind, os.PathLike)
