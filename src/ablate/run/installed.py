"""What is installed: its versions, and which files belong to it and which are somebody's own."""

import os
import site
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = frozenset({"site-packages", "dist-packages"})


def _roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    roots = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    roots |= {*site.getsitepackages(), site.getusersitepackages()}
    return tuple(f"{root.rstrip(os.sep)}{os.sep}" for root in sorted(roots))


INSTALLED_ROOTS = _roots()
"""The folders of the standard library and of installed packages, each with an ending separator."""


def is_installed(path: str | os.PathLike[str]) -> bool:
    """Say whether a file belongs to the standard library or to an installed package."""
    name = os.fspath(path)
    return name.startswith(INSTALLED_ROOTS) or not _PACKAGES.isdisjoint(Path(name).parts)


def version_of(name: str) -> str | None:
    """Return the version of a distribution, None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
