"""The section per task shows the groups that tell most, and says where the others are."""

from io import StringIO

import pandas as pd
import pytest

from ablate.analysis import conclude
from ablate.analysis.groups import DIFFERENCES
from ablate.reports import Audit, Reported, markdown
from ablate.reports import groups as section
from ablate.reports.blocks import Document
from ablate.reports.files import tables
from tests.analysis.frames_of import frames, run
from tests.analysis.pairs import compared
from tests.analysis.test_groups import groups_frame, made

SEEDS = [0.25, 0.5, 0.5]


def written(values, *comparisons, **more):
    built, groups = made(values, **more)
    found = section.sections(built, comparisons, groups)
    return markdown.render(Document("t", (), found))


def arms(groups, shift=0.25):
    return {
        "b": {f"t{i}": SEEDS for i in range(groups)},
        "a": {f"t{i}": [min(v + shift * (i % 3 - 1), 1) for v in SEEDS] for i in range(groups)},
    }


def test_a_study_whose_modules_tell_nothing_has_no_section():
    built = frames([run(1)], {(1, "loss"): [1.0]})
    assert section.sections(built, (), groups_frame(built, [])) == ()


def test_few_groups_are_shown_whole_worst_first():
    page = written(arms(3), compared("a", "b"))
    assert "## Per task" in page
    assert "**acc** (maximize) by task: 3 groups of 4 examples, at the best epoch of loss." in page
    assert "| arm | t0 | t1 | t2 |" in page
    assert "Means over the seeds:" in page
    rows = [line for line in page.splitlines() if line.startswith("| `t")]
    assert [row[3:5] for row in rows] == ["t0", "t1", "t2"]
    assert "b: 0.4167" in rows[0]
    assert "more row" not in page


def test_many_groups_are_folded_and_counted():
    page = written(arms(40), compared("a", "b"))
    assert "in the 10 of 40 groups in which arms differ most" in page
    assert len([line for line in page.splitlines() if line.startswith("| `t")]) == 24
    assert "16 more rows in `groups.csv`." in page
    assert "about 2 of these 40 would miss 0 by chance alone" in page


def test_the_arms_over_all_groups_have_intervals():
    page = written(arms(4), compared("a", "b"))
    (row,) = [line for line in page.splitlines() if line.startswith("| `a` |") and "`b`" in line]
    assert " to " in row


@pytest.mark.parametrize("metric", ["acc", "told_alone"])
def test_without_a_comparator_or_a_direction_there_are_no_differences(metric):
    page = written(arms(2), metric=metric)
    assert "comparator, its worst" not in page
    if metric == "told_alone":
        assert "(told_alone) are none of the study's: see `groups.csv`." in page


def test_one_seed_has_no_interval_and_no_nan():
    values = {arm: {g: [v[0]] for g, v in groups.items()} for arm, groups in arms(3).items()}
    page = written(values, compared("a", "b"), seeds=(1,))
    assert "nan" not in page


def test_the_file_of_groups_has_the_differences_of_all(tmp_path):
    built, told = made(arms(40))
    reported = Reported(conclude(built), Audit(made=False), groups=told)
    found = pd.read_csv(StringIO(tables(reported, tmp_path)[section.FILE]))
    assert list(found.columns) == DIFFERENCES
    of_a = found[found["arm"] == "a"]
    assert len(of_a) == 40
    assert of_a["comparator"].unique().tolist() == ["b"]
    assert of_a["gain"].is_monotonic_increasing
    assert (of_a["low"] <= of_a["difference"]).all()


def test_without_groups_there_is_no_file_of_them(tmp_path):
    built = frames([run(1)], {(1, "loss"): [1.0]})
    assert section.FILE not in tables(Reported(conclude(built), Audit(made=False)), tmp_path)
