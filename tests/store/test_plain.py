from datetime import UTC, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from ablate.store.plain import from_json, ordered_hash, storable, to_json
from ablate.store.tables import UtcDateTime

texts = st.text(st.characters())
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(plain)
def test_plain_data_survives_as_json_with_its_order(data):
    written = to_json(data)
    again = from_json(written)
    assert again == data
    assert to_json(again) == written
    assert storable(written) == written


def test_the_order_of_arms_changes_a_definition_hash():
    assert ordered_hash({"a": 1, "b": 2}) != ordered_hash({"b": 2, "a": 1})


@given(st.datetimes(), st.integers(-12, 12))
def test_times_come_back_in_utc_whatever_zone_they_were_given_in(moment, hours):
    aware = moment.replace(year=2026, tzinfo=timezone(timedelta(hours=hours)))
    column = UtcDateTime()
    again = column.process_result_value(column.process_bind_param(aware, None), None)
    assert again == aware
    assert again.tzinfo is UTC
