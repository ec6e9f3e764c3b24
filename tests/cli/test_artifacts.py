"""Pictures of runs from the command line: killed and continued, in the dashboard, in a report."""

import json
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.study.conftest import SEARCH, Project
from tests.study.test_artifacts import EPOCHS, LR, painting

from .test_commands import ablate, alive, children, new_project, reachable, started, until

pytestmark = pytest.mark.long
PORT = 18427


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Search with slow runs, killed when the first pictures are kept, and continued."""
    project = new_project(tmp_path_factory.mktemp("project"))
    painting(project, mishap="slow")
    project.study(
        "s", SEARCH, space={LR: {"float": [1e-4, 1e-1], "log": True}}, budget={"trials": 3},
    )  # fmt: skip
    process = started(project.folder, "search", "--study", "s", "--workers", "2")
    until(lambda: list(project.folder.glob("results/artifacts/*")))
    workers = children(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not any(map(alive, workers)))
    again = ablate(project.folder, "search", "--study", "s", "--workers", "2", "--json")
    assert json.loads(again.stdout)["counts"] == {"complete": 3}, again.stderr
    return project


@pytest.fixture
def served(killed: Project) -> Iterator[str]:
    process = started(killed.folder, "dashboard", "--port", str(PORT), "--no-token")
    try:
        address = f"http://127.0.0.1:{PORT}"
        until(lambda: reachable(address))
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def get(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
        return answer.headers["Content-Type"], answer.read()


def read_json(url: str) -> Any:
    return json.loads(get(url)[1])


def test_the_dashboard_serves_every_file_of_every_trial_once(killed: Project, served: str) -> None:
    (study,) = read_json(f"{served}/api/studies")["study_summaries"]
    number = study["study_id"]
    trials = read_json(f"{served}/api/studies/{number}?after=0")["trials"]
    assert len(trials) == 3
    for trial in trials:
        assert len(trial["artifacts"]) == len(EPOCHS)
        assert {artifact["filename"] for artifact in trial["artifacts"]} == EPOCHS
        (folder,) = killed.folder.glob(f"results/s/{trial['number']}-*/artifacts")
        for artifact in trial["artifacts"]:
            url = f"{served}/artifacts/{number}/{trial['trial_id']}/{artifact['artifact_id']}"
            kind, content = get(url)
            assert kind == artifact["mimetype"] == f"image/{artifact['filename'][-3:]}"
            assert content == (folder / artifact["filename"]).read_bytes()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{served}/artifacts/{number}/{trial['trial_id']}/{'0' * 8}")
    assert len(list(killed.folder.glob("results/artifacts/*"))) == 12


def test_the_report_holds_the_pictures_of_the_best_trial(killed: Project) -> None:
    done = ablate(killed.folder, "report", "s", "--json")
    files = [killed.folder / name for name in json.loads(done.stdout)["files"]]
    pictures = [path for path in files if path.name.startswith("picture-")]
    assert len(pictures) == len(EPOCHS)
    report = Path(killed.folder, "results", "s", "report", "report.md").read_text()
    named = set(re.findall(r"!\[[^\]]*\]\((picture-[^)]*)\)", report))
    assert named == {path.name for path in pictures}
    assert (killed.folder / "results/s/report/report.html").read_text().count("<img ") == 4
