"""Read and write the YAML files of a project."""

import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ablate.errors import NotFoundError, SpecError, nearest, quoted

_TAG = "tag:yaml.org,2002:"
_TEXT, _BOOLEAN, _NULL = _TAG + "str", _TAG + "bool", _TAG + "null"
_INTEGER = _TAG + "int"
_KINDS = {
    _INTEGER: "a whole number",
    _TAG + "float": "a number",
    _BOOLEAN: "true or false",
    _NULL: "null",
    _TAG + "map": "a mapping",
    _TAG + "seq": "a list",
}
_LARGEST = 2**20
"""Bytes of a file; the ones that people write have some thousands."""
_MOST_VALUES = 100_000
"""Values of a file, where what an alias repeats counts again."""
_DEEPEST = 100
_LARGEST_INTEGER = 10**300
"""Above, not even a float holds it."""
_LONGEST = 1_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_FLOAT = re.compile(
    r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


class _Loader(yaml.SafeLoader):
    """Safe YAML with the numbers of YAML 1.2 (`1e-4` is a float) and no duplicate keys.

    Dates stay text, as they do for LightningCLI; only what JSON can say is accepted. What is read
    is bounded, however often aliases repeat it.
    """

    def __init__(self, text: str) -> None:
        try:
            super().__init__(text)
        except yaml.reader.ReaderError as error:
            place = error.position
            mark = yaml.Mark("", place, text.count("\n", 0, place), 0, None, 0)
            raise _at(mark, f"the character U+{ord(text[place]):04X} is not allowed") from None
        self._values = 0
        self._depth = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node; refuse what is too much, too deep, or a part of itself."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        before = self._values
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _at(mark, f"it is nested too deeply: there are more than {_DEEPEST} levels")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and not is_alias:
            self._values += 1
            self._sizes[id(node)] = self._values - before
        elif node is not None:
            if id(node) not in self._sizes:
                raise _at(mark, "an alias stands inside what it repeats")
            self._values += self._sizes[id(node)]
        if self._values > _MOST_VALUES:
            raise _at(
                mark, f"there are more than {_MOST_VALUES:,} values, with all that aliases repeat"
            )
        return node

    def compose_scalar_node(self, anchor: dict[Any, yaml.Node]) -> yaml.ScalarNode:
        """Compose a value; a text with half of a character in it can't be written anywhere."""
        node = super().compose_scalar_node(anchor)
        if _SURROGATE.search(node.value):
            raise _at(node.start_mark, f"{quoted(node.value)} has an escape of half a character")
        return node

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Compose a mapping; a key such as `on` or `no` is the text that is written."""
        node = super().compose_mapping_node(anchor)
        for key, _ in node.value:
            if key.tag == _BOOLEAN:
                key.tag = _TEXT
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build the value of a node; every failure names the node's line."""
        try:
            value = super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            kind = _KINDS.get(node.tag, "what its tag says")
            raise _at(node.start_mark, f"{_shown(node)} can't be read as {kind}") from None
        if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
            raise _at(node.start_mark, f"{_shown(node)} is too large a number")
        return value


def _at(mark: yaml.Mark | None, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return quoted(node.value)
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"


class _ConfigLoader(_Loader):
    """Refuses keys that LightningCLI reads as no text, and that no record of a run can hold."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Compose a mapping of keys that are texts or numbers."""
        node = yaml.SafeLoader.compose_mapping_node(self, anchor)
        for key, _ in node.value:
            if key.tag in {_BOOLEAN, _NULL}:
                raise _at(
                    key.start_mark,
                    f"the key {key.value!r} is no text for LightningCLI: in YAML it is a boolean "
                    f"or null; write it in quotes: '{key.value}'",
                )
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes every text that `_Loader` would read as a number; writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write a value that occurs twice in full both times."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # Rare line breaks are lost unless escaped, which only double quotes do.
    style = '"' if set(text) & set("\x85\u2028\u2029") else None
    return dumper.represent_scalar(_TEXT, text, style=style)


_Dumper.add_representer(str, _text)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TAG + "timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _reads_numbers in (_Loader, _Dumper):
    _reads_numbers.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+0123456789."))


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == _TAG + "merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, (dict, list)):
            raise _at(key_node.start_mark, "a key must be a single value")
        if key in seen:
            raise _at(key_node.start_mark, f"the key {quoted(key)} is written twice")
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


def _refuse(_: _Loader, node: yaml.Node) -> Any:
    tag = str(node.tag).replace(_TAG, "!!")
    raise _at(node.start_mark, f"the tag {tag} is not allowed: write plain values")


for _other in (None, *(_TAG + name for name in ("binary", "omap", "pairs", "set", "timestamp"))):
    _Loader.add_constructor(_other, _refuse)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


Place = tuple[str, ...]
"""The keys that lead to a value in a YAML file; `*` is any key, and any item of a list."""


def parse_yaml(text: str, names: Collection[Place] = ()) -> Any:
    """Parse a YAML text safely; raise yaml.YAMLError if it is malformed.

    At the places of `names`, `on` or `no` is the text that is written, as it is in a key.
    """
    return _parsed(_Loader(text), names)


def _parsed(loader: _Loader, names: Collection[Place]) -> Any:
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _keep_names(node, names)
        return loader.construct_document(node)
    except ValueError:
        raise _at(loader.get_mark(), "an escape there stands for no character") from None
    finally:
        loader.dispose()


def _keep_names(node: yaml.Node, names: Collection[Place]) -> None:
    if () in names and node.tag == _BOOLEAN:
        node.tag = _TEXT
    inner = [(name[0], name[1:]) for name in names if name]
    if inner and isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _keep_names(value, [rest for first, rest in inner if first in {"*", key.value}])
    elif inner and isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _keep_names(item, [rest for first, rest in inner if first == "*"])


def read_yaml(path: Path, names: Collection[Place] = ()) -> dict[str, Any]:
    """Read a YAML mapping; raise NotFoundError or SpecError with the file and line.

    `names` are places as in `parse_yaml`.
    """
    return _read(path, _Loader, names)


def read_config_file(path: Path) -> dict[str, Any]:
    """Read a config as LightningCLI does; raise NotFoundError or SpecError with file and line.

    A key such as `on`, which is no text there, is refused.
    """
    return _read(path, _ConfigLoader)


def _read(path: Path, loader: type[_Loader], names: Collection[Place] = ()) -> dict[str, Any]:
    try:
        data = _parsed(loader(_text_of(path)), names)
    except FileNotFoundError:
        known = [other.name for other in path.parent.glob("*.yaml")] if path.parent.exists() else []
        raise NotFoundError(
            f"there is no file {path}; in {path.parent}/: {nearest(path.name, known)}"
        ) from None
    except OSError as error:
        raise SpecError(f"{shown(path)} can't be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{path} is not valid YAML: {explained(error)}") from None
    if not isinstance(data, dict):
        found = {type(None): "nothing", list: "a list"}.get(type(data)) or quoted(data)
        raise SpecError(f"{path} must hold a mapping of keys, not {found}")
    return data


def _text_of(path: Path) -> str:
    """Read a file that is one, of a size that people write; else raise SpecError or OSError."""
    try:
        # A pipe that nobody writes to would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:
        raise SpecError(f"{shown(path)} is no name that a file can have") from None
    with os.fdopen(descriptor, "rb", closefd=True) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SpecError(f"{path} can't be read: it is no file")
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise SpecError(
            f"{path} can't be read: it is larger than {_LARGEST:,} bytes, so it is no study or "
            "config"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(
            f"{path} can't be read: line {line}: the byte 0x{data[error.start]:02x} is no UTF-8; "
            "save the file as UTF-8"
        ) from None


def shown(path: Path) -> str:
    """Write a path for a message, its beginning where no file can have so long a name."""
    text = str(path)
    return text if len(text) <= _LONGEST and text.isprintable() else quoted(text)


def explained(error: yaml.YAMLError) -> str:
    """Say in one line what is wrong with a YAML text, and in which line of it."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def dump_yaml(data: Any) -> str:
    """Write plain data as YAML in its own key order, floats at full precision."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; what is written takes the place of `path` whole, or not at all.

    A process that is killed leaves a file `.NAME.PID.part`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def beside(folder: Path, name: str) -> Path:
    """Return the path of `name`, as a file of `folder` writes it, without needless `..`."""
    path = folder / name
    tidy = Path(os.path.normpath(path))
    try:
        if path.exists() and not (tidy.exists() and tidy.samefile(path)):
            return path  # a symbolic link on the way: `..` means another folder there
    except OSError:  # the name is too long: who reads it says so
        return path
    return tidy


def is_file(path: Path) -> bool:
    """Say whether there is a file, whatever its name is like."""
    try:
        return path.is_file()
    except OSError:  # the name is too long
        return False


def find(name: str, folder: str) -> Path:
    """Find `name` as a path, else as `folder/name.yaml`; raise NotFoundError with near names."""
    given = Path(name)
    if given.suffix in {".yaml", ".yml"} and is_file(given):
        return given
    inside = Path(folder) / f"{name}.yaml"
    if is_file(inside):
        return inside
    known = [path.stem for path in sorted(Path(folder).glob("*.yaml"))]
    raise NotFoundError(f"there is no {quoted(name)} in {folder}/: {nearest(name, known)}")
