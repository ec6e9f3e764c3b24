"""The folders of a study's runs: one run, one folder, named by content."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from ablate.spec.names import study_folder
from ablate.store.artifacts import FOLDER, RunFiles


@dataclass(frozen=True)
class RunFolders:
    """Where the runs of a study lie, below the folder of results."""

    results: Path
    study: str

    def of(self, trial: int, config_hash: str) -> Path:
        """Return the folder of a run."""
        return study_folder(self.results, self.study) / f"{trial}-{config_hash[:8]}"

    def clear(self, folder: Path) -> None:
        """Remove what an attempt that is not continued has left."""
        shutil.rmtree(folder, ignore_errors=True)

    def files(self, trial: int, folder: Path, seed: int | None) -> RunFiles:
        """Return the files of a run that is over; `seed` tells the runs of one trial apart."""
        prefix = "" if seed is None else f"seed-{seed}/"
        return RunFiles(self.study, trial, folder, prefix, self.results / FOLDER)
