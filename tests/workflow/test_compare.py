"""Configs side by side: what follows from them, with factors, and how long it may take."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import RequestError
from ablate.run import InProcessLauncher, Job
from ablate.run.messages import Call
from ablate.spec import paths
from ablate.workflow import compare
from tests.cli.test_commands import new_project
from tests.study.conftest import CONFIG, Project

SHORT, LONG = "configs/toy.yaml", "configs/long.yaml"


class NeverDone(InProcessLauncher):
    """Has no time to build anything."""

    asked = 0

    def submit(self, jobs: Sequence[Job]) -> None:
        building = [job for job in jobs if isinstance(job, Call)]
        type(self).asked += len(building)
        super().submit([job for job in jobs if job not in building])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    made = new_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    made.config(changed({"trainer.max_epochs": 51, "data.init_args": {"batch_size": 8}}), "long")
    yield made
    sys.modules.pop("toy", None)


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = paths.fresh(CONFIG)
    for path, value in changes.items():
        paths.put(config, path, value)
    return config


def compared(*names: str, **options: Any) -> Any:
    options = {"launcher": lambda _: InProcessLauncher(), "quiet": True, **options}
    return compare(*names, **options)


def test_configs_are_set_side_by_side_with_the_numbers_that_follow_and_factors(
    project: Project,
) -> None:
    before = project.files()
    result = compared(SHORT, LONG)
    derived = {row.name: (row.values, row.factors) for row in result.derived}
    assert derived == {
        "batch": ((16, 8), (0.5,)),
        "effective_batch": ((16, 8), (0.5,)),
        "steps_per_epoch": ((4, 8), (2.0,)),
        "epochs": ((3, 51), (17.0,)),
        "optimizer_steps": ((12, 408), (34.0,)),
        "samples_seen": ((192, 3264), (17.0,)),
        "evaluations": ((3, 51), (17.0,)),
    }
    assert "configs/long.yaml: 34x more optimizer steps" in result.summary().splitlines()
    assert project.files() == before


def test_each_config_has_a_factor_of_its_own_over_the_first_one(project: Project) -> None:
    project.config(changed({"trainer.max_epochs": 6}), "double")
    result = compared("configs/double.yaml", SHORT, LONG)
    (steps,) = [row for row in result.derived if row.name == "optimizer_steps"]
    assert steps.factors == (0.5, 17.0)
    said = result.summary().splitlines()
    assert said[1:] == [
        "configs/toy.yaml: 0.5x the optimizer steps",
        "configs/long.yaml: 17x more optimizer steps",
    ]


def test_configs_of_one_length_have_no_factors(project: Project) -> None:
    project.config(changed({"optimizer.init_args.lr": 0.02}), "faster")
    result = compared(SHORT, "configs/faster.yaml")
    assert result.derived == ()
    assert [row.path for row in result.differences] == ["optimizer.init_args.lr"]
    assert result.summary() == "1 key of the configurations differs"


def test_nothing_is_built_where_that_is_not_wanted(project: Project) -> None:
    NeverDone.asked = 0
    result = compared(SHORT, LONG, static=True, launcher=lambda _: NeverDone())
    assert NeverDone.asked == 0
    assert result.derived == ()
    assert {row.path for row in result.differences} == {
        "trainer.max_epochs", "data.init_args.batch_size"
    }  # fmt: skip


def test_what_takes_too_long_to_build_is_left_out_and_said(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    result = compared(
        SHORT, LONG, "configs/../configs/toy.yaml", wait=0.3, quiet=False, workers=1,
        launcher=lambda _: NeverDone(),
    )  # fmt: skip
    assert result.derived == ()
    assert len(result.differences) == 2
    said = capsys.readouterr().err
    assert "(--wait gives them longer, --static builds nothing)" in said
    assert "configs/long.yaml: nothing is said of its length: building it takes too long" in said


def test_a_config_that_cannot_be_built_leaves_the_keys(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.config(changed({"model.init_args.width": 9}), "odd")
    result = compared(SHORT, "configs/odd.yaml", quiet=False)
    assert [row.path for row in result.differences] == ["model.init_args.width"]
    assert result.derived == ()
    assert "odd.yaml: nothing is said of its length" in capsys.readouterr().err


@pytest.mark.parametrize("wait", ["soon", "0", -1.0])
def test_a_wait_is_a_duration(project: Project, wait: str | float) -> None:
    with pytest.raises(RequestError, match=r"--wait .*: write a duration as seconds or like 90s"):
        compared(SHORT, LONG, wait=wait)
