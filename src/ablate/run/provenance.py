"""What a run rests on beyond its configuration: facts by which a changed result is explained."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ablate.run.messages import Run
from ablate.run.opened import Opened, watch_files
from ablate.run.sources import SOURCES
from ablate.run.watch import Watch
from ablate.spec.entries import is_script
from ablate.spec.facts import Fact
from ablate.spec.secrets import variables


class Provenance:
    """Notes what one run rests on, from its beginning to its end."""

    def __init__(self, job: Run) -> None:
        self._job = job
        self._opened = Opened(Path(job.directory))

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note which files are opened inside."""
        watch_files(self._opened)
        try:
            yield
        finally:
            watch_files(None)

    def note_sources(self) -> None:
        """Note what has been imported by now."""
        SOURCES.note()
        if self._job.cli is not None and is_script(self._job.cli):
            SOURCES.note_script(self._job.cli)

    def facts(self, watch: Watch) -> dict[str, dict[str, Any]]:
        """Return what was noted by kind, once the run is over."""
        SOURCES.note()
        referred = [name for _, name in variables(self._job.config)]
        found: dict[str, dict[str, Any]] = {
            Fact.SOURCES: SOURCES.digests(),
            Fact.DATA: watch.data.result(),
            Fact.FILES: self._opened.files(SOURCES.files),
            Fact.VARIABLES: SOURCES.variables(referred),
            Fact.DISTRIBUTIONS: SOURCES.distributions(),
        }
        return {str(kind): body for kind, body in found.items()}
