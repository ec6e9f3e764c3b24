"""A replay runs every arm with every seed once, as trials, and never repeats a finished run."""

import csv
from typing import Any

import optuna
import pytest

from ablate import analysis
from ablate.errors import RequestError
from ablate.run import InProcessLauncher, Resolve, Run
from ablate.spec import AblationDefinition, paths, read_yaml
from ablate.study import freeze_trial

from .conftest import ABLATION, SEARCH, STORAGE, Project, build, matrix, replay, search
from .test_search import DiesAfter


def test_every_arm_and_seed_is_a_trial_with_readable_attributes(project: Project) -> None:
    project.study("a", ABLATION)
    result = replay("a", project.request())
    assert [(run.arm, run.seed) for run in result.runs] == [
        ("narrow", 1), ("narrow", 2), ("wide", 1), ("wide", 2), ("mean", 1), ("mean", 2)
    ]  # fmt: skip
    assert {run.status for run in result.runs} == {"complete"}
    trials = optuna.load_study(study_name="a", storage=STORAGE).trials
    assert [(t.user_attrs["arm"], t.user_attrs["seed"]) for t in trials] == [
        (run.arm, run.seed) for run in result.runs
    ]
    assert all(t.user_attrs["state"] == "complete" for t in trials)
    assert all(t.user_attrs["config_hash"] == r.config_hash
               for t, r in zip(trials, result.runs, strict=True))  # fmt: skip


def test_arms_differ_only_in_what_they_declare(project: Project) -> None:
    project.study("a", ABLATION, floor={})
    replay("a", project.request())
    with project.store() as store:
        configs = {
            (r.arm, r.seed): paths.flatten(r.config) for r in store.runs("a", with_config=True)
        }
    narrow, wide = configs["narrow", 1], configs["wide", 1]
    assert {key for key in narrow if narrow[key] != wide[key]} == {"model.init_args.width"}
    other = configs["narrow", 2]
    assert {key for key in narrow if narrow[key] != other[key]} == {"seed_everything"}


class Counting(InProcessLauncher):
    """Counts the runs it is given."""

    runs = 0

    def submit(self, jobs: Any) -> None:
        Counting.runs += sum(isinstance(job, Run) for job in jobs)
        super().submit(jobs)


class Resolving(InProcessLauncher):
    """Counts what it is asked to resolve once runs have begun."""

    begun, resolved = 0, 0

    def submit(self, jobs: Any) -> None:
        Resolving.begun += sum(isinstance(job, Run) for job in jobs)
        Resolving.resolved += sum(isinstance(job, Resolve) and self.begun > 0 for job in jobs)
        super().submit(jobs)


def test_what_was_resolved_for_the_check_is_not_resolved_again_for_the_run(
    project: Project,
) -> None:
    project.study("a", ABLATION)
    replay("a", project.request(launcher=lambda _: Resolving()))
    assert (Resolving.begun, Resolving.resolved) == (6, 0)


def test_finished_runs_are_not_run_again(project: Project) -> None:
    project.study("a", ABLATION)
    first = replay("a", project.request())
    Counting.runs = 0
    again = replay("a", project.request(launcher=lambda _: Counting()))
    assert again.already_done
    assert Counting.runs == 0
    assert again.runs == first.runs


def test_killed_runs_are_run_again_and_only_they(project: Project) -> None:
    project.study("a", ABLATION)
    with pytest.raises(SystemExit):
        replay("a", project.request(launcher=lambda _: DiesAfter(4)))
    Counting.runs = 0
    result = replay("a", project.request(launcher=lambda _: Counting()))
    assert result.counts == {"complete": 6}
    assert Counting.runs == 4
    assert len(optuna.load_study(study_name="a", storage=STORAGE).trials) == 6


