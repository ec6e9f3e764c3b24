"""Values of runs, read as arrays, against reading them one by one."""

import math

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import arms_table, curves, scores
from ablate.analysis.points import at_best, at_last
from ablate.spec import Direction, Objective, Status
from tests.analysis.frames_of import METRICS, definition, frames, run

VALUES = st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0, math.nan, math.inf])
CURVES = st.lists(VALUES, max_size=4)


@st.composite
def studies(draw):
    """Imagine runs of any order, some without values, and what is read of them."""
    runs = [
        run(
            run_id,
            trial=draw(st.integers(0, 4)),
            seed=draw(st.integers(1, 2)),
            attempt=attempt,
            arm=draw(st.sampled_from(["a", "b", "zero"])),
            status=draw(st.sampled_from([Status.COMPLETE, Status.COMPLETE, Status.FAILED])),
        )
        for attempt, run_id in enumerate(draw(st.permutations([11, 2, 7, 3])))
    ]
    known = {
        (made.id, metric): values for made in runs for metric in METRICS if (values := draw(CURVES))
    }
    objective = Objective(
        metric="loss",
        direction=draw(st.sampled_from(list(Direction))),
        at=draw(st.sampled_from(["best", "last"])),
    )
    return frames(runs, known, definition(objective=objective)), known


def best_place(values, direction):
    """Return where a value is best, None if none is finite."""
    finite = [value for value in values if math.isfinite(value)]
    return values.index(direction.best(finite)) if finite else None


@settings(max_examples=20, deadline=None)
@given(studies())
def test_every_metric_is_read_where_the_objective_is_best_or_last(drawn):
    made, known = drawn
    objective = made.definition.objective
    expected = {"best": [], "last": []}
    for run_id in sorted(made.current["run_id"]):
        own = known.get((run_id, "loss"), [])
        places = {"best": best_place(own, objective.direction), "last": len(own) - 1}
        for how, place in places.items():
            for name in sorted(METRICS):
                values = known.get((run_id, name), [])
                if place is not None and 0 <= place < len(values):
                    expected[how].append((run_id, place, 10 * place, name, repr(values[place])))
    best = at_best(made, "loss", objective.direction)
    for how, read in {"best": best, "last": at_last(made, "loss")}.items():
        assert list(read) == ["run_id", "epoch", "step", "name", "value"]
        rows = read.itertuples(index=False, name=None)
        assert [(*row[:4], repr(float(row[4]))) for row in rows] == expected[how]


@settings(max_examples=20, deadline=None)
@given(studies())
def test_a_value_is_what_was_recorded_where_the_run_is_read(drawn):
    made, known = drawn
    objective = made.definition.objective
    table = scores(made, METRICS, objective)
    assert len(table) == len(METRICS) * len(made.current)
    for row in table.itertuples():
        own, values = (known.get((row.run_id, name), []) for name in ("loss", row.metric))
        last = objective.at == "last"
        place = len(own) - 1 if last else best_place(own, objective.direction)
        there = place is not None and 0 <= place < len(values)
        assert repr(row.value) == repr(values[place] if there else math.nan)
        assert (row.epoch is pd.NA) == (not there)
        if there:
            assert (row.epoch, row.step, row.last_epoch) == (place, 10 * place, len(own) - 1)
        status = made.runs.set_index("run_id").loc[row.run_id, "status"]
        counts = status == Status.COMPLETE and own and math.isfinite(own[-1]) and there
        assert (row.reading == "counted") == bool(counts and math.isfinite(row.value))
        assert (row.why == "") == (row.reading == "counted")


@settings(max_examples=20, deadline=None)
@given(studies())
def test_an_arm_has_the_cells_of_its_own_runs_by_seed(drawn):
    made, _ = drawn
    table = scores(made, METRICS, made.definition.objective)
    for row in arms_table(made).itertuples():
        own = table[(table["metric"] == row.metric) & (table["arm"] == row.arm)]
        own = own.sort_values(["seed", "trial"])
        run_cells = [cell for cell in row.cells if cell.trial is not None]
        assert [cell.trial for cell in run_cells] == own["trial"].tolist()
        assert [cell.reading for cell in run_cells] == own["reading"].tolist()
        counted = own[own["reading"] == "counted"]
        assert row.best_epochs == tuple(counted["epoch"])
        assert row.last_epochs == tuple(counted["last_epoch"])
        assert row.n == len(counted)


@settings(max_examples=20, deadline=None)
@given(studies())
def test_curves_are_by_trial_seed_and_step(drawn):
    made, known = drawn
    for metric in METRICS:
        found = curves(made, metric)
        expected = [
            (row.run_id, epoch, repr(value))
            for row in made.current.itertuples()
            for epoch, value in enumerate(known.get((row.run_id, metric), []))
        ]
        read = zip(found["run_id"], found["epoch"], map(repr, found["value"].tolist()), strict=True)
        assert list(read) == expected
