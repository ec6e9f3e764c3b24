"""Read and write the YAML files of a project."""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ablate.errors import NotFoundError, SpecError, nearest

_TAG = "tag:yaml.org,2002:"
_TEXT, _BOOLEAN, _NULL = _TAG + "str", _TAG + "bool", _TAG + "null"
_FLOAT = re.compile(
    r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


class _Loader(yaml.SafeLoader):
    """Safe YAML with the numbers of YAML 1.2 (`1e-4` is a float) and no duplicate keys.

    Dates stay text, as they do for LightningCLI; only what JSON can say is accepted.
    """

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
            return super().construct_object(node, deep)
        except (ValueError, TypeError, KeyError) as error:
            raise yaml.constructor.ConstructorError(
                None, None, f"{node.value!r} can't be read: {error}", node.start_mark
            ) from None


class _ConfigLoader(_Loader):
    """Refuses keys that LightningCLI reads as no text, and that no record of a run can hold."""

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        """Compose a mapping of keys that are texts or numbers."""
        node = yaml.SafeLoader.compose_mapping_node(self, anchor)
        for key, _ in node.value:
            if key.tag in {_BOOLEAN, _NULL}:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key.value!r} is no text for LightningCLI: in YAML it is a boolean "
                    f"or null; write it in quotes: '{key.value}'",
                    key.start_mark,
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
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be a single value", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is written twice", key_node.start_mark
            )
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


def _refuse(_: _Loader, node: yaml.Node) -> Any:
    tag = str(node.tag).replace(_TAG, "!!")
    raise yaml.constructor.ConstructorError(
        None, None, f"the tag {tag} is not allowed: write plain values", node.start_mark
    )


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
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
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
        data = _parsed(loader(path.read_text(encoding="utf-8")), names)
    except FileNotFoundError:
        known = [other.name for other in path.parent.glob("*.yaml")] if path.parent.exists() else []
        raise NotFoundError(
            f"there is no file {path}; in {path.parent}/: {nearest(path.name, known)}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} can't be read: {error}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{path} is not valid YAML: {_explain(error)}") from None
    if not isinstance(data, dict):
        raise SpecError(f"{path} must hold a mapping of keys, not {type(data).__name__}")
    return data


def _explain(error: yaml.YAMLError) -> str:
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
    if path.exists() and not (tidy.exists() and tidy.samefile(path)):
        return path  # a symbolic link on the way: `..` means another folder there
    return tidy


def find(name: str, folder: str) -> Path:
    """Find `name` as a path, else as `folder/name.yaml`; raise NotFoundError with near names."""
    given = Path(name)
    if given.suffix in {".yaml", ".yml"} and given.is_file():
        return given
    inside = Path(folder) / f"{name}.yaml"
    if inside.is_file():
        return inside
    known = [path.stem for path in sorted(Path(folder).glob("*.yaml"))]
    raise NotFoundError(f"there is no {name!r} in {folder}/: {nearest(name, known)}")