def test_a_new_arm_or_seed_adds_only_its_own_runs(project: Project) -> None:
    project.study("a", ABLATION)
    replay("a", project.request())
    arms = {**ABLATION["arms"], "middle": {"model.init_args.width": 8}}
    project.study("a", ABLATION, arms=arms, seeds=[1, 2, 3])
    Counting.runs = 0
    result = replay("a", project.request(launcher=lambda _: Counting()))
    assert len(result.runs) == 12
    assert Counting.runs == 6


def test_only_the_arms_and_seeds_asked_for_are_run(project: Project) -> None:
    project.study("a", ABLATION)
    result = replay("a", project.request(), arms=["wide", "mean"], seeds=[2])
    assert [(run.arm, run.seed) for run in result.runs] == [("wide", 2), ("mean", 2)]
    assert result.counts == {"complete": 2}
    with project.store() as store:
        definition = store.require_study("a").definition
        assert isinstance(definition, AblationDefinition)
        assert definition.seeds == (1, 2)
        assert [arm.name for arm in definition.arms] == ["narrow", "wide", "mean"]
        assert len(store.trials("a")) == 2
    Counting.runs = 0
    assert len(replay("a", project.request(launcher=lambda _: Counting())).runs) == 6
    assert Counting.runs == 4
    with project.store() as store:
        assert len({d.id for d in store.definitions("a")}) == 1


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"arms": ["wied"]}, "a has no arm 'wied': did you mean 'wide'"),
        ({"arms": ["wide-tuned"]}, "a has no arm 'wide-tuned': did you mean 'wide'"),
        ({"seeds": [1, 3]}, "a has no seed 3: it declares 1, 2"),
    ],
)
def test_cells_that_a_study_lacks_are_refused_with_nothing_written(
    project: Project, cells: Any, message: str
) -> None:
    project.study("a", ABLATION)
    before = project.files()
    with pytest.raises(RequestError, match=message):
        replay("a", project.request(), **cells)
    with pytest.raises(RequestError, match=message):
        matrix("a", project.request(), **cells)
    assert project.files() == before


NAMES = ("on", "no", "lr=1e-3, wd 0.1", "a/b", "../up", "v1.5", "🚀 fast")


def test_an_arm_may_have_any_name(project: Project) -> None:
    arms = {name: {"model.init_args.width": 2 * n} for n, name in enumerate(NAMES, start=1)}
    project.study("a", ABLATION, arms=arms, reference="../up", seeds=[1])
    result = replay("a", project.request())
    assert result.counts == {"complete": len(NAMES) + 1}
    assert [run.arm for run in result.runs] == [*NAMES, "mean"]
    trials = optuna.load_study(study_name="a", storage=STORAGE).trials
    assert [trial.user_attrs["arm"] for trial in trials] == [*NAMES, "mean"]
    before = {path for path in project.files() if not path.startswith("results")}
    with project.store() as store:
        files = build(store, "a", project.folder / "results" / "a" / "report")
        frames = analysis.load(store, "a")
    assert list(frames.runs["arm"]) == [*NAMES, "mean"]
    for table in files.tables:
        if table.stem in {"arms", "runs"}:
            with table.open(encoding="utf-8", newline="") as lines:
                assert {row["arm"] for row in csv.DictReader(lines)} == {*NAMES, "mean"}
    shown = files.markdown.read_text(encoding="utf-8"), files.html.read_text(encoding="utf-8")
    assert all(name in text for name in NAMES for text in shown)
    assert {path for path in project.files() if not path.startswith("results")} == before


def test_a_changed_config_makes_new_runs_and_keeps_the_old(project: Project) -> None:
    project.study("a", ABLATION, floor={})
    replay("a", project.request())
    project.study("a", ABLATION, floor={}, profiles={"cpu": {"set": {"trainer.max_epochs": 2}}})
    result = replay("a", project.request())
    assert [run.trial for run in result.runs] == [4, 5, 6, 7]
    with project.store() as store:
        assert len(store.runs("a")) == 8


