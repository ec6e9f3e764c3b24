"""A study with a design over components, and published figures, from its file to its report."""

import csv
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import SpecError
from ablate.reports.numbers import NOTHING
from ablate.spec import read_study

from .conftest import ABLATION, CONFIG, Project, build, replay

WIDE = {"model.init_args.width": 16}
SHORT = {"trainer.max_epochs": 1}
DESIGNED: dict[str, Any] = {
    **{key: value for key, value in ABLATION.items() if key != "arms"},
    "design": ["ladder", "arms"],
    "components": {"short": SHORT, "wide": WIDE},
    "reference": "base",
    "seeds": [1],
}
PUBLISHED = {
    "source": "Table 1",
    "values": {"to_short": {"val_loss": [2.0, 3.0]}, "mean": {"val_error": 0.0}},
}


def test_a_design_is_run_and_reported_and_figures_may_be_published_later(project: Project) -> None:
    project.study("d", DESIGNED)
    first = replay("d", project.request())
    names = ["base", "to_short", "full", "wide", "mean"]
    assert [run.arm for run in first.runs] == names
    assert {run.arm: run.epochs for run in first.runs} == {
        "base": 3,
        "to_short": 1,
        "full": 1,
        "wide": 3,
        "mean": 0,
    }

    project.study("d", DESIGNED, published=PUBLISHED)
    again = replay("d", project.request())
    assert again.already_done
    assert again.runs == first.runs

    with project.store() as store:
        written = build(store, "d", Path("results/d/report"))
        assert {run.status for run in store.runs("d")} == {"complete"}
    report = written.markdown.read_text()
    assert "`to_short` | cumulative, independent | short |" in report
    assert "| [`base`](#arm-base) (reference) | 1 of 1 |" in report
    assert "Source: Table 1." in report
    assert "earlier definition" not in report
    with (written.folder / "published.csv").open(newline="") as file:
        table, floor = csv.DictReader(file)
    assert (table["arm"], table["metric"]) == ("to_short", "val_loss")
    assert (float(table["published"]), table["published_n"], table["n"]) == (2.5, "2", "1")
    assert float(table["difference"]) == pytest.approx(float(table["ours"]) - 2.5)
    assert float(floor["difference"]) == float(floor["ours"]) > 0


def test_a_path_between_two_configs_is_run_to_its_end(project: Project) -> None:
    end = {**CONFIG, "trainer": {**CONFIG["trainer"], "max_epochs": 1}}
    end["data"] = {"class_path": "toy.Points", "init_args": {"batch_size": 8}}
    project.config(end, "end")
    study = {key: value for key, value in DESIGNED.items() if key not in {"components", "floor"}}
    project.study("p", study, design="path", to="../configs/end.yaml")
    result = replay("p", project.request())
    assert [run.arm for run in result.runs] == ["base", "to_batch_size", "full"]
    with project.store() as store:
        last = store.runs("p", with_config=True)[-1].config
    assert last["data"]["init_args"]["batch_size"] == 8
    assert last["trainer"]["max_epochs"] == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"to_shrt": {"val_loss": 1}}, "published.values: 'to_shrt' is no arm: did you mean"),
        ({"base": {"val_loss": []}}, "published.values.base.val_loss: "),
        ({"base": {"val_loss": float("nan")}}, "published.values.base.val_loss: "),
        ({"base": {"val_loss": "much"}}, "published.values.base.val_loss: "),
    ],
)  # fmt: skip
def test_a_published_figure_of_no_arm_or_of_no_number_is_refused(
    project: Project, values: Any, message: str
) -> None:
    project.study("d", DESIGNED, published={"source": "Table 1", "values": values})
    with pytest.raises(SpecError) as caught:
        read_study("d")
    assert message in str(caught.value)


def test_a_published_figure_of_a_metric_that_is_never_logged_is_refused(project: Project) -> None:
    published = {"source": "Table 1", "values": {"base": {"val_los": 1.0}}}
    project.study("d", DESIGNED, published=published)
    before = project.files()
    with pytest.raises(SpecError, match=r"published\.values\.base: the arm never logs 'val_los'"):
        replay("d", project.request())
    assert project.files() == before


def test_figures_of_arms_that_have_no_run_stand_alone(project: Project) -> None:
    project.study("d", DESIGNED)
    replay("d", project.request())
    components = {"short": {"trainer.max_epochs": 2}, "wide": WIDE}
    project.study("d", DESIGNED, components=components, published=PUBLISHED)
    definition = read_study("d").prepare("cpu").definition
    with project.store() as store:
        store.define("d", definition)
        report = build(store, "d", Path("results/d/report")).markdown.read_text()
    assert f"| `to_short` | `val_loss` | 2.500 | 2 | {NOTHING} | 0 | {NOTHING} |" in report
