"""A request to the probes survives the wire."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.audits.probe_request import ProbeRequest

values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
requests = st.builds(
    ProbeRequest,
    keys=st.none() | st.dictionaries(st.text(), st.lists(values)),
    metrics=st.lists(st.text()).map(tuple),
    seconds=st.floats(0, 1e6),
)


@given(requests)
def test_a_request_comes_back_from_json_as_it_was(request_: ProbeRequest) -> None:
    assert ProbeRequest.of(json.loads(json.dumps(request_.as_dict()))) == request_


def test_a_request_that_says_nothing_tries_no_key() -> None:
    assert ProbeRequest.of({}) == ProbeRequest(keys=None, metrics=())


def test_a_request_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds"):
        ProbeRequest.of({"seconds": "soon"})
