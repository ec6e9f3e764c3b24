"""The section on the effects of components says what was computed, and what can't be told."""

from io import StringIO

import pandas as pd
import pytest

from ablate.analysis import conclude
from ablate.reports import Audit, Reported, markdown
from ablate.reports import effects as section
from ablate.reports.blocks import Document
from ablate.reports.files import tables
from tests.analysis.frames_of import frames, run
from tests.analysis.test_effects import effects, noisy, study


def written(found):
    return markdown.render(Document("t", (), section.sections([*found.values()])))


def test_a_design_without_effects_has_no_section():
    assert section.sections([]) == ()


def test_every_effect_is_a_row_with_its_verdict():
    noise = noisy(1, 0.1)
    found = effects(
        study("abc", "factorial"),
        lambda chosen, seed: 3 * ("a" in chosen) - ({"b", "c"} <= {*chosen}) + noise(chosen, seed),
        seeds=range(1, 8),
    )
    page = written(found)
    assert "**loss** (minimize):" in page
    for term in ("a", "b", "c", "a:b", "a:c", "b:c"):
        assert f"| `{term}` |" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| `a` |")]
    assert "| ▼ worse |" in row
    (row,) = [line for line in page.splitlines() if line.startswith("| `b:c` |")]
    assert "lower with c than without" in row
    assert "can't tell" not in page
    assert "Test: exact sign-flip over the seeds" in page


def test_the_aliases_of_a_fraction_are_named():
    page = written(effects(study("abc", "fractional"), noisy(1), seeds=range(1, 6)))
    assert "| `a = -b:c` |" in page
    assert "`a = -b:c`, `b = -a:c`, `c = -a:b`." in page
    assert "The interaction" not in page


def test_too_few_seeds_have_no_number_that_is_not_there():
    page = written(effects(study("ab", "factorial"), noisy(1), seeds=(1,)))
    assert "only 1 seed has the arms that it takes" in page
    assert "nan" not in page
    assert "Test:" not in page


def test_the_file_of_effects_has_a_row_for_each(tmp_path):
    made = study("ab", "factorial")
    runs = [
        run(10 * seed + n, arm=arm.name, seed=seed)
        for seed in (1, 2)
        for n, arm in enumerate(made.trained)
    ]
    built = frames(runs, {(one.id, "loss"): [2.0 * (one.id % 10)] for one in runs}, made)
    reported = Reported(conclude(built), Audit(made=False))
    found = pd.read_csv(StringIO(tables(reported, tmp_path)["effects.csv"]))
    assert found["term"].tolist() == ["a", "b", "a:b"]
    assert found["estimate"].tolist() == pytest.approx([2, 4, 0])
