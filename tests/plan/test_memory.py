"""Memory as arithmetic: sizes, lines, and what a step of another batch would take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.plan import Line, Memory, Moment, fit, growth, parse_size, show_size

linear = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GB", 8 * 10**9), ("16 GiB", 2**34), ("512mb", 512 * 10**6), ("1.5KB", 1500), ("7 B", 7)],
)
def test_an_amount_of_memory_is_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["8", "GB", "-1GB", "0GB", "8 cookies", "1e3GB", ""])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="no amount of memory"):
        parse_size(text)


def test_sizes_are_written_with_a_unit():
    assert [show_size(size) for size in (12, 1_250_000, 8 * 10**9)] == ["12 B", "1.25 MB", "8 GB"]


def moments(*levels, names=None):
    names = names or range(len(levels))
    return [Moment(f"aten::{name}", level) for name, level in zip(names, levels, strict=True)]


def peak(lines, batch):
    return max(line.at(batch) for line in lines)


@given(linear, st.integers(1, 4), st.integers(1, 4), st.integers(1, 64))
def test_a_step_whose_memory_is_linear_is_foretold_for_any_batch(made, n, further, batch):
    def step(examples):
        return moments(*(fixed + each * examples for fixed, each in made))

    lines = growth(step(n), n, step(n + further), n + further)
    assert peak(lines, batch) == pytest.approx(max(moment.held for moment in step(batch)))


@given(linear, linear, st.integers(0, 3), st.integers(0, 3), st.integers(2, 64))
def test_operations_that_one_size_alone_did_disturb_no_other(begin, end, few, many, batch):
    def step(examples, extra):
        return [
            *moments(*(fixed + each * examples for fixed, each in begin)),
            *moments(*[1] * extra, names=[f"odd{number}" for number in range(extra)]),
            *moments(*(fixed + each * examples for fixed, each in end)),
        ]

    lines = growth(step(2, few), 2, step(4, many), 4)
    assert peak(lines, batch) == pytest.approx(max(moment.held for moment in step(batch, few)))


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_steps_that_differ_are_foretold_by_their_peaks(low, more):
    lines = growth(moments(low, names="a"), 2, moments(0, low + more, names="bc"), 4)
    assert [line.at(2) for line in lines] == pytest.approx([low])
    assert [line.at(4) for line in lines] == pytest.approx([low + more])


def test_one_size_alone_is_taken_to_grow_with_the_batch():
    assert growth(moments(300, 100), 3, moments(300, 100), 3) == (Line(0.0, 100.0),)


def memory(**changes):
    sizes = {"weights": 100, "buffers": 0, "gradients": 100, "optimizer": 200, "held": 300}
    grows = (Line(100.0, 0.0), Line(0.0, 50.0))
    return Memory(**{**sizes, "grows": grows, "process": 1000, **changes})


def test_a_small_batch_is_ruled_by_gradients_and_a_large_one_by_activations():
    assert memory().peak(1) == 400
    assert memory().peak(8) == 700
    assert memory().activations(8) == 300
    assert memory().needed(8) == 1700
    assert memory(slack=0.5).needed(8) == 1850


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1000, 9000))
def test_a_fit_keeps_the_effective_batch_and_is_the_largest(batch, accumulate_, limit):
    made = memory()
    found = fit(batch, accumulate_, limit, made.needed)
    total = batch * accumulate_
    sizes = [size for size in range(1, total + 1) if total % size == 0]
    fitting = [size for size in sizes if made.needed(size) <= limit]
    if found is None:
        assert not fitting
    else:
        assert found.batch_size * found.accumulate == total
        assert found.batch_size == max(fitting)


def test_a_fit_takes_only_what_is_allowed():
    found = fit(8, 1, 10**9, memory().needed, lambda size, _: size % 8 != 0)
    assert found is not None
    assert (found.batch_size, found.accumulate) == (4, 2)
