"""Where a default comes from: the class or function that declares it, and the expression."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_MARKER = re.compile(r"<default of ([^:\s]+)\.([^.:\s]+): (.*)>", re.DOTALL)
_NONE = inspect.Parameter.empty
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+|\b0x[0-9a-fA-F]+\b")


@dataclass(frozen=True)
class Default:
    """A default that no config can hold: `name` is an argument of `owner`, `source` its text."""

    owner: str
    name: str
    source: str

    def __str__(self) -> str:
        """Return the text that stands for the default in a resolved config."""
        return f"<default of {self.owner}.{self.name}: {self.source}>"


def read_marker(value: Any) -> Default | None:
    """Return the default that a value of a resolved config stands for, None if for itself."""
    match = _MARKER.fullmatch(value) if isinstance(value, str) else None
    return Default(*match.groups()) if match else None


def default_of(target: Any, name: str, value: Any) -> Default:
    """Describe the default `value` of an argument of a class or function.

    The source is the expression that the signature holds; a name that the same module assigns is
    followed by what it assigns. Without a source it is what the value prints as, without memory
    addresses, so that it is the same in every process.
    """
    for declaring in _declaring(target):
        found = _expression(declaring, name)
        if found is not None:
            return Default(_full_name(declaring), name, found)
        if _declared(declaring, name) is not _NONE:
            return Default(_full_name(declaring), name, printed(value))
    return Default(_full_name(target), name, printed(value))


def default_value(target: Any, name: str) -> Any:
    """Return the default of an argument, None if its signature declares none."""
    found = (_declared(declaring, name) for declaring in _declaring(target))
    return next((value for value in found if value is not _NONE), None)


def printed(value: Any) -> str:
    """Return what a value prints as, without memory addresses."""
    name = getattr(value, "__qualname__", None)
    text = f"{value.__module__}.{name}" if name and hasattr(value, "__module__") else repr(value)
    return _ADDRESS.sub("", text)


def _declaring(target: Any) -> Iterator[Any]:
    """Yield what may declare an argument: a class and its bases, or a function."""
    yield from inspect.getmro(target) if inspect.isclass(target) else (target,)


def _function(target: Any) -> Any:
    """Return the function that a class or function is called by; None where a base's is."""
    return vars(target).get("__init__") if inspect.isclass(target) else target


def _declared(target: Any, name: str) -> Any:
    """Return the default that this very class or function declares, else _NONE."""
    try:
        parameters = inspect.signature(_function(target)).parameters
    except (TypeError, ValueError):
        return _NONE
    return parameters[name].default if name in parameters else _NONE


def _expression(target: Any, name: str) -> str | None:
    """Return the source of the default that this very class or function declares."""
    function = inspect.unwrap(_function(target)) if callable(_function(target)) else None
    tree = _parsed(function)
    node = _argument(tree, name) if tree else None
    if node is None and inspect.isclass(target) and hasattr(target, "__dataclass_fields__"):
        node = _field(_parsed(target), name)
    if node is None:
        return None
    text = ast.unparse(node)
    assigned = _assigned(target, node.id) if isinstance(node, ast.Name) else None
    return text if assigned is None else f"{text} = {assigned}"


def _parsed(target: Any) -> ast.stmt | None:
    if target is None:
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(target)))
    except (OSError, TypeError, SyntaxError):
        return None
    return tree.body[0] if tree.body else None


def _argument(tree: ast.stmt, name: str) -> ast.expr | None:
    if not isinstance(tree, ast.FunctionDef):
        return None
    arguments = tree.args
    positional = [*arguments.posonlyargs, *arguments.args]
    given = dict(zip([a.arg for a in reversed(positional)], reversed(arguments.defaults)))  # noqa: B905
    named = zip([a.arg for a in arguments.kwonlyargs], arguments.kw_defaults, strict=True)
    return {**given, **dict(named)}.get(name)


def _field(tree: ast.stmt | None, name: str) -> ast.expr | None:
    for statement in tree.body if isinstance(tree, ast.ClassDef) else ():
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == name:
            return statement.value
    return None


def _assigned(target: Any, name: str) -> str | None:
    """Return what the module of a class or function assigns to a name, None if nothing."""
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(target)))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError):
        return None
    for statement in reversed(tree.body):
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        else:
            continue
        if any(isinstance(item, ast.Name) and item.id == name for item in targets):
            return ast.unparse(statement.value)  # type: ignore[arg-type]
    return None


def _full_name(target: Any) -> str:
    if target is None:
        return "config"
    module = getattr(target, "__module__", type(target).__module__)
    return f"{module}.{getattr(target, '__qualname__', type(target).__qualname__)}"
