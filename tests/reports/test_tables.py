"""Tables of plain numbers, against writing them cell by cell."""

import csv
import io
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import curves, metric_names
from ablate.reports.cells import line
from ablate.reports.tables import curves_csv
from tests.analysis.frames_of import frames, run

NAMES = st.sampled_from(["loss", "a,b", '="x"', "two\nlines", "'", "ü"])


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.tuples(st.integers(1, 4), NAMES), st.lists(st.floats(), max_size=4)),
    NAMES,
)
def test_the_curves_are_written_as_cell_by_cell(known, arm):
    made = frames([run(i, seed=i, arm=arm if i % 2 else None) for i in range(1, 5)], known)
    columns = ["metric", "trial", "arm", "seed", "run_id", "epoch", "step", "value"]
    expected = line(columns)
    for metric in metric_names(made):
        found = curves(made, metric).assign(metric=metric)
        for row in found[columns].itertuples(index=False, name=None):
            cells = ["" if cell != cell else cell for cell in row[:-1]]  # noqa: PLR0124 - NaN
            expected += line([*cells, row[-1]])
    assert "".join(curves_csv(made)) == expected


def test_a_secret_in_a_name_is_masked_and_the_numbers_are_kept():
    name = "https://user:password@host"
    text = "".join(curves_csv(frames([run(1)], {(1, name): [0.5, math.nan]})))
    assert "password" not in text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["epoch"], row["value"]) for row in rows] == [("0", "0.5"), ("1", "nan")]
