"""A search runs to its budget, records everything, continues, and survives bad trials."""

import math
from typing import Any

import optuna
import pytest

from ablate import analysis
from ablate.errors import RequestError
from ablate.run import Built, Decision, Event, InProcessLauncher, Reported
from ablate.spec import Budget, Direction, ProfileChange, SearchDefinition
from ablate.store import Store

from .conftest import ABLATION, CONFIG, SEARCH, STORAGE, Project, replay, search


def values(project: Project) -> dict[int, tuple[Any, float | None, str]]:
    with project.store() as store:
        return {t.number: (t.params, t.value, t.state) for t in store.trials("s")}


def test_a_search_meets_its_budget_and_says_so_when_run_again(project: Project) -> None:
    project.study("s", SEARCH)
    first = search("s", project.request())
    assert first.counts == {"complete": 5}
    assert not first.already_done
    before = values(project)
    again = search("s", project.request())
    assert again.already_done
    assert again.best == first.best
    assert values(project) == before


def test_plain_optuna_reads_the_trials_with_their_curves_and_attributes(project: Project) -> None:
    project.study("s", SEARCH)
    result = search("s", project.request())
    study = optuna.load_study(study_name="s", storage=STORAGE)
    assert len(study.trials) == 5
    assert result.best is not None
    assert study.best_trial.number == result.best.number
    for trial in study.trials:
        assert sorted(trial.intermediate_values) == [0, 1, 2]
        assert trial.value == min(trial.intermediate_values.values())
        assert trial.user_attrs["seed"] == 7
        assert trial.user_attrs["state"] == "complete"
        assert len(trial.user_attrs["config_hash"]) == 64


def test_every_run_stores_its_resolved_config_metrics_and_environment(project: Project) -> None:
    project.study("s", SEARCH)
    search("s", project.request())
    with project.store() as store:
        runs = store.runs("s", with_config=True)
        metrics = store.metrics("s")
        assert store.fingerprints("s")[runs[0].id]["train"] == "points-64"
    trial = values(project)[0][0]
    config = runs[0].config
    assert config is not None
    assert config["optimizer"]["init_args"]["lr"] == trial["optimizer.init_args.lr"]
    assert config["optimizer"]["init_args"]["eps"] == 1e-8, "defaults are stored too"
    names = {(row.phase, row.name) for row in metrics if row.run_id == runs[0].id}
    assert {("val", "val_loss"), ("val", "val_error"), ("train", "train_loss")} <= names
    assert runs[0].status == "complete"
    assert runs[0].epochs == 3
    assert runs[0].steps == 12
    assert runs[0].directory == f"results/s/0-{runs[0].config_hash[:8]}"
    assert (project.folder / runs[0].directory / "config.yaml").exists()


def test_a_larger_budget_continues_as_if_it_had_been_there_from_the_start(
    project: Project,
) -> None:
    project.study("s", SEARCH, budget={"trials": 3})
    search("s", project.request())
    project.study("s", SEARCH, budget={"trials": 7})
    assert search("s", project.request()).counts == {"complete": 7}
    continued = values(project)
    whole = search("s", project.request(storage="sqlite:///whole.db"))
    with Store.open(whole.storage, create=False) as store:
        assert continued == {t.number: (t.params, t.value, t.state) for t in store.trials("s")}


