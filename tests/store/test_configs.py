"""Configurations of runs, of which equal ones are read once."""

from hypothesis import given
from hypothesis import strategies as st

from ablate.store.plain import to_json
from ablate.store.queries import ConfigReader

KEYS = st.sampled_from(["seed_everything", "model", "data"])
PLAIN = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["seed_everything", '"', '{"', 0.5]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(KEYS, PLAIN, max_size=3), max_size=6))
def test_a_configuration_is_read_as_it_was_written(configs):
    reader = ConfigReader()
    assert [to_json(reader.read(to_json(config))) for config in configs] == [
        to_json(config) for config in configs
    ]


def test_configurations_that_differ_in_their_seed_share_the_rest():
    reader = ConfigReader()
    first, second = (
        reader.read(to_json({"seed_everything": seed, "model": {"width": 8}})) for seed in (1, -2)
    )
    assert (first["seed_everything"], second["seed_everything"]) == (1, -2)
    assert first["model"] is second["model"]
