"""On how many threads runs compute: what is told, what is recorded, what is faster."""

import pytest

from ablate.errors import RequestError
from ablate.run import LocalLauncher
from ablate.run.environment import WorkerSettings
from ablate.spec import read_study
from ablate.study import threads
from ablate.study.threads import chosen_threads, settle_threads
from tests.study.conftest import CONFIG, SEARCH, Project, search


def test_what_is_told_comes_before_what_is_recorded_and_that_before_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert chosen_threads(3, 4, workers=1) == 3
    assert chosen_threads(None, 4, workers=1) == 4
    assert chosen_threads(None, None, workers=1) == 5


def test_only_where_cores_are_left_over_is_there_something_to_measure(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "available_cores", lambda: 8)
    assert chosen_threads(None, None, workers=4) is None
    assert chosen_threads(None, None, workers=5) == 1


def test_no_thread_at_all_is_refused():
    with pytest.raises(RequestError, match="--threads must be at least 1, not 0"):
        chosen_threads(0, None, workers=1)


@pytest.mark.parametrize(("factor", "chosen"), [(0.0, 2), (1e9, 1)])
def test_a_worker_takes_its_share_of_the_cores_if_that_is_clearly_faster(
    project: Project, monkeypatch, told, factor, chosen
):
    monkeypatch.setattr(threads, "CLEARLY_FASTER", factor)
    monkeypatch.setattr(threads, "available_cores", lambda: 2)
    project.study("s", SEARCH)
    study = read_study("s").prepare("cpu")
    launcher = LocalLauncher(1, WorkerSettings(threads=None))
    try:
        settle_threads(CONFIG, study, launcher, told)
        assert launcher.facts().threads == chosen
        settle_threads(CONFIG, study, launcher, told)
    finally:
        launcher.close()
    assert len(told) == 1
    assert told[0].startswith(f"threads per worker: {chosen}; a step takes ")


def test_a_search_keeps_the_threads_of_its_recorded_runs(project: Project, told, monkeypatch):
    # Modules lie beside the study, not in the folder that the command is called in.
    monkeypatch.chdir(project.folder / "studies")
    monkeypatch.syspath_prepend(str(project.folder / "nowhere"))
    project.study("s", SEARCH, budget={"trials": 1})
    options = {"launcher": None, "say": told}
    search("s.yaml", project.request(threads=2, **options))
    project.study("s", SEARCH, budget={"trials": 2})
    search("s.yaml", project.request(**options))
    with project.store() as store:
        (environment,) = store.environments("s").values()
    assert environment.facts["threads"] == 2
    assert "2 threads per worker, as recorded" in told