def test_a_budget_asked_for_takes_the_place_of_the_studys(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.study("s", SEARCH, budget={"trials": 2})
    assert search("s", project.request(), Budget(trials=3)).counts == {"complete": 3}
    assert search("s", project.request()).already_done
    monkeypatch.setattr(Store, "active_seconds", lambda _, study: 10.0)
    assert search("s", project.request(), Budget(timeout=9)).already_done
    with project.store() as store:
        record = store.require_study("s")
        assert isinstance(record.definition, SearchDefinition)
        assert record.definition.budget == Budget(trials=3)


class DiesAfter(InProcessLauncher):
    """Stops the whole command after some reports, as a power cut would."""

    def __init__(self, reports: int) -> None:
        super().__init__()
        self.left = reports

    def poll(self, handle: Any, timeout: float) -> None:
        def counting(event: Event) -> Decision:
            if isinstance(event, Reported):
                self.left -= 1
                if self.left < 0:
                    raise SystemExit(137)
            return handle(event)

        super().poll(counting, timeout)


def curve_of(store: Store, run_id: int) -> list[tuple[str, int, float]]:
    rows = store.metrics("s")
    return [(row.name, row.step, row.value) for row in rows if row.run_id == run_id]


@pytest.mark.parametrize("reports", [0, 1, 8, 13])
def test_a_search_killed_at_any_point_resumes_to_the_same_result(
    project: Project, reports: int
) -> None:
    hyperband = {"class_path": "optuna.pruners.HyperbandPruner"}
    constraints = [{"metric": "val_error", "below": 1.5}]
    project.study("s", SEARCH, pruner=hyperband, constraints=constraints)
    with pytest.raises(SystemExit):
        search("s", project.request(launcher=lambda _: DiesAfter(reports)))
    resumed = search("s", project.request())
    whole = search("s", project.request(storage="sqlite:///whole.db"))
    assert resumed.counts == whole.counts
    assert sum(resumed.counts.values()) == 5
    with project.store() as store, Store.open(whole.storage, create=False) as other:
        assert [(t.params, t.value, t.state, t.constraints) for t in store.trials("s")] == [
            (t.params, t.value, t.state, t.constraints) for t in other.trials("s")
        ]
        ended = [run for run in store.runs("s") if run.status in ("complete", "pruned")]
        assert len(ended) == 5
        assert [curve_of(store, run.id) for run in ended] == [
            curve_of(other, run.id) for run in other.runs("s")
        ]


@pytest.mark.parametrize(
    "pruner",
    [
        {
            "class_path": "optuna.pruners.HyperbandPruner",
            "init_args": {"reduction_factor": 2, "max_resource": 2},
        },
        {"class_path": "by_name.Lots"},
    ],
    ids=["hyperband", "lots"],
)
def test_the_name_of_a_study_decides_nothing(project: Project, pruner: dict[str, Any]) -> None:
    (project.folder / "by_name.py").write_text(
        "import zlib\nfrom optuna.pruners import BasePruner\n\n"
        "class Lots(BasePruner):\n    def prune(self, study, trial):\n"
        "        return zlib.crc32(f'{study.study_name} {trial.number}'.encode()) % 2 == 0\n"
    )
    told = {}
    for name in ("s", "another name"):
        project.study(name, SEARCH, pruner=pruner, budget={"trials": 7})
        assert search(name, project.request()).counts.keys() == {"complete", "pruned"}
        with project.store() as store:
            told[name] = [
                (trial.params, trial.value, trial.state, trial.intermediate_values)
                for trial in store.past(name)
            ]
    assert told["s"] == told["another name"]


def test_several_seeds_make_the_value_their_mean(project: Project) -> None:
    project.study("s", SEARCH, seeds=[1, 2, 3], budget={"trials": 2})
    search("s", project.request())
    with project.store() as store:
        frames = analysis.load(store, "s")
        trials = store.trials("s")
    best = analysis.at_best(frames, "val_loss", Direction.MINIMIZE)
    losses = best[best["name"] == "val_loss"].merge(
        frames.runs, left_on="run_id", right_on="run_id"
    )
    for trial in trials:
        mine = losses[losses["trial"] == trial.number]["value"]
        assert len(mine) == 3
        assert trial.value == pytest.approx(mine.mean())


@pytest.mark.parametrize(
    ("mishap", "reason"),
    [
        ("raise", "KeyError: 'the module raised'"),
        ("nan loss", "diverged: the training loss is nan at step"),
        ("nan objective", "diverged: val_loss is nan at step"),
    ],
)
def test_a_failing_trial_is_recorded_with_its_reason_and_the_search_goes_on(
    project: Project, mishap: str, reason: str
) -> None:
    space = {"model.init_args.mishap": {"choice": ["none", mishap]}}
    project.study(
        "s",
        SEARCH,
        space=space,
        budget={"trials": 4},
        enqueue=[{"model.init_args.mishap": m} for m in (mishap, "none", mishap, "none")],
    )
    result = search("s", project.request())
    assert result.counts == {"failed": 2, "complete": 2}
    with project.store() as store:
        trials, runs = store.trials("s"), store.runs("s")
    assert [trial.state for trial in trials] == ["failed", "complete", "failed", "complete"]
    assert trials[0].value is None
    assert trials[0].user_attrs["reason"].startswith(reason)
    assert runs[0].reason is not None
    assert runs[0].reason.startswith(reason)


def test_a_point_that_cannot_be_built_fails_alone(project: Project) -> None:
    space = {"model.init_args.width": {"choice": [8, 15]}}
    enqueue = [{"model.init_args.width": width} for width in (15, 8)]
    project.study("s", SEARCH, space=space, budget={"trials": 2}, enqueue=enqueue)
    assert search("s", project.request()).counts == {"failed": 1, "complete": 1}
    assert (
        "not divisible by heads"
        in optuna.load_study(study_name="s", storage=STORAGE).trials[0].user_attrs["reason"]
    )


def test_bad_trials_are_pruned(project: Project) -> None:
    project.study(
        "s",
        SEARCH,
        space={"optimizer.init_args.lr": {"choice": [0.05, 1e-7]}},
        pruner={"class_path": "optuna.pruners.MedianPruner", "init_args": {"n_startup_trials": 1}},
        window=1,
        budget={"trials": 3},
        enqueue=[{"optimizer.init_args.lr": lr} for lr in (0.05, 1e-7, 0.05)],
    )
    assert search("s", project.request()).counts == {"complete": 2, "pruned": 1}
    trials = optuna.load_study(study_name="s", storage=STORAGE).trials
    assert trials[1].state == optuna.trial.TrialState.PRUNED
    assert len(trials[1].intermediate_values) < 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {"model.init_args.widht": {"int": [2, 4]}}}, "did you mean 'width'"),
        ({"space": {"trainer.max_epohcs": {"int": [2, 4]}}}, "max_epochs"),
        ({"space": {"model.init_args.width": {"choice": ["a", 4]}}}, "width"),
        ({"objective": {"metric": "val_los"}}, "never logs the metric 'val_los'.*'val_loss'"),
        ({"enqueue": [{"optimizer.init_args.lr": 2.0}]}, "not a float in"),
        ({"enqueue": [{"optimizer.init_args.lrr": 0.01}]}, "is not in the space"),
        ({"sampler": {"class_path": "optuna.samplers.TPE"}}, "sampler.class_path"),
        ({"config": "../configs/tyo.yaml"}, "did you mean 'toy.yaml'"),
    ],
)
def test_a_wrong_study_is_refused_with_nothing_written(
    project: Project, changes: dict[str, Any], message: str
) -> None:
    project.study("s", SEARCH, **changes)
    before = project.files()
    with pytest.raises(RequestError, match=message):
        search("s", project.request())
    assert project.files() == before


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("model", "init_args", "widht"), 4, r"configs/toy\.yaml: model\.init_args\.widht"),
        (("trainer", "max_epoch"), 4, r"trainer\.max_epoch.*max_epochs"),
        (("optimizer", "init_args", "lrr"), 0.1, r"optimizer\.init_args\.lrr.*'lr'"),
        (("model", "init_args", "width"), 15, "toy.Toy: width 15 is not divisible by heads 2"),
        (("model", "class_path"), "toy.Toi", r"toy.*Toi"),
    ],
)
def test_a_wrong_config_is_refused_with_nothing_written(
    project: Project, path: tuple[str, ...], value: Any, message: str
) -> None:
    config = {
        key: dict(section) if isinstance(section, dict) else section
        for key, section in CONFIG.items()
    }
    node: Any = config
    for key in path[:-1]:
        node[key] = dict(node[key])
        node = node[key]
    node[path[-1]] = value
    project.config(config)
    project.study("s", SEARCH, space={"optimizer.init_args.weight_decay": {"float": [0, 0.1]}})
    before = project.files()
    with pytest.raises(RequestError, match=message):
        search("s", project.request())
    assert project.files() == before


