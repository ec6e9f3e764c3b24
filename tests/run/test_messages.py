"""Messages: one line each, whatever they hold, and the same on the other side."""

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.run import (
    Answered,
    Event,
    Finished,
    Lost,
    Probed,
    Progress,
    Ready,
    Reported,
    Resolved,
    Started,
)
from ablate.run.messages import decode_event, encode

numbers = st.integers(0, 10**9)
texts = st.text()
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(texts, plain, max_size=4)
values = st.floats(allow_nan=False)
EVENTS = {
    Ready: st.builds(Ready, mappings),
    Resolved: st.builds(Resolved, numbers, mappings),
    Probed: st.builds(Probed, numbers, numbers, st.lists(texts), numbers),
    Answered: st.builds(Answered, numbers, mappings),
    Started: st.builds(Started, numbers, numbers, numbers, st.none() | numbers),
    Progress: st.builds(Progress, numbers, numbers, numbers),
    Reported: st.builds(
        Reported,
        numbers,
        st.sampled_from(["train", "val"]),
        numbers,
        numbers,
        st.dictionaries(texts, values),
        st.none() | values,
    ),
    Finished: st.builds(
        Finished,
        numbers,
        st.sampled_from(["complete", "pruned", "failed", "interrupted"]),
        st.none() | texts,
        st.none() | numbers,
        st.none() | numbers,
        st.dictionaries(texts, texts),
        st.booleans(),
        st.booleans(),
        st.none() | texts,
    ),
    Lost: st.builds(Lost, numbers, texts),
}


def test_every_kind_of_event_is_tried():
    assert set(EVENTS) == set(get_args(Event))


@given(st.one_of(*EVENTS.values()))
def test_an_event_is_one_line_and_comes_back_the_same(event):
    line = encode(event)
    assert line.index(b"\n") == len(line) - 1
    assert decode_event(line) == event


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_values_that_are_no_numbers_survive(value):
    back = decode_event(encode(Reported(1, "val", 2, 3, {"val_loss": value}, value)))
    assert isinstance(back, Reported)
    for number in (back.metrics["val_loss"], back.objective):
        assert number is not None
        assert number == value or (math.isnan(number) and math.isnan(value))
