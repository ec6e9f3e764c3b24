import math
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import Change, Importances, importances, next_space, tendencies
from ablate.spec import Choice, Direction, FloatRange, IntRange, Search, Space, Status, parse_yaml
from tests.analysis.searches import SPACE, drawn, trial, with_trials

UNTOLD = Importances((), 0, "not asked")


def propose(frames, found=UNTOLD):
    return next_space(frames, found, tendencies(frames))


def proposed(frames, found=UNTOLD):
    made = propose(frames, found)
    assert made.why_not == ""
    return {one.parameter: one for one in made.proposals}


def read_again(made):
    """Read the YAML of a proposal as a study would."""
    written = parse_yaml(made.as_yaml())
    study = Search(
        config=({"seed_everything": 1},),
        objective={"metric": "loss"},
        budget={"trials": 1},
        **written,
    )
    return dict(Space(study.space))


def test_a_range_whose_optimum_sits_at_an_edge_is_widened_there():
    frames = drawn(60, lambda point: -math.log10(point["lr"]))
    one = proposed(frames)["lr"]
    assert one.change is Change.MOVED
    low, high = one.after.bounds
    assert high > 1.0
    assert 1e-5 < low < 1e-1
    assert "good trials lie at its upper edge, by chance" in one.reason


def test_a_range_is_narrowed_to_where_the_good_trials_lie():
    frames = drawn(80, lambda point: (math.log10(point["lr"]) + 3) ** 2)
    one = proposed(frames)["lr"]
    assert one.change is Change.NARROWED
    low, high = one.after.bounds
    assert 1e-4 < low < 1e-3 < high < 1e-2
    assert "trials tried values outside" in one.reason
    assert proposed(frames)["momentum"].change is Change.KEPT


def test_nothing_is_narrowed_where_no_trial_looked_outside():
    frames = drawn(80, lambda point: point["momentum"], space={"momentum": {"float": (0.4, 0.6)}})
    wide = drawn(1, lambda _: 0.0, space={"momentum": {"float": (0.0, 10.0)}})
    assert proposed(with_trials(wide, frames.trials))["momentum"].change is Change.KEPT


@pytest.mark.parametrize(
    ("parameter", "limit"), [({"float": (0.0, 5.0)}, "0"), ({"int": (1, 64)}, "1")]
)
def test_an_end_that_can_not_be_passed_is_not_widened(parameter, limit):
    frames = drawn(60, lambda point: point["x"], space={"x": parameter})
    one = proposed(frames)["x"]
    assert one.after.bounds[0] == parameter[next(iter(parameter))][0]
    assert f"but {limit} may be a natural limit" in one.reason


def test_a_share_is_widened_no_farther_than_to_one():
    frames = drawn(60, lambda point: -point["x"], space={"x": {"float": (0.0, 0.8)}})
    assert proposed(frames)["x"].after.bounds[1] == 1.0


def test_a_label_that_no_good_trial_has_is_left_out():
    frames = drawn(60, lambda point: (point["kind"] == "b") + 0.01 * point["momentum"])
    one = proposed(frames)["kind"]
    assert one.change is Change.NARROWED
    assert one.after.labels == ("a", "c")
    assert "good trials has b" in one.reason


def test_what_does_not_matter_is_dropped_with_the_value_of_the_best_trial(monkeypatch):
    monkeypatch.setattr("ablate.analysis.importance.RESAMPLES", (30, 30))
    frames = drawn(150, lambda point: (math.log10(point["lr"]) + 3) ** 2, seed=1)
    made = proposed(frames, importances(frames))
    best = min(frames.trials, key=lambda one: one.value)
    dropped = {path for path, one in made.items() if one.change is Change.DROPPED}
    assert dropped == {"momentum", "width", "kind"}
    assert made["width"].fixed == (best.params["width"],)
    assert "below an even share of 25 %" in made["width"].reason


CONDITIONAL = {
    "schedule": {"choice": {"constant": None, "cosine": {"class_path": "C"}, "step": {}}},
    "warmup": {"float": (0.0, 1.0), "when": {"schedule": ["cosine", "step"]}},
    "gamma": {"float": (0.1, 0.9), "when": {"schedule": "step"}},
    "end": {"float": (0.1, 0.9), "when": {"schedule": "cosine"}},
}


def test_conditions_follow_the_choices_that_are_left():
    frames = drawn(90, lambda point: float(point["schedule"] == "step"), space=CONDITIONAL)
    made = proposed(frames)
    assert made["schedule"].after.labels == ("constant", "cosine")
    assert dict(made["warmup"].after.when) == {"schedule": ("cosine",)}
    assert made["gamma"].after is None
    assert made["gamma"].reason == "it needs a choice of schedule that is left out"
    assert read_again(propose(frames)).keys() == {"schedule", "warmup", "end"}


