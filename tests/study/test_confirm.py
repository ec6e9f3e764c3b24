"""The best trials of a search are run again with seeds that the search never used."""

from pathlib import Path
from typing import Any

import pytest

from ablate import analysis
from ablate.errors import RequestError
from ablate.spec import paths
from ablate.study import confirm

from .conftest import ABLATION, SEARCH, Project, build, replay, search
from .test_replay import Counting
from .test_search import DiesAfter


@pytest.fixture
def searched(project: Project) -> Project:
    project.study("s", SEARCH)
    search("s", project.request())
    return project


def ranking(project: Project) -> list[int]:
    with project.store() as store:
        trials = store.trials("s")
    return [trial.number for trial in sorted(trials, key=lambda trial: trial.value or 0.0)]


def test_the_best_trials_are_run_as_they_were_with_fresh_seeds(searched: Project) -> None:
    result = confirm("s", searched.request(), top=2, seeds=3)
    best = ranking(searched)[:2]
    seeds = [run.seed for run in result.runs][:3]
    assert [(run.arm, run.seed) for run in result.runs] == [
        (f"trial-{number}", seed) for number in best for seed in seeds
    ]
    assert result.counts == {"complete": 6}
    with searched.store() as store:
        ran = {f"trial-{run.trial}": run for run in store.runs("s", with_config=True)}
        again = store.runs("s-confirm", with_config=True)
    assert not set(seeds) & {run.seed for run in ran.values()}
    for run in again:
        first, second = paths.flatten(ran[str(run.arm)].config), paths.flatten(run.config)
        assert {key for key in first if first[key] != second[key]} == {"seed_everything"}


def test_more_trials_and_more_seeds_repeat_nothing(searched: Project) -> None:
    first = confirm("s", searched.request(), top=1, seeds=2)
    Counting.runs = 0
    more = confirm("s", searched.request(launcher=lambda _: Counting()), top=3, seeds=3)
    assert (Counting.runs, len(more.runs)) == (7, 9)
    assert {run.id for run in first.runs} <= {run.id for run in more.runs}
    again = confirm("s", searched.request(launcher=lambda _: Counting()), top=3, seeds=3)
    assert again.already_done
    assert Counting.runs == 7
    with searched.store() as store:
        frames = analysis.load(store, "s-confirm")
    assert set(frames.runs["standing"]) == {"current"}


def test_a_killed_confirmation_continues(searched: Project) -> None:
    with pytest.raises(SystemExit):
        confirm("s", searched.request(launcher=lambda _: DiesAfter(4)), top=2, seeds=2)
    result = confirm("s", searched.request(), top=2, seeds=2)
    assert result.counts == {"complete": 4}
    with searched.store() as store:
        assert len(store.trials("s-confirm")) == 4


def test_equal_configurations_are_confirmed_once(project: Project, told: Any) -> None:
    point = {"optimizer.init_args.lr": 0.02, "model.init_args.width": 8}
    project.study("s", SEARCH, enqueue=[point, point], budget={"trials": 3})
    search("s", project.request())
    result = confirm("s", project.request(say=told), top=3, seeds=2)
    assert sorted({str(run.arm) for run in result.runs}) == ["trial-0", "trial-2"]
    assert "s has only 2 different complete trials" in told


def test_the_reports_of_both_studies_say_how_much_was_luck(searched: Project) -> None:
    with searched.store() as store:
        before = build(store, "s", Path("results/s/report")).markdown.read_text()
    assert "## Confirmed" not in before
    confirm("s", searched.request(), top=2, seeds=3)
    with searched.store() as store:
        own = build(store, "s-confirm", Path("results/s-confirm/report"))
        of_search = build(store, "s", Path("results/s/report")).markdown.read_text()
        table = analysis.confirmed_table(analysis.load(store, "s-confirm"))
        values = {trial.number: trial.value for trial in store.trials("s")}
        again = [t.value for t in store.trials("s-confirm")][:3]
    sections = [text.split("## Confirmed")[1].split("\n## ")[0].strip() for text in (
        own.markdown.read_text(), of_search)]  # fmt: skip
    assert sections[0] == sections[1]
    assert "was the best of the search" in sections[0]
    assert "confirmed.csv" in {path.name for path in own.tables}
    assert "was not audited" not in own.markdown.read_text()
    first = table.iloc[0]
    assert first["found"] == values[first["trial"]]
    assert first["mean"] == pytest.approx(sum(v or 0.0 for v in again) / 3)
    assert first["luck"] == pytest.approx(first["mean"] - first["found"])


@pytest.mark.parametrize(
    ("name", "message"),
    [("a", "confirm is for searches"), ("ss", "did you mean 's'"), ("s", "no complete trial")],
)
def test_what_is_no_search_with_a_result_is_refused(
    project: Project, name: str, message: str
) -> None:
    project.study("a", ABLATION, arms={"wide": {}}, floor={}, seeds=[1])
    replay("a", project.request())
    mishap = {"model.init_args.mishap": {"choice": ["nan loss", "raise"]}}
    project.study("s", SEARCH, space=mishap, budget={"trials": 1})
    search("s", project.request())
    before = project.files()
    with pytest.raises(RequestError, match=message):
        confirm(name, project.request(), top=1, seeds=2)
    assert project.files() == before


def test_stored_configs_import_nothing_that_is_not_trusted(searched: Project) -> None:
    (searched.folder / "studies" / "s.yaml").unlink()
    with pytest.raises(RequestError, match=r"toy\.Toy.*--allow-import toy"):
        confirm("s", searched.request(), top=1, seeds=2)
    result = confirm("s", searched.request(), top=1, seeds=2, allowed=["toy"])
    assert result.counts == {"complete": 2}


def test_another_study_of_that_name_is_left_alone(searched: Project) -> None:
    searched.study("s-confirm", ABLATION, floor={}, seeds=[1])
    replay("s-confirm", searched.request())
    with pytest.raises(RequestError, match="another study of the name 's-confirm'"):
        confirm("s", searched.request(), top=1, seeds=2)
