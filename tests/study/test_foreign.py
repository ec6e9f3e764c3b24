"""What plain Optuna keeps in the same database is never taken for a study of ablate."""

from typing import Any

import optuna
import pytest

from ablate import analysis
from ablate.errors import RequestError
from ablate.store import Store
from ablate.store.urls import parse_url
from ablate.study import confirm
from ablate.testing.storage import everything
from ablate.workflow.standings import status
from tests.store.conftest import postgresql_url, server

from .conftest import ABLATION, SEARCH, STORAGE, Project, replay, search
from .test_tune import STUDY as TUNED

__all__ = ["postgresql_url", "server"]

COMMANDS = {"search": (SEARCH, search), "replay": (ABLATION, replay)}


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, project: Project) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    (project.folder / "results").mkdir()
    return STORAGE


def plain(storage: str, name: str = "s", direction: str = "minimize", trials: int = 2) -> None:
    """Optimize a study of this name as a program without ablate does, continuing what is there."""
    url = parse_url(storage).render_as_string(hide_password=False)
    study = optuna.create_study(
        storage=url, study_name=name, direction=direction, load_if_exists=True
    )
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) - 100, n_trials=trials)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_study_that_plain_optuna_made_is_refused_and_left_alone(
    project: Project, storage: str, command: str, direction: str, shared: bool
) -> None:
    written, run = COMMANDS[command]
    project.study("s", written)
    plain(storage, direction=direction)
    if shared:
        Store.open(storage, create=True).close()
    before, files = everything(storage), project.files()
    with pytest.raises(RequestError, match=r"'s' that ablate did not make.*another --storage") as e:
        run("s", project.request(storage=storage))
    assert e.value.exit_code == 2
    assert everything(storage) == before
    assert project.files() == files


def test_a_study_without_trials_is_refused_too(project: Project, storage: str) -> None:
    project.study("s", SEARCH)
    plain(storage, trials=0)
    with pytest.raises(RequestError, match="ablate did not make"):
        search("s", project.request(storage=storage))


def test_studies_of_other_names_share_a_database(project: Project, storage: str) -> None:
    project.study("s", SEARCH, budget={"trials": 2})
    plain(storage, "other")
    assert search("s", project.request(storage=storage)).counts == {"complete": 2}
    assert [shown.study for shown in status(storage=storage).studies] == ["s"]


def test_no_arm_is_tuned_when_one_of_the_searches_has_the_name_of_a_foreign_study(
    project: Project, storage: str
) -> None:
    project.study("a", TUNED)
    plain(storage, "a-tune-narrow")
    before = everything(storage)
    with pytest.raises(RequestError, match="'a-tune-narrow' that ablate did not make"):
        replay("a", project.request(storage=storage))
    assert everything(storage) == before


def test_a_confirmation_and_a_replayed_trial_are_refused_under_a_foreign_name(
    project: Project, storage: str
) -> None:
    project.study("s", SEARCH, budget={"trials": 2})
    search("s", project.request(storage=storage))
    plain(storage, "s-confirm")
    plain(storage, "s-1")
    before = everything(storage)
    with pytest.raises(RequestError, match="'s-confirm' that ablate did not make"):
        confirm("s", project.request(storage=storage), top=1, seeds=2)
    with pytest.raises(RequestError, match="'s-1' that ablate did not make"):
        replay("s/1", project.request(storage=storage))
    assert everything(storage) == before


def test_trials_that_another_program_adds_to_a_search_are_not_counted_as_its_own(
    project: Project, storage: str
) -> None:
    project.study("s", SEARCH, budget={"trials": 2})
    first = search("s", project.request(storage=storage))
    plain(storage)
    (shown,) = status("s", storage=storage).studies
    assert shown.counts == {"complete": 2}
    assert shown.best == first.best
    with Store.open(storage, create=False) as store:
        frames = analysis.load_search(store, "s")
    assert [trial.number for trial in frames.trials] == [0, 1]
    again = search("s", project.request(storage=storage))
    assert again.already_done
    assert again.best == first.best


def test_a_search_does_not_go_on_among_trials_that_another_program_added(
    project: Project, storage: str
) -> None:
    project.study("s", SEARCH, budget={"trials": 2})
    search("s", project.request(storage=storage))
    plain(storage)
    project.study("s", SEARCH, budget={"trials": 4})
    before = everything(storage)
    with pytest.raises(RequestError, match=r"added by another program \(number 2, 3\)") as e:
        search("s", project.request(storage=storage))
    assert e.value.exit_code == 2
    assert everything(storage) == before


def test_a_replay_goes_on_beside_trials_that_another_program_added(
    project: Project, storage: str
) -> None:
    few: dict[str, Any] = {**ABLATION, "seeds": [1]}
    project.study("a", few)
    replay("a", project.request(storage=storage))
    plain(storage, "a")
    project.study("a", {**few, "seeds": [1, 2]})
    assert replay("a", project.request(storage=storage)).counts == {"complete": 6}
    (shown,) = status("a", storage=storage).studies
    assert shown.counts == {"complete": 6}
