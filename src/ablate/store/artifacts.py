"""Files of runs as artifacts of their trials, as Optuna and its dashboard read them.

Optuna's own upload gives a file a random id and writes on the trial in a transaction of its own,
which a trial that has ended refuses. Here the id is made from the names of the run and the file, so
that keeping a file twice is keeping it once, and the trial's attributes go with the batch.
"""

import json
import mimetypes
import os
import stat
import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import Connection

from ablate.store.optuna_schema import FIND_SYSTEM_ATTRIBUTES
from ablate.store.records import ArtifactRecord

if TYPE_CHECKING:
    from optuna.artifacts import FileSystemArtifactStore
    from optuna.trial import FrozenTrial

FOLDER = "artifacts"
"""The folder in a run's directory that takes its files, and beside the studies that keeps them."""
MAX_FILES = 50
MAX_BYTES = 50_000_000

_ATTRIBUTE = "artifacts:"
_TYPES = {".webp": "image/webp"}
"""What the `mimetypes` of some Python versions do not know."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """A run that is over, whose files `directory / FOLDER` are to be kept in `kept_in`.

    `prefix` stands before the names of the files, to tell the runs of one trial apart.
    """

    study: str
    trial: int
    directory: Path
    prefix: str
    kept_in: Path


def open_artifacts(kept_in: Path) -> "FileSystemArtifactStore":
    """Return Optuna's artifact store on a folder."""
    from optuna.artifacts import FileSystemArtifactStore  # noqa: PLC0415 - slow to import

    return FileSystemArtifactStore(kept_in)


def read_artifact(kept_in: Path, artifact: str) -> BinaryIO:
    """Open a kept file by its id, which comes from the database and is not trusted.

    Raises FileNotFoundError if there is no file of this name directly in the folder: a path, a
    folder and a link count as none.
    """
    if artifact in {"", ".", ".."} or {"/", "\\", "\0", os.sep} & set(artifact):
        raise FileNotFoundError(f"{artifact!r} is no name of a file")
    path = kept_in / artifact
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise FileNotFoundError(f"{artifact!r} is no file")
        return open(path, "rb", opener=_without_links)
    except (OSError, UnicodeEncodeError) as error:
        raise FileNotFoundError(f"{artifact!r} can't be read") from error


def _without_links(path: str, flags: int) -> int:
    # A file that became a link or a pipe after it was looked at is neither followed nor waited for.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def keep(run: RunFiles, say: Callable[[str], None]) -> dict[str, str]:
    """Copy the files of a run and return the system attributes that make them its trial's.

    Keeping the same files again changes nothing. Files over the limits, and those that can't be
    copied, are left where they are, which `say` is told.
    """
    source = run.directory / FOLDER
    if source.is_symlink() or not source.is_dir():
        return {}
    files = regular_files(source)
    attributes: dict[str, str] = {}
    left = ""
    try:
        for name in fitting(files):
            key, value = _keep_file(run, source, name)
            attributes[key] = value
    except OSError as error:
        left = f"they can't be copied to {run.kept_in}: {error.strerror}"
    if len(attributes) < len(files):
        left = left or f"at most {MAX_FILES} files and {MAX_BYTES // 10**6} MB of a run are kept"
        some = f"{len(files) - len(attributes)} of {len(files)} files"
        say(f"trial {run.trial}: {some} are only in {source}: {left}")
    return attributes


def regular_files(folder: Path) -> list[tuple[str, int]]:
    """List the files below a folder by name, with their sizes in bytes; links do not count."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    found.append((path.relative_to(folder).as_posix(), status.st_size))
    return sorted(found)


def fitting(files: Iterable[tuple[str, int]]) -> list[str]:
    """Choose files in their order as long as they fit into what is kept of a run."""
    chosen: list[str] = []
    total = 0
    for name, size in files:
        if len(chosen) < MAX_FILES and total + size <= MAX_BYTES:
            chosen.append(name)
            total += size
    return chosen


def read_records(
    connection: Connection, study: str, trials: Collection[int]
) -> list[ArtifactRecord]:
    """Read the artifacts of some trials of an Optuna study, by trial and name."""
    rows = connection.execute(
        FIND_SYSTEM_ATTRIBUTES,
        {"study_name": study, "numbers": list(trials), "prefix": _ATTRIBUTE},
    )
    # An attribute is JSON, and Optuna puts JSON into it.
    return _records((number, _parsed(text)) for number, text in rows)


def records_of(trials: Iterable["FrozenTrial"]) -> list[ArtifactRecord]:
    """Return the artifacts of trials that were read through Optuna, by trial and name."""
    return _records(
        (trial.number, value)
        for trial in trials
        for key, value in trial.system_attrs.items()
        if key.startswith(_ATTRIBUTE)
    )


def _records(attributes: Iterable[tuple[int, Any]]) -> list[ArtifactRecord]:
    """Read what describes artifacts; one without a name is none, one without an id has no file."""
    found = []
    for number, text in attributes:
        meta = _parsed(text)  # that of a deleted artifact is null
        if isinstance(meta, dict) and isinstance(name := meta.get("filename"), str):
            key = meta.get("artifact_id")
            found.append(ArtifactRecord(number, name, key if isinstance(key, str) else ""))
    return sorted(found, key=lambda record: (record.trial, record.name))


def _parsed(text: Any) -> Any:
    """Read JSON; None for what is none."""
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def _keep_file(run: RunFiles, source: Path, name: str) -> tuple[str, str]:
    """Copy one file and return the key and the value of its attribute."""
    from optuna.artifacts import ArtifactMeta  # noqa: PLC0415 - slow to import

    shown = run.prefix + name.encode("utf-8", "backslashreplace").decode()
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run.study}/{run.directory.name}/{shown}"))
    run.kept_in.mkdir(parents=True, exist_ok=True)
    artifacts = open_artifacts(run.kept_in)
    try:
        with (source / name).open("rb") as file:
            artifacts.write(key, file)
    except OSError:
        with suppress(Exception):
            artifacts.remove(key)
        raise
    guessed, encoding = mimetypes.guess_type(shown)
    kind = _TYPES.get(Path(shown).suffix.lower(), guessed) or "application/octet-stream"
    meta = ArtifactMeta(artifact_id=key, filename=shown, mimetype=kind, encoding=encoding)
    return f"{_ATTRIBUTE}{key}", json.dumps(asdict(meta))
