"""The whole audit of small projects: configurations resolved, arms built and examined."""

from typing import Any

import pytest

from ablate.audits.check import audit, declared
from ablate.audits.codes import as_rows
from ablate.errors import SpecError
from ablate.run import InProcessLauncher, LocalLauncher
from ablate.spec import Study, read_study
from ablate.workflow.audited import audit_study
from tests.audits.studies import SEARCH as PLAN
from tests.audits.studies import ablation, codes
from tests.audits.studies import search as planned
from tests.study.conftest import ABLATION, SEARCH, Project, project, search

__all__ = ["project"]

SEEDS = [1, 2, 3]
DEADLY = """
import os, signal
from toy import Toy

class Deadly(Toy):
    def training_step(self, batch, index):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def prepared(project: Project, base: dict[str, Any], **changes: Any) -> Study:
    project.study("x", base, **changes)
    return read_study("x").prepare("cpu")


def audited(study: Study, **options: Any) -> list[Any]:
    return audit(study, InProcessLauncher(), **options)


def test_a_clean_ablation_has_neither_errors_nor_warnings(project: Project) -> None:
    told: list[str] = []
    found = audited(prepared(project, ABLATION, seeds=SEEDS), say=told.append)
    assert set(codes(found).values()) <= {"note"}, found
    assert "unequal-parameters" in codes(found)  # the probes have looked
    # This process has code of others, too, that may go by the order of a set.
    first, *probed = (line for line in told if not line.startswith("setting up"))
    assert first == "probing the behaviour of 3 arms"
    assert [line.split(":")[0] for line in probed] == [f"probed {n} of 3" for n in (1, 2, 3)]
    assert {row.stage for row in as_rows(found)} <= {"static", "probe"}


def test_without_probes_nothing_is_built(project: Project) -> None:
    study = prepared(project, ABLATION, seeds=[1], arms={"full": {}, "narrow": {
        "model.init_args.heads": 3,  # its constructor refuses this
    }}, reference=None)  # fmt: skip
    found = audited(study, probes=False)
    assert {row.stage for row in as_rows(found)} == {"static"}


def test_a_configuration_that_does_not_resolve_is_named(project: Project) -> None:
    study = prepared(project, ABLATION, arms={"full": {}, "typo": {"model.init_args.widht": 2}},
                     reference=None)  # fmt: skip
    with pytest.raises(
        SpecError, match=r"x: arms\.typo: model\.init_args\.widht.*did you mean 'width'"
    ):
        audited(study, probes=False)


def test_arms_that_are_one_function_and_keys_that_do_nothing_are_found(project: Project) -> None:
    arms = {"full": {}, "idle": {"model.init_args.mishap": "other"}}
    found = audited(prepared(project, ABLATION, seeds=SEEDS, arms=arms, reference="full"))
    assert codes(found)["same-function"] == "warning"
    (dead,) = [item for item in found if item.code == "dead-key" and item.severity == "warning"]
    assert (dead.arms, dead.where) == (("idle",), "model.init_args.mishap")


@pytest.mark.long
def test_an_arm_that_can_not_be_examined_is_noted(project: Project) -> None:
    (project.folder / "deadly.py").write_text(DEADLY)
    study = prepared(project, ABLATION, seeds=SEEDS, floor={}, reference=None,
                     arms={"full": {}, "dead": {"model.class_path": "deadly.Deadly"}})  # fmt: skip
    launcher = LocalLauncher(1)
    try:
        found = audit(study, launcher)
    finally:
        launcher.close()
    (item,) = [item for item in found if item.code == "probe-not-run" and "dead" in item.arms]
    assert "killed by signal 9" in item.what


def test_a_searched_batch_size_that_a_probe_clears_is_no_finding(project: Project) -> None:
    space = {**SEARCH["space"], "data.init_args.batch_size": {"choice": [8, 16]}}
    study = prepared(project, SEARCH, space=space, budget={"trials": 15})
    assert "objective-depends-on-searched" in codes(audited(study, probes=False))
    found = audited(study)
    assert "objective-depends-on-searched" not in codes(found)
    assert "error" not in codes(found).values()


def test_the_recorded_trial_that_a_study_names_is_compared_with(project: Project) -> None:
    exact = 0.012345678901234567
    point = {"optimizer.init_args.lr": exact, "model.init_args.width": 8}
    project.study("s", SEARCH, budget={"trials": 1}, enqueue=[point])
    search("s", project.request())

    def rounded(**provenance: Any) -> list[Any]:
        study = prepared(
            project, ABLATION, seeds=SEEDS, provenance=provenance,
            arms={"full": {"optimizer.init_args.lr": 0.0123}}, reference=None,
        )  # fmt: skip
        found = audit_study(study, InProcessLauncher(), project.request(), (), probes=False)
        return [item for item in found if item.code == "rounded-value"]

    (item,) = rounded(study="s", trial=0)
    assert "trial s/0" in item.what
    assert repr(exact) in item.what
    for provenance in ({}, {"study": "s", "trial": 9}, {"study": "zzz", "trial": 0}):
        assert rounded(**provenance) == []


def test_what_a_study_declares_is_given_to_the_comparison() -> None:
    values = {"full": {"val_loss": [0.5, 0.25]}, "zero": {"val_loss": 0.1}}
    said = declared(
        ablation(
            published={"source": "a paper", "values": values},
            arms={"full": {}, "other": {"model": {"init_args": {"width": 1}}}},
        )
    )
    assert said.changes["other"] == {"model.init_args.width": 1}
    assert said.metrics == {"val_loss": "minimize"}
    assert said.reached == {"val_loss": 0.25}  # not that of the floor


def test_a_search_declares_its_space() -> None:
    assert declared(planned()).changes == {"s": dict.fromkeys(PLAN["space"])}
