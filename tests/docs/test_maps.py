"""The maps of the house name what there is."""

import re
from importlib.util import find_spec

import pytest

from tests.docs.blocks import README, ROOT, table_below
from tests.test_architecture import ARROWS

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
HOUSE = ROOT / "src" / "ablate"
PACKAGES = {path.parent.name for path in HOUSE.glob("*/__init__.py")}


def test_the_readme_names_exactly_the_packages_there_are() -> None:
    map_of_the_house = README.read_text(encoding="utf-8").split("## The map of the house")[1]
    assert set(re.findall(r"`src/ablate/(\w+)`", map_of_the_house)) == PACKAGES


def test_contributors_see_exactly_the_packages_there_are_and_who_imports_whom() -> None:
    rows = table_below(CONTRIBUTING.read_text(encoding="utf-8"), "The map of the house")
    imports = {name: set(re.findall(r"`(\w+)`", cells[1])) for name, cells in rows.items()}
    assert imports == {name: ARROWS[name] for name in PACKAGES}


def test_packages_stand_above_those_they_import() -> None:
    rows = list(table_below(CONTRIBUTING.read_text(encoding="utf-8"), "The map of the house"))
    for name in rows:
        assert all(rows.index(other) > rows.index(name) for other in ARROWS[name])


def test_a_runs_way_leads_through_modules_there_are() -> None:
    section = CONTRIBUTING.read_text(encoding="utf-8").split("## The way of a run")[1]
    way = re.findall(r"^\d\. `(ablate[\w.]+)`", section, re.MULTILINE)
    assert way == [
        "ablate.cli",
        "ablate.workflow",
        "ablate.study.coordinator",
        "ablate.run.launchers",
        "ablate.run.worker",
        "ablate.run.execute",
        "ablate.store",
    ]
    assert all(find_spec(name) for name in way)


def test_the_map_of_the_tests_names_what_stands_beside_the_packages() -> None:
    tests = ROOT / "tests"
    named = set(table_below(CONTRIBUTING.read_text(encoding="utf-8"), "The tests"))
    beside = {path.name for path in tests.iterdir() if path.is_dir()} - PACKAGES - {"__pycache__"}
    beside |= {path.name for path in tests.glob("test_*.py")}
    assert {f"tests/{name}" for name in beside} <= named
    assert all((ROOT / name).exists() for name in named)


WORDS = [
    *("study", "trial", "run", "attempt", "arm", "component", "floor", "ladder", "replicate"),
    *("profile", "window", "finding", "provenance", "definition", "objective", "seed", "workers"),
]


@pytest.mark.parametrize("word", WORDS)
def test_the_glossary_says_a_word_in_a_few_sentences(word: str) -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    said = re.search(rf"^\| {word} \| (.+) \|$", glossary, re.MULTILINE)
    assert said, word
    assert 1 <= len(re.findall(r"\.(?: |$)", said[1])) <= 3