def test_a_changed_definition_is_not_continued(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    space = {**SEARCH["space"], "model.init_args.width": {"choice": [4, 8]}}
    project.study("s", SEARCH, budget={"trials": 2}, space=space)
    with pytest.raises(RequestError, match=r"(?s)another definition.*width"):
        search("s", project.request())
    assert len(values(project)) == 1


def test_the_profile_and_overrides_are_said_and_stored(project: Project, told: Any) -> None:
    project.study(
        "s",
        SEARCH,
        profiles={"cpu": {"set": {"trainer.max_epochs": 2}, "budget": {"trials": 1}}},
    )
    search("s", project.request(say=told, overrides={"model.init_args.dropout": 0.5}))
    assert "profile cpu" in told[0]
    assert "  trainer.max_epochs: 3 -> 2" in told
    assert "  model.init_args.dropout: None -> 0.5" in told
    with project.store() as store:
        record = store.study("s")
        (run,) = store.runs("s", with_config=True)
    assert record is not None
    changed = ProfileChange(path="trainer.max_epochs", before=3, after=2)
    assert changed in record.definition.profile_changes
    assert run.profile == "cpu"
    assert run.config is not None
    assert run.config["model"]["init_args"]["dropout"] == 0.5


def test_an_unknown_profile_is_refused(project: Project) -> None:
    project.study("s", SEARCH)
    with pytest.raises(RequestError, match="declares no profile 'tpu'"):
        search("s", project.request(profile="tpu"))


def test_a_run_reports_its_size_before_its_first_epoch(project: Project) -> None:
    seen: list[Event] = []

    class Listening(InProcessLauncher):
        def poll(self, handle: Any, timeout: float) -> None:
            super().poll(lambda event: (seen.append(event), handle(event))[1], timeout)

    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request(launcher=lambda _: Listening()))
    built = next(event for event in seen if isinstance(event, Built))
    assert built.max_epochs == 3
    assert all(math.isfinite(e.objective) for e in seen if isinstance(e, Reported) and e.objective)


