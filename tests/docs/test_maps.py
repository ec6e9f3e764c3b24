"""The maps of the house name what there is."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from ablate.analysis import Verdict
from ablate.analysis.doubts import TOUCHES_COMPARABILITY
from ablate.audits.codes import CODES
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
    *("comparator", "paired difference", "interval", "p", "Holm", "verdict", "margin"),
    *("better, worse", "equivalent", "cannot tell", "not comparable", "floor not beaten"),
]


@pytest.mark.parametrize("word", WORDS)
def test_the_glossary_says_a_word_in_a_few_sentences(word: str) -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    said = re.search(rf"^\| {word} \| (.+) \|$", glossary, re.MULTILINE)
    assert said, word
    assert 1 <= len(re.findall(r"\.(?: |$)", said[1])) <= 3


def test_the_glossary_and_the_method_name_every_verdict() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    method = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"^\| verdict \| .+: (.+)\. \|$", glossary, re.MULTILINE)
    assert set(re.split(r", | or ", said)) == set(map(str, Verdict))
    assert all(f"**{verdict}**" in method for verdict in Verdict)


def test_the_audits_page_lists_the_warnings_that_leave_a_verdict_open() -> None:
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    listed = table_below(page, "What a finding does to a verdict")
    assert {code: said for code, (said,) in listed.items()} == {
        code: CODES[code].title for code in TOUCHES_COMPARABILITY
    }


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([\w./-]*)#?([\w-]*)\)", page.read_text("utf-8")):
        other = page.parent / target if target else page
        assert other.exists(), target
        titles = re.findall(r"^#+ (.+)$", other.read_text("utf-8"), re.MULTILINE) if anchor else []
        slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
        assert not anchor or anchor in slugs, f"{target}#{anchor}"
