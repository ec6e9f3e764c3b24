"""What a study says of its episodes."""

import pytest

from ablate.errors import SpecError
from ablate.spec import read_definition
from ablate.testing.definitions import ablation

STUDY = (
    "kind: ablation\nconfig: ../configs/base.yaml\nseeds: [1]\nmetrics: {val_loss: minimize}\n"
    "arms: {a: {}, b: {model.init_args.width: 32}}\n"
)


def test_a_study_names_the_metrics_of_its_episodes(project):
    written = STUDY + "episodes: {return: ret, loss: td, horizon: model.init_args.width}\n"
    study = project.study(written).prepare("cpu")
    assert study.definition.episodes.names() == {"return": "ret", "loss": "td"}
    assert study.definition.episodes.horizon == "model.init_args.width"
    assert read_definition(study.definition.as_plain()) == study.definition


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        ("{loss: td}", "episodes.return"),
        ("{return: ret, loss: ret}", "'ret' stands for two of the columns"),
        ("{retrun: ret}", "unknown key 'retrun': did you mean 'return'"),
        ("{return: ret, shares: {x: ret}}", "'ret' stands for two of the columns"),
        ("{return: ret, held_out: ret}", "'ret' stands for two of the columns"),
        ("{return: ret, floor: {c: 1.0}}", "episodes.floor: 'c' is no arm"),
        ("{return: ret, floor: {a: 1.0}, ceiling: {a: 1.0}}", "the floor of 'a' must lie below"),
        (
            "{return: ret, horizon: model.init_args.act}",
            "'relu' in the arm 'a' of .*whole number",
        ),
        ("{return: ret, actions: model.init_args.depth}", "episodes.actions.*is None"),
    ],
)
def test_what_a_study_says_of_its_episodes_must_hold(project, episodes, message):
    with pytest.raises(SpecError, match=message):
        project.study(f"{STUDY}episodes: {episodes}\n").prepare("cpu")


def test_records_without_episodes_are_read():
    plain = ablation().as_plain()
    del plain["episodes"]
    assert read_definition(plain).episodes is None
