"""Pin a recorded trial as a config file."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ablate.spec import paths, read_yaml
from ablate.study import freeze_trial
from ablate.workflow.defaults import storage_url
from ablate.workflow.result import Result


@dataclass(frozen=True)
class FreezeResult(Result):
    """The trial that was frozen, and the config file that now holds it."""

    trial: str
    path: Path

    def frame(self) -> pd.DataFrame:
        """Return the frozen configuration: path, value."""
        leaves = paths.flatten(read_yaml(self.path))
        return pd.DataFrame(list(leaves.items()), columns=["path", "value"])

    def summary(self) -> str:
        """Say where the trial was written to."""
        return str(self.path)


def freeze(
    trial: str, name: str, *, folder: str | Path = "configs", storage: str | None = None
) -> FreezeResult:
    """Write the resolved config of the trial `STUDY/NUMBER` to `FOLDER/NAME.yaml`.

    The file says where its values come from. Raises RequestError if there is no such trial, or if
    there is such a file.
    """
    path = freeze_trial(trial, Path(folder) / f"{name}.yaml", storage_url(storage))
    return FreezeResult(trial, path)
