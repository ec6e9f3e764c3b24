"""Evidence that is kept, to be used again where nothing has changed that it stands on."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ablate.audits.evidence import Evidence
from ablate.audits.standing import Standing, surroundings
from ablate.run import Call, WorkerFacts
from ablate.spec import content_hash, paths
from ablate.spec.files import replacing

MOST = 500
"""Arms whose evidence is kept, the newest."""


KEYS = "keys"
"""The part of a request that other arms change: the values that keys take there."""


def default_folder() -> Path:
    """Return the folder in which evidence is kept: `$ABLATE_EVIDENCE`, else in the user's cache."""
    if own := os.environ.get("ABLATE_EVIDENCE"):
        return Path(own)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "ablate" / "evidence"


class Memory:
    """Evidence by what was asked of which arm, in a folder; what cannot be written is not kept.

    With `fresh` nothing is used again, and what is found anew takes its place.
    """

    def __init__(self, folder: Path, facts: WorkerFacts, *, fresh: bool = False) -> None:
        self._folder = folder
        self._fresh = fresh
        self._around = {"facts": facts.as_dict(), **surroundings()}

    def recalled(self, job: Call) -> Evidence | None:
        """Return the evidence of an arm, if nothing has changed since it was found."""
        if self._fresh:
            return None
        try:
            kept = json.loads(self._path(job).read_text(encoding="utf-8"))
            evidence = Evidence.of(kept["evidence"])
            answers = _answers(kept[KEYS], evidence, job)
            return evidence if answers and Standing.of(kept["standing"]).holds() else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def keep(self, job: Call, answer: Mapping[str, Any]) -> None:
        """Keep the evidence of an arm, unless nobody can tell what it stands on."""
        if answer.get("standing") is None:
            return
        with suppress(OSError, TypeError, ValueError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(self._path(job)) as part:
                kept = {**answer, KEYS: _keys(job)}
                part.write_text(json.dumps(kept), encoding="utf-8")
                part.chmod(0o600)
            self._keep_the_newest()

    def forget(self, job: Call) -> None:
        """Drop the evidence of an arm: it hangs on something that nobody has noted."""
        with suppress(OSError):
            self._path(job).unlink(missing_ok=True)

    def _path(self, job: Call) -> Path:
        asked = {
            "config": job.config,
            "function": job.function,
            "request": {name: of for name, of in job.arguments["request"].items() if name != KEYS},
            "cli": job.cli,
            "around": self._around,
        }
        return self._folder / f"{content_hash(asked)}.json"

    def _keep_the_newest(self) -> None:
        kept = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in kept[:-MOST]:
            path.unlink(missing_ok=True)


def _keys(job: Call) -> dict[str, Any]:
    keys: dict[str, Any] = job.arguments["request"][KEYS] or {}
    return keys


def _answers(tried: Mapping[str, Any], evidence: Evidence, job: Call) -> bool:
    """Say whether evidence answers a request in which keys take other values than were tried.

    It does where a key was seen to be read, whatever the value, and where the arm has no such key.
    """
    return all(
        tried.get(path) == values
        or evidence.keys.get(path) == "read"
        or not paths.has(job.config, path)
        for path, values in _keys(job).items()
    )