def test_an_argument_that_a_choice_requires_may_itself_be_searched(project: Project) -> None:
    restarts = {"class_path": "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts"}
    space = {
        "lr_scheduler": {"choice": {"restarts": restarts, "constant": None}},
        "lr_scheduler.init_args.T_0": {"int": [1, 3], "when": {"lr_scheduler": "restarts"}},
    }
    project.study("s", SEARCH, space=space, budget={"trials": 2})
    assert search("s", project.request()).counts == {"complete": 2}


@pytest.mark.parametrize("kind", ["search", "ablation"])
def test_a_progress_bar_is_left_out_and_said_once(project: Project, told, kind: str) -> None:
    bar = {"class_path": "lightning.pytorch.callbacks.TQDMProgressBar"}
    project.config({**CONFIG, "trainer": {**CONFIG["trainer"], "callbacks": [bar]}})
    request = project.request(say=told)
    if kind == "search":
        project.study("s", SEARCH, budget={"trials": 2})
        assert search("s", request).counts == {"complete": 2}
    else:
        project.study("s", ABLATION, seeds=[1])
        assert replay("s", request).counts == {"complete": 3}
    (line,) = [line for line in told if "TQDMProgressBar" in line]
    assert line == "left out: TQDMProgressBar; runs draw no progress bar"
