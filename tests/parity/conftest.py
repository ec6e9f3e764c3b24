"""Projects of users, run by their own scripts and by ablate."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from ablate.run import Launcher, LocalLauncher
from ablate.store import Store
from ablate.study import ReplaySummary, Request
from tests.parity.launchers import Ending, Shared
from tests.parity.logged import Rows, logs, stored
from tests.study.conftest import replay

PROJECTS = Path(__file__).parent / "projects"
STUDY = "study"
RESULTS = "results"
OF_THE_SESSION = {"PL_GLOBAL_SEED", "PL_SEED_WORKERS"}
"""What Lightning leaves behind in the environment of a process that has trained before."""


class Runner:
    """The process that runs scripts as `python train.py` does."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("native.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name not in OF_THE_SESSION},
        )

    def run(self, folder: Path, *words: str, environment: Mapping[str, str]) -> None:
        """Run a script in its folder; fail with all that it printed if it fails."""
        log = folder / "script.log"
        asked = {
            "folder": str(folder), "words": words, "log": str(log), "environment": environment
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        status = self._process.stdout.readline().strip()
        assert status == "0", f"{words}: {status}\n{log.read_text()}"

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


@contextmanager
def shell(folder: Path) -> Iterator[None]:
    """Be where a user types commands, with the variables of all projects and their modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = [str(project) for project in sorted(PROJECTS.iterdir())]
        patch.setenv("PYTHONPATH", os.pathsep.join([*found, os.environ.get("PYTHONPATH", "")]))
        for file in PROJECTS.glob("*/environment.json"):
            for name, value in json.loads(file.read_text()).items():
                patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """A worker process for all projects."""
    with shell(tmp_path_factory.mktemp("workers")):
        launcher = LocalLauncher(1)
    yield launcher
    launcher.close()


class Project:
    """A copy of one of the projects, to be run there."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        shutil.copytree(PROJECTS / name, folder, ignore=shutil.ignore_patterns("__pycache__"))

    def words(self) -> list[str]:
        """Return what a user types behind `python`."""
        command = self.folder / "command.txt"
        if command.exists():
            return command.read_text().split()[1:]
        (script,) = self.folder.glob("train*.py")
        return [script.name, "fit", "--config", "config.yaml"]

    def environment(self) -> dict[str, str]:
        """Return the environment variables that a user sets."""
        file = self.folder / "environment.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def native_logs(self) -> dict[str, Rows]:
        """Return what the project's own script has logged, by logger."""
        return logs(self.folder, leave_out=RESULTS)


class Native:
    """A project with what its own script has logged."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.logs = project.native_logs()


class Studied:
    """What ablate has logged and stored of a project's study."""

    def __init__(self, results: Path, url: str) -> None:
        (folder,) = (results / STUDY).iterdir()
        self.logs = logs(folder)
        self.said = (folder / "run.log").read_text(encoding="utf-8").splitlines()
        self.stored = stored(url, STUDY)
        with Store.open(url, create=False) as store:
            self.attempts = len(store.runs(STUDY))


def studied(
    project: Project,
    launcher: Launcher,
    label: str,
    ends: tuple[int, Literal["interrupt", "kill"]] | None = None,
) -> Studied:
    """Run the study of a project, ended once before its time if `ends` says so, and continued."""
    results = project.folder / RESULTS / label
    url = f"sqlite:///{project.folder}/{label}.db"

    def run(launcher: Launcher) -> ReplaySummary:
        request = Request(
            storage=url, results=results, launcher=lambda _: launcher, say=lambda _: None
        )
        return replay(str(project.folder / f"{STUDY}.yaml"), request)

    with shell(project.folder):
        if ends:
            ending = Ending(launcher, *ends)
            run(ending)
            assert ending.ended
        run(Shared(launcher))
    return Studied(results, url)