def test_a_failing_arm_does_not_stop_the_others(project: Project) -> None:
    arms = {**ABLATION["arms"], "bad": {"model.init_args.mishap": "raise"}}
    project.study("a", ABLATION, arms=arms, seeds=[1])
    result = replay("a", project.request())
    assert {run.arm: run.status for run in result.runs} == {
        "narrow": "complete", "wide": "complete", "bad": "failed", "mean": "complete"
    }  # fmt: skip
    assert result.counts == {"complete": 3, "failed": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "wid"}, "did you mean 'wide'"),
        ({"arms": {"bad": {"model.init_args.widht": 2}}, "reference": None}, r"arms\.bad.*'width'"),
        ({"arms": {"bad": {"model.init_args.width": 3}}, "reference": None}, "not divisible"),
        ({"metrics": {"val_los": "minimize"}}, "val_loss"),
        ({"metrics": {"val_loss": "minimize", "val_eror": "minimize"}}, "val_error"),
        ({"seeds": []}, "seeds"),
        ({"design": "leader"}, "design"),
    ],
)
def test_a_wrong_ablation_is_refused_with_nothing_written(
    project: Project, changes: dict[str, Any], message: str
) -> None:
    project.study("a", ABLATION, **changes)
    before = project.files()
    with pytest.raises(RequestError, match=message):
        replay("a", project.request())
    assert project.files() == before


def test_a_metric_that_one_arm_does_not_log_is_no_mistake(project: Project) -> None:
    (project.folder / "extra.py").write_text(
        "from toy import Toy\n"
        "class Extra(Toy):\n"
        "    def on_validation_epoch_end(self):\n"
        "        self.log('val_extra', 1.0)\n"
    )
    arms = {"plain": {}, "extra": {"model": {"class_path": "extra.Extra"}}}
    metrics = {"val_loss": "minimize", "val_extra": "minimize"}
    project.study("pair", ABLATION, arms=arms, reference="plain", floor={}, metrics=metrics)
    said: list[str] = []
    result = replay("pair", project.request(say=said.append))
    assert result.counts == {"complete": 4}
    assert "val_extra is not logged by plain" in said


def test_a_trial_of_a_search_is_replayed_exactly(project: Project) -> None:
    project.study("s", SEARCH)
    found = search("s", project.request())
    assert found.best is not None
    result = replay(f"s/{found.best.number}", project.request())
    (run,) = result.runs
    with project.store() as store:
        trial = store.trials(f"s-{found.best.number}")[0]
        original = next(r for r in store.runs("s") if r.trial == found.best.number)
    assert run.config_hash == original.config_hash
    assert trial.value == found.best.value


def test_a_trial_is_replayed_with_other_seeds(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    result = replay("s/0", project.request(), seeds=(1, 2))
    assert [run.seed for run in result.runs] == [1, 2]


@pytest.mark.parametrize("name", ["s/99", "t/0"])
def test_an_unknown_trial_is_refused(project: Project, name: str) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    with pytest.raises(RequestError):
        replay(name, project.request())


def test_a_stored_config_imports_nothing_that_is_not_trusted(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    (project.folder / "studies" / "s.yaml").unlink()
    with pytest.raises(RequestError, match=r"toy\.Toy.*--allow-import toy"):
        replay("s/0", project.request())
    assert replay("s/0", project.request(), allowed=["toy"]).counts == {"complete": 1}


def test_a_frozen_trial_is_its_resolved_config_with_its_provenance(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 2})
    search("s", project.request())
    path = freeze_trial("s/1", project.folder / "configs" / "best.yaml", STORAGE)
    assert "# Frozen from trial 1 of the study s." in path.read_text()
    with project.store() as store:
        run = store.runs("s", with_config=True)[1]
    assert read_yaml(path) == run.config
    with pytest.raises(RequestError, match="not overwritten"):
        freeze_trial("s/1", path, STORAGE)


def test_kinds_are_not_mixed_up(project: Project) -> None:
    project.study("s", SEARCH)
    project.study("a", ABLATION)
    with pytest.raises(RequestError, match="ablate search --study s"):
        replay("s", project.request())
    with pytest.raises(RequestError, match="ablate replay a"):
        search("a", project.request())