def test_a_choice_of_which_one_label_is_left_is_decided():
    frames = drawn(90, lambda point: float(point["schedule"] != "cosine"), space=CONDITIONAL)
    made = proposed(frames)
    assert made["schedule"].after is None
    assert made["schedule"].fixed == ("cosine",)
    assert dict(made["end"].after.when) == {}
    assert made["gamma"].after is None
    text = propose(frames).as_yaml()
    assert "  # schedule = cosine: none of the" in text


def test_too_few_trials_propose_nothing():
    made = propose(drawn(19, lambda point: point["lr"]))
    assert made.space == {}
    assert made.as_yaml() == (
        "# No space is proposed: 19 complete trials are too few, at least 20 are needed.\n"
    )


def test_where_nothing_would_be_left_nothing_is_proposed():
    space = {"kind": {"choice": ["a", "b"]}}
    made = propose(drawn(60, lambda point: float(point["kind"] == "b"), space=space))
    assert made.proposals == ()
    assert made.why_not.startswith("no parameter would be left (kind: none of the 15 good trials")


def test_pruned_and_failed_trials_are_no_good_ones():
    frames = drawn(40, lambda point: point["lr"])
    worse = [trial(40 + n, None, {"lr": 0.1}, Status.PRUNED) for n in range(5)]
    assert proposed(with_trials(frames, [*frames.trials, *worse])) == proposed(frames)


def test_what_looks_like_a_secret_is_never_written():
    token = "ghp_" + "a1" * 20
    space = {"lr": SPACE["lr"], "api_token": {"choice": ["x", token]}}
    made = propose(drawn(60, lambda point: point["lr"], space=space))
    assert token not in made.as_yaml()
    assert "  # api_token: it holds what looks like a secret" in made.as_yaml()


def test_a_label_can_not_break_out_of_its_remark():
    space = {"kind": {"choice": ["a", "b\nevil: 1", "c"]}}
    made = propose(drawn(90, lambda p: float(p["kind"] not in "ac"), space=space))
    assert set(parse_yaml(made.as_yaml())) == {"space"}
    assert "b evil: 1" in made.as_yaml()


floats = st.floats(-1e9, 1e9).map(lambda x: round(x, 6))
positive = st.floats(1e-12, 1e12)
ranges = st.one_of(
    st.tuples(floats, floats).filter(lambda b: b[1] - b[0] > 1e-3).map(lambda b: {"float": b}),
    st.tuples(positive, positive)
    .filter(lambda b: b[1] > 1.01 * b[0])
    .map(lambda b: {"float": b, "log": True}),
    st.tuples(st.integers(-1000, 1000), st.integers(1, 1000), st.integers(1, 5)).map(
        lambda b: {"int": (b[0], b[0] + b[1] * b[2]), "step": b[2]}
    ),
    st.tuples(st.integers(1, 1000), st.integers(1, 10**6)).map(
        lambda b: {"int": (b[0], b[0] + b[1]), "log": True}
    ),
    st.tuples(st.integers(-50, 50), st.integers(1, 40)).map(
        lambda b: {"float": (b[0] / 10, (b[0] + b[1]) / 10), "step": 0.1}
    ),
    st.integers(2, 5).map(lambda n: {"choice": list("abcde"[:n])}),
    st.just({"choice": [0, 2.5, True, None, "on", [1, 2], {"a": 1}]}),
)


@settings(max_examples=40, deadline=None)
@given(ranges, st.sampled_from([-1, 1, 0]), st.sampled_from(Direction), st.integers(0, 9))
def test_every_proposal_is_a_space_that_reads_back_the_same(parameter, slope, direction, seed):
    def value(point):
        x = point["x"]
        place = float(x) if isinstance(x, (int, float)) else float(len(repr(x)))
        return slope * place if slope else abs(place)

    frames = drawn(40, value, space={"x": parameter}, direction=direction, seed=seed)
    made = propose(frames)
    if made.why_not:
        assert isinstance(frames.definition.space["x"], Choice)
        return
    after = made.space["x"]
    assert read_again(made)["x"] == after
    assert type(after).model_validate(after.model_dump(by_alias=True)) == after
    before = frames.definition.space["x"]
    if isinstance(before, FloatRange | IntRange):
        assert after.log == before.log
        assert after.step == before.step
        assert after.bounds[0] >= 0 or before.bounds[0] < 0
        for end in (0, 1):
            if made.proposals[0].change is Change.NARROWED:
                assert before.bounds[0] <= after.bounds[end] <= before.bounds[1]
        if before.step:
            steps = (after.bounds[0] - before.bounds[0]) / before.step
            assert math.isclose(steps, round(steps), abs_tol=1e-6)


def test_the_proposal_is_plain_yaml_with_its_reasons_as_remarks():
    made = propose(drawn(60, lambda point: -math.log10(point["lr"])))
    text = made.as_yaml()
    assert text.startswith("# Proposed for the search after s, from the best 15 of 60 complete")
    assert yaml.safe_load(text)["space"].keys() == {"lr", "momentum", "width", "kind"}
    assert len(re.findall(r"^  # (moved|kept): ", text, re.M)) == 4
