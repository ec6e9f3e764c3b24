"""`pytorch_lightning` as another name of `lightning.pytorch`.

Lightning is published twice: the code of `pytorch_lightning` and `lightning_fabric` is that of
`lightning.pytorch` and `lightning.fabric` of the same version, but its classes are others, and a
module of one is refused by the trainer of the other. Where runs are done, both names lead to the
very modules of `lightning`, so projects of either flavour, and of both, run. The other way, a
worker in the project's flavour, would need a second copy of every class of ablate's that derives
from Lightning's, and could not run a project of both.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

_TWINS = {
    "pytorch_lightning": "lightning.pytorch",
    "lightning_fabric": "lightning.fabric",
    "pytorch_lightning.__about__": "lightning.__about__",
    "lightning_fabric.__about__": "lightning.__about__",
}
"""Module -> the module of `lightning` that it stands for; those below them follow."""

_DISTRIBUTIONS = ("pytorch-lightning", "lightning-fabric")


class _Twins(MetaPathFinder, Loader):
    """Finds the modules of one flavour in the other."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return a spec for a module that has a twin, else None."""
        twin = _twin(fullname)
        if twin is None:
            return None
        if fullname in _TWINS:
            is_package = not fullname.endswith("__about__")
        elif (found := importlib.util.find_spec(twin)) is None:
            return None
        else:
            is_package = found.submodule_search_locations is not None
        return importlib.util.spec_from_loader(fullname, self, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        """Put the twin in the place of the new module; raise ImportError if it is another code."""
        _require_one_version()
        spec = module.__spec__
        assert spec is not None  # noqa: S101
        # The import system hands out what stands here in the end.
        sys.modules[spec.name] = importlib.import_module(_twin(spec.name) or "")


def unify() -> None:
    """Make both names lead to the modules of `lightning` in this process, from now on.

    Leaves a process alone that has imported the other copy already; its classes are `strange`.
    """
    made_one = any(isinstance(finder, _Twins) for finder in sys.meta_path)
    if not made_one and not _TWINS.keys() & sys.modules.keys():
        sys.meta_path.insert(0, _Twins())


def strange(target: object) -> str | None:
    """Say why a class is none of `lightning` if it derives from the other copy."""
    bases = target.__mro__ if isinstance(target, type) else ()
    root = next((r for b in bases if (r := b.__module__.partition(".")[0]) in _TWINS), None)
    if root is None:
        return None
    return (
        f"it derives from {root}, which this process had imported before ablate could make it one "
        "with lightning: use worker processes (LocalLauncher), or import lightning.pytorch instead"
    )


def _twin(name: str) -> str | None:
    """Return the module of `lightning` that a module stands for."""
    if name in _TWINS:
        return _TWINS[name]
    root, _, rest = name.partition(".")
    return f"{_TWINS[root]}.{rest}" if root in _TWINS else None


def _require_one_version() -> None:
    """Raise ImportError if an installed copy is of another version than `lightning`.

    A bug fix between two versions may change a run's numbers.
    """
    ours = importlib.import_module("lightning").__version__
    for name in _DISTRIBUTIONS:
        try:
            theirs = version(name)
        except PackageNotFoundError:
            continue
        if theirs != ours:
            raise ImportError(
                f"{name} {theirs} is installed beside lightning {ours}, and the two may give "
                f"different numbers; runs use lightning: pip install {name}=={ours}, "
                f"or lightning=={theirs} if ablate supports it"
            )
