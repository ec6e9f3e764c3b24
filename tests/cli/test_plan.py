"""`ablate plan`: what is printed, where it is written, and how it ends."""

import json
import sys
from pathlib import Path
from statistics import stdev
from typing import Any

import pytest
from typer.testing import CliRunner

from ablate import workflow
from ablate.cli import completion
from ablate.cli.app import app
from ablate.errors import NotFoundError, RequestError, SpecError
from ablate.run import InProcessLauncher
from ablate.spec import read_yaml
from ablate.store import Store
from ablate.workflow.plans import PlanResult, Power, StudyPlanResult, plan
from tests.cli.test_commands import ablate, new_project
from tests.study.conftest import ABLATION, CONFIG, SEARCH, Project, replay

AT_LEAST = {
    "samples", "batch", "steps_per_epoch", "optimizer_steps", "epochs", "effective_batch",
    "parameters", "memory_bytes", "violations",
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = new_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield made
    sys.modules.pop("toy", None)


def planned(*names: Any, **options: Any) -> Any:
    return plan(*names, launcher=lambda _: InProcessLauncher(), quiet=True, **options)


def test_a_plan_is_printed_as_json_and_everything_else_on_stderr(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    before = project.files()
    done = ablate(tmp_path, "plan", "configs/toy.yaml", "--set", "trainer.max_epochs=5", "--json",
                  "--workers", "1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result.keys() >= AT_LEAST
    assert (result["samples"], result["optimizer_steps"], result["epochs"]) == (64, 20, 5)
    assert "profile cpu" in done.stderr
    assert project.files() == before


def test_too_few_steps_are_a_negative_verdict(project: Project) -> None:
    result = planned("configs/toy.yaml", steps=100)
    assert isinstance(result, PlanResult)
    assert not result.holds
    assert "too-few-steps: the run makes 12 optimizer steps, and 100 are wanted" in result.summary()
    assert planned("toy", steps=12).holds
    assert dict(result.frame().to_numpy())["optimizer_steps"] == 12


def test_a_fit_is_printed_and_written_only_where_it_is_asked_to(project: Project) -> None:
    big = planned("toy", memory="1TB", fit=True)
    assert big.overlay is not None
    overlay = Path("fit.yaml")
    overlay.write_text(big.overlay.text)
    assert read_yaml(overlay) == {
        "data": {"init_args": {"batch_size": 16}}, "trainer": {"accumulate_grad_batches": 1}
    }  # fmt: skip
    again = planned("toy", overlay)
    assert again.plan.effective_batch == 16
    with pytest.raises(RequestError, match="there is such a file already"):
        planned("toy", fit=True, out="fit.yaml")
    written = planned("toy", fit=True, memory="1TB", out="new.yaml")
    assert read_yaml(Path("new.yaml")) == read_yaml(overlay)
    assert written.holds


def test_what_does_not_fit_at_all_is_a_negative_verdict(project: Project) -> None:
    result = planned("toy", memory="1MB", fit=True)
    assert result.overlay is None
    assert not result.holds
    assert result.plan.fits is False


def test_constraints_come_from_files_and_from_beside_the_config(project: Project) -> None:
    Path("configs/toy.plan.yaml").write_text(
        "constraints:\n- at_least: [plan.optimizer_steps, 50]\n  severity: warning\n"
    )
    Path("more.yaml").write_text("constraints:\n- divides: [3, data.init_args.batch_size]\n")
    result = planned("toy", constraints=["more.yaml"], set={"data.init_args.batch_size": 16})
    assert [v.code for v in result.plan.violations] == ["divides", "at_least"]
    assert result.plan.violations[0].nearest == {"data.init_args.batch_size": (15, 18)}
    assert not result.holds


@pytest.mark.parametrize(
    ("text", "reason"),
    [("divides: [3, data.init_args.batchsize]", "did you mean 'data.init_args.batch_size'"),
     ("at_most: [plan.optimiser_steps, 3]", "did you mean 'plan.optimizer_steps'")],
)  # fmt: skip
def test_a_constraint_on_what_there_is_not_is_refused(
    project: Project, text: str, reason: str
) -> None:
    Path("more.yaml").write_text(f"constraints:\n- {text}\n")
    with pytest.raises(SpecError, match=r"constraints|more") as caught:
        planned("toy", constraints=["more.yaml"])
    assert reason in str(caught.value)


def test_a_config_that_cannot_be_built_is_told_with_what_would_do(project: Project) -> None:
    result = planned("toy", set={"model.init_args.width": 9, "model.init_args.heads": 2})
    codes = {violation.code: violation for violation in result.plan.violations}
    assert set(codes) == {"heads-divide-width", "cannot-train"}
    assert codes["heads-divide-width"].nearest == {
        "model.init_args.heads": (1, 3), "model.init_args.width": (8, 10)
    }  # fmt: skip
    assert result.plan.optimizer_steps is None


def test_an_ablation_is_summed_over_arms_and_seeds(project: Project) -> None:
    project.study("a", ABLATION)
    result = planned("a", effect=1.0, sd=0.5, measure=True)
    assert isinstance(result, StudyPlanResult)
    assert [(arm.name, arm.runs, arm.steps) for arm in result.arms] == [
        ("narrow", 2, 24), ("wide", 2, 24)
    ]  # fmt: skip
    assert (result.runs, result.optimizer_steps) == (4, 48)
    assert result.seconds is not None
    assert result.power is not None
    assert result.power.spread == pytest.approx(0.5 * 2**0.5)
    assert result.power.seeds == 7
    assert list(result.frame()["arm"]) == ["narrow", "wide"]
    with pytest.raises(RequestError, match="give --sd"):
        planned("a", effect=1.0)


def test_the_spread_of_a_study_that_has_run_is_that_of_its_paired_differences(
    project: Project,
) -> None:
    project.study("a", ABLATION, seeds=[1, 2, 3])
    replay("a", project.request())
    with project.store() as store:
        last = {(run.arm, run.seed): value_of(store, run.id) for run in store.runs("a")}
    gains = [last["narrow", seed] - last["wide", seed] for seed in (1, 2, 3)]
    result = planned("a", effect=stdev(gains))
    assert result.power == Power(stdev(gains), pytest.approx(stdev(gains)), True, 1, 10)
    shown = CliRunner().invoke(app, ["plan", "a", "--effect", str(stdev(gains)), "--workers", "1"])
    assert f"beside a spread of {stdev(gains):.3g} (recorded), 1 comparisons" in shown.output
    given = planned("a", effect=stdev(gains), sd=1.0)
    assert (given.power.recorded, given.power.spread) == (False, pytest.approx(2**0.5))


def test_the_seeds_are_for_as_many_comparisons_as_the_designs_make(project: Project) -> None:
    project.study(
        "d", ABLATION, arms={}, reference="full", design=["ladder", "leave_one_out"],
        components={
            "wide": {"model.init_args.width": 16},
            "dry": {"model.init_args.dropout": 0.0},
            "fast": {"optimizer.init_args.lr": 0.05},
        },
    )  # fmt: skip
    power = planned("d", effect=1.0, sd=0.5).power
    assert power is not None
    assert power.comparisons == 7  # of six arms; full stands beside base and the step before it


def value_of(store: Store, run: int) -> float:
    """Return the last value of the objective of a run."""
    return [row.value for row in store.metrics("a") if (row.run_id, row.name) == (run, "val_loss")][
        -1
    ]


def test_a_search_is_summed_over_its_trials(project: Project) -> None:
    project.study("s", SEARCH)
    result = planned("s")
    assert (result.runs, result.optimizer_steps) == (5, 60)
    with pytest.raises(RequestError, match="--effect is for an ablation"):
        planned("s", effect=1.0, sd=1.0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"memory": "8"}, "--memory '8' is no amount of memory"),
        ({"steps": 0}, "--steps must be at least 1"),
        ({"out": "x.yaml"}, "add --fit"),
        ({"sd": 1.0}, "--effect"),
        ({"effect": 0.0, "sd": 1.0}, "--effect is a difference other than 0"),
        ({"effect": 1.0, "sd": -1.0}, "--sd is a standard deviation"),
        ({"effect": 1.0}, "--effect is for a study"),
        ({"fit": True, "memory": "1TB", "batch_key": "data.size"}, "--batch-key 'data.size'"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(
    project: Project, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RequestError) as caught:
        planned("configs/toy.yaml", **options)
    assert reason in str(caught.value)


def test_a_name_that_stands_for_nothing_gets_the_nearest(project: Project) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'toy'"):
        planned("toi")


def test_studies_and_configs_are_completed(project: Project) -> None:
    project.study("toast", ABLATION)
    project.config(CONFIG, "other.plan")
    assert completion.plannable("to") == ["toast", "toy"]
    assert completion.plannable("oth") == []


def test_text_names_the_numbers_the_schedule_and_what_is_wrong(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    cosine = {"class_path": "torch.optim.lr_scheduler.CosineAnnealingLR", "init_args": {"T_max": 9}}
    project.config({**CONFIG, "lr_scheduler": cosine})
    native = workflow.plan

    def in_process(*names: Any, **options: Any) -> Any:
        return native(*names, **options, launcher=lambda _: InProcessLauncher())

    monkeypatch.setattr(workflow, "plan", in_process)
    done = CliRunner().invoke(app, ["plan", "toy", "--steps", "6", "--quiet"])
    assert done.exit_code == 0, done.output
    for line in (
        "optimizer steps  12 in 3 epochs",
        "proposed         2 epochs: 8 steps",
        "schedule         CosineAnnealingLR, stepped after every epoch",
        "warning: schedule-length: T_max = 9, but the run has 3 epochs",
        "    do: set lr_scheduler.init_args.T_max to 3",
        "fits into",
    ):
        assert line in done.output
    assert done.output.endswith("toy: 12 optimizer steps in 3 epochs of 4\n")
