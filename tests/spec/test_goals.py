"""What a study expects of its runs, and where it says so."""

import pytest

from ablate.errors import SpecError
from ablate.spec import read_definition
from ablate.testing.definitions import ablation, search

STUDY = (
    "kind: ablation\nconfig: ../configs/base.yaml\nseeds: [1]\nmetrics: {val_loss: minimize}\n"
    "arms: {a: {}, b: {model.init_args.width: 32}}\n"
)
SUCCESS = "success: [{metric: val_loss, statistic: mean, window: 5, below: 0.5}]\n"


def test_goals_are_part_of_what_defines_a_study(project):
    definition = project.study(STUDY + SUCCESS).prepare("cpu").definition
    assert definition.goals.metrics == {"val_loss"}
    assert read_definition(definition.as_plain()) == definition


def test_records_without_goals_are_read():
    for definition in (ablation(), search()):
        plain = definition.as_plain()
        del plain["goals"]
        assert read_definition(plain) == definition


def test_the_file_beside_a_config_holds_the_goals_of_its_runs(project):
    more = "plateau: {metric: loss, direction: minimize, steps: 9}\n"
    project.write("configs/base.goals.yaml", SUCCESS + more)
    assert project.study(STUDY).prepare("cpu").definition.goals.plateau.steps == 9
    own = "plateau: {metric: loss, direction: minimize, steps: 5}\n"
    goals = project.study(STUDY + own).prepare("cpu").definition.goals
    assert (goals.plateau.steps, len(goals.success.all)) == (5, 1)


def test_a_mistake_beside_a_config_is_told_of_that_file(project):
    project.write("configs/base.goals.yaml", "sucess: []\n")
    with pytest.raises(SpecError, match=r"base\.goals\.yaml.*did you mean 'success'"):
        project.study(STUDY).prepare("cpu")


def test_who_is_notified_is_never_stored(project):
    study = project.study(STUDY + "notify: {command: [mail, me]}\n").prepare("cpu")
    assert study.notify.command == ("mail", "me")
    assert "mail" not in str(study.definition.as_plain())


@pytest.mark.parametrize(
    ("goals", "message"),
    [
        ("success: [{metric: a}]", "give one of above, at_least, below, at_most; none"),
        ("success: [{metric: a, above: 1, below: 2}]", "2 of them"),
        ("success: [{metric: a, above: .nan}]", "finite number"),
        ("success: [{metric: a, window: 5, above: 1}]", "'last' has none"),
        ("success: []", "at least 1 entry"),
        ("milestones: [{at: {step: 1, epoch: 2}, expect: {metric: a, above: 1}}]", "give one of"),
        ("milestones: [{at: {share: 1.5}, expect: {metric: a, above: 1}}]", "less than or equal"),
        (
            "milestones: [{at: {step: 1}, expect: {metric: a, above: 1}},"
            " {at: {step: 1}, expect: {metric: b, above: 1}}]",
            "'step 1' is there twice",
        ),
        ("plateau: {metric: a, steps: 5}", "plateau.direction"),
        ("watch: {steps: 5, all: [{metric: a, above: 1}], action: halt}", "note"),
        ("divergence: {metric: a, times: 1}", "greater than 1"),
        ("divergence: {metric: a, first: 0}", "greater than or equal to 1"),
        ("notify: {on: [best]}", "give command, url or both"),
        ("notify: {url: 'file:///etc/passwd'}", "notify.url"),
        ("notify: {url: 'https://me:hunter2xyz@example.org'}", "looks like a secret"),
    ],
)
def test_goals_that_do_not_hold_are_refused(project, goals, message):
    with pytest.raises(SpecError, match=message):
        project.study(f"{STUDY}{goals}\n").prepare("cpu")
