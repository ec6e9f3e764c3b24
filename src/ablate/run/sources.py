"""The sources of imported modules: their hashes, and the variables of the environment they name."""

import hashlib
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from ablate.run.installed import is_installed, version_of
from ablate.spec.secrets import is_secret

_RUNNING = {"__main__", "__mp_main__"}
"""Modules that stand for the process itself."""
_ASKS = re.compile(rb"\b(?:environ|getenv)\b")
_ASKED = re.compile(
    rb"\b(?:getenv|environ(?:b?\s*\.\s*(?:get|pop|setdefault))?)\s*[(\[]\s*[rb]?[\"'](\w+)[\"']"
)
_NAME = re.compile(rb"[\"']([A-Za-z_]\w*)[\"']")
_OF_PYTHON = ("PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG")
"""What moves numbers though no source names it."""
_SECRET = re.compile("token|key|secret|passw|passphrase|credential|auth", re.IGNORECASE)


class Sources:
    """The hashes of imported modules from outside the installed packages, and of ablate's.

    Each is read when it is first noted, close to its import: what is edited later is not what runs.
    A copy of this process goes on with what was noted before it was made.
    """

    def __init__(self) -> None:
        self._noted: dict[str, tuple[object, str | None]] = {}
        self._scripts: dict[str, str | None] = {}
        self._names: set[str] = set()
        self._distributions: Mapping[str, list[str]] | None = None
        self.files: set[str] = set()

    def note(self) -> None:
        """Read the sources of the modules that are new since the last time."""
        for name, module in list(sys.modules.items()):
            contents = getattr(module, "__dict__", {})
            spec = contents.get("__spec__")
            if name in self._noted and self._noted[name][0] is spec:
                continue
            own = name.partition(".")[0] == "ablate"
            digest = None
            path = "" if name in _RUNNING else str(contents.get("__file__") or "")
            if path and (own or not is_installed(path)):
                digest = self._read(path, own=own)
            self._noted[name] = spec, digest

    def note_script(self, script: str) -> None:
        """Read the source of a script that is executed."""
        self._scripts[Path(script).name] = self._read(script, own=False)

    def note_distributions(self) -> None:
        """Find out which distributions the installed packages are of, which takes a moment."""
        if self._distributions is None:
            self._distributions = packages_distributions()

    def digests(self) -> dict[str, str]:
        """Return the hash of every module, by name, and of every script that was executed."""
        modules = {name: digest for name, (_, digest) in self._noted.items() if name in sys.modules}
        found = {**modules, **self._scripts}
        return {name: digest for name, digest in sorted(found.items()) if digest}

    def variables(self, referred: Iterable[str]) -> dict[str, str | None]:
        """Return a hash of every variable that a source asks for, None for one that is not set.

        Of a secret there is the name alone, as of those that a configuration refers to.
        """
        by_name = {name: _digest_of_variable(name) for name in (*self._names, *_OF_PYTHON)}
        hidden = {name: "set" if name in os.environ else None for name in referred}
        return dict(sorted({**by_name, **hidden}.items()))

    def distributions(self) -> dict[str, str]:
        """Return the versions of the installed distributions of which something was imported."""
        self.note_distributions()
        imported = {name.partition(".")[0] for name in sys.modules}
        names = {
            distribution
            for package in imported
            for distribution in (self._distributions or {}).get(package, ())
        }
        return {name: found for name in sorted(names) if (found := version_of(name))}

    def _read(self, path: str, *, own: bool) -> str | None:
        try:
            source = Path(path).read_bytes()
        except OSError:
            return None
        self.files.add(os.path.abspath(path))  # noqa: PTH100
        if not own and _ASKS.search(source):
            self._names |= _variables_of(source, os.environ)
        return hashlib.sha256(source).hexdigest()[:16]


def _variables_of(source: bytes, known: Collection[str]) -> set[str]:
    """Return the variables that a source asks for, and those that are set and that it names.

    A name may be put together, or come through a constant; then only what is written is found.
    """
    asked = {name.decode() for name in _ASKED.findall(source)}
    named = {name.decode() for name in _NAME.findall(source)}
    return asked | (named & set(known))


def _digest_of_variable(name: str) -> str | None:
    value = os.environ.get(name)
    if value is None:
        return None
    if _SECRET.search(name) or is_secret(name, value):
        return "set"
    return hashlib.sha256(f"{name}={value}".encode(errors="surrogateescape")).hexdigest()[:16]


SOURCES = Sources()
"""Those of this process, which its copies inherit."""
