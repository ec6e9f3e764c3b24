"""A small project on disk: `configs/` and `studies/` in an empty working directory."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ablate.spec import Study, WrittenStudy, read_study
from tests.spec.samples import CONFIG


class Project:
    """A working directory to write config and study files into."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config("base", CONFIG)

    def write(self, path: str, content: dict[str, Any] | str) -> Path:
        """Write a file below the project's root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        )
        return file

    def config(self, name: str, content: dict[str, Any]) -> None:
        """Write `configs/name.yaml`."""
        self.write(f"configs/{name}.yaml", content)

    def study(self, content: dict[str, Any] | str, name: str = "mine") -> WrittenStudy:
        """Write `studies/name.yaml` and read it back."""
        self.write(f"studies/{name}.yaml", content)
        return read_study(name)

    def prepared(self, content: dict[str, Any], profile: str = "cpu") -> Study:
        """Write a study and make it ready."""
        return self.study(content).prepare(profile)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)
