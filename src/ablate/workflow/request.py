"""From the options of a command to what the study package is asked to do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ablate.errors import SpecError
from ablate.run import Launcher
from ablate.spec import Ablation, Search, WrittenStudy, read_study, written_in_python
from ablate.study import Request, Subject
from ablate.study.cells import Cells
from ablate.study.replay import names_trial
from ablate.workflow.defaults import default_workers, storage_url
from ablate.workflow.progress import Progress


@contextmanager
def requested(
    *,
    storage: str | None,
    results: str | Path = "results",
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    workers: int | None = None,
    threads: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    launcher: Callable[[int], Launcher] | None = None,
) -> Iterator[Request]:
    """Make a request whose progress is shown while the block runs."""
    with Progress(quiet, verbose) as progress:
        yield Request(
            storage=storage_url(storage),
            results=Path(results),
            profile=profile,
            overrides=overrides or {},
            workers=default_workers() if workers is None else workers,
            threads=threads,
            say=progress.say,
            on_tick=progress.show,
            on_failure=progress.fail,
            on_goal=progress.judge,
            launcher=launcher,
        )


def written(study: str | Path | Search | Ablation) -> WrittenStudy[Any]:
    """Return a study as it is written: a name in `studies/`, a path, or one built in Python."""
    if isinstance(study, Search | Ablation):
        return written_in_python(study)
    if isinstance(study, str | Path):
        return read_study(study)
    raise SpecError(
        f"a study is a name, a path, ablate.Search(...) or ablate.Ablation(...), "
        f"not {type(study).__name__}"
    )


def subject_of(
    study: str | Path | Search | Ablation,
    request: Request,
    cells: Cells,
    allow_import: Sequence[str],
) -> Subject:
    """Find what is to be replayed: a study, or a recorded trial `STUDY/NUMBER`."""
    if isinstance(study, str) and names_trial(study):
        return Subject.of_trial(study, request, cells, allow_import)
    return Subject.of_study(written(study), request, cells)
