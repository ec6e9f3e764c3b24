"""Which classes a configuration that comes from a database may import."""

import importlib.util
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ablate.errors import NotFoundError, RequestError
from ablate.spec import paths, read_study, read_yaml

TRUSTED = frozenset({"ablate", "torch", "lightning", "pytorch_lightning", "lightning_fabric"})
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def check_imports(config: dict[str, Any], study: str, allowed: Sequence[str]) -> None:
    """Raise RequestError if a stored config names code outside the trusted packages.

    Trusted are ablate, torch, lightning by either name, the packages in `allowed`, and those that
    the study's own files in this folder name.
    """
    trusted = TRUSTED | set(allowed) | set(_named_here(study))
    for path, value in paths.flatten(config).items():
        root = str(value).split(".")[0]
        if _may_import(path, value) and root not in trusted:
            raise RequestError(
                f"the stored config of {study} imports {value} at {path}, which is not a trusted "
                f"package; if you trust it, add: --allow-import {root}"
            )


def _may_import(path: str, value: Any) -> bool:
    if not isinstance(value, str) or not _DOTTED.fullmatch(value):
        return False
    return path.endswith("class_path") or importlib.util.find_spec(value.split(".")[0]) is not None


def _named_here(study: str) -> Iterator[str]:
    try:
        files = read_study(study).config_files()
    except (NotFoundError, RequestError):
        return
    for file in files:
        for path, value in paths.flatten(read_yaml(file)).items():
            if path.endswith("class_path"):
                yield str(value).split(".")[0]
