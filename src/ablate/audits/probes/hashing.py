"""Whether anything hangs on the hash seed of the process, by which sets of texts are ordered."""

import ast
import contextlib
import os
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ablate.audits.probes.bench import Bench
from ablate.audits.probes.content import content_digest, digest
from ablate.audits.probes.trace import Trace, Values, exact
from ablate.run.installed import is_installed

_SETS = {"set", "frozenset"}
_SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}
_ORDERLESS = {
    *("sorted", "len", "min", "max", "any", "all", "set", "frozenset", "isinstance", "bool", "sum"),
    *("repr", "print", "hash"),
}
"""Functions for which the order of a set does not matter, or only to a reader."""


def look(
    bench: Bench, steps: Sequence[Values], order: str | None, unstable: Collection[str] = ()
) -> dict[str, str]:
    """Digest what one process sees of an arm: its data, their order and the steps of a training."""
    data = bench.data
    contents = {
        "training data": data.train_batches,
        "validation data": [batch for batches in data.val_batches for batch in batches],
    }
    seen = {
        name: digest(content_digest(batch).encode() for batch in batches)
        for name, batches in contents.items()
    }
    trained = digest(repr(sorted(step.items())).encode() for step in exact(steps, unstable))
    return {**seen, "data order": order or "", "training steps": trained}


def look_again(
    config: dict[str, Any],
    hash_seed: int | None = None,
    unstable: Sequence[str] = (),
    cli: str | None = None,
) -> dict[str, Any]:
    """Do in another process what `examine` does first; return the same digests.

    They are empty where the process is to have a hash seed, and has another one. `unstable` names
    values that differ between equal trainings.
    """
    if hash_seed is not None and os.environ.get("PYTHONHASHSEED") != str(hash_seed):
        return {}
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(config, Path(directory), cli)
        bench.fit(steps=1)
        trace = Trace()
        bench.fit(trace)
        with contextlib.suppress(Exception):  # `examine` goes on without a validation, too
            bench.validate()
        return dict(look(bench, trace.steps, bench.order, unstable))


def order_matters(modules: Mapping[str, ModuleType] | None = None) -> str | None:
    """Return where loaded code of a project goes by the order of a set, or a hash; else None."""
    for name, module in list((sys.modules if modules is None else modules).items()):
        source = _source(name, module)
        if source is not None:
            for line in lines_by_hash(source):
                return f"{name}, line {line}"
    return None


def _source(name: str, module: ModuleType) -> str | None:
    """Read the source of a module of a project; None of a library's."""
    file = getattr(module, "__file__", None)
    if name.partition(".")[0] in {"ablate", "__mp_main__"} or not file or not file.endswith(".py"):
        return None
    if is_installed(file):
        return None
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def lines_by_hash(source: str) -> Iterator[int]:
    """Yield the lines that call `hash`, or use a set in its order."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    names = _names_of_sets(tree)
    for node in ast.walk(tree):
        hashes = _calls(node, {"hash"}) and not _within_hash(node, parents)
        if hashes or (_is_set(node, names) and _is_ordered(node, parents)):
            yield node.lineno  # type: ignore[attr-defined]


def _calls(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _within_hash(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.FunctionDef) and node.name == "__hash__":
            return True
    return False


def _names_of_sets(tree: ast.AST) -> set[str]:
    """Name variables, attributes and functions that are, or return, sets somewhere."""
    names: set[str] = set()
    for _ in range(2):  # a name may be given to another one
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if _is_set(node.value, names):
                    names |= {name for target in targets if (name := _name(target))}
            elif isinstance(node, ast.FunctionDef) and any(
                isinstance(part, ast.Return)
                and part.value is not None
                and _is_set(part.value, names)
                for part in ast.walk(node)
            ):
                names.add(node.name)
    return names


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _is_set(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp) or _calls(node, _SETS):
        return True
    if isinstance(node, ast.Call):
        function = _name(node.func)
        return function in names or (
            isinstance(node.func, ast.Attribute) and function in _SET_METHODS
        )
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor
    ):
        return _is_set(node.left, names) or _is_set(node.right, names) or _is_keys(node.left)
    if isinstance(node, ast.Name | ast.Attribute):
        return isinstance(node.ctx, ast.Load) and _name(node) in names
    return False


def _is_keys(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"keys", "items"}
    )


def _is_ordered(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Say whether what stands around a set goes through it in its order."""
    parent = parents.get(node)
    if isinstance(parent, ast.For | ast.comprehension):
        around = parents.get(parent) if isinstance(parent, ast.comprehension) else None
        within_set = isinstance(around, ast.SetComp)
        outer = parents.get(around) if around is not None else None
        orderless = isinstance(outer, ast.Call) and _name(outer.func) in _ORDERLESS
        return parent.iter is node and not within_set and not orderless
    if isinstance(parent, ast.Call) and node in parent.args:
        return _name(parent.func) in {
            *("list", "tuple", "enumerate", "zip", "map", "filter", "iter", "next", "fromkeys"),
            *("join", "array", "tensor", "chain", "extend", "reduce", "deque"),
        }
    if isinstance(parent, ast.Attribute):
        return parent.attr == "pop"
    return isinstance(parent, ast.Starred)
