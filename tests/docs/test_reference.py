"""The reference of the Python API is built from the docstrings, without a warning."""

import html
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ablate
from tests.docs.blocks import ROOT


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "reference.py"), str(folder)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
    return folder


def shown(page: Path, name: str) -> str:
    """Return the text of what a page says of a name."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf'<section id="{name}">(.*?)</section>', text, re.DOTALL)
    assert found, f"{page.name} has no {name}"
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", found[1])).split())


def first_sentence(documented: object) -> str:
    """Return the first sentence of a docstring, as it reads without its backquotes."""
    said = " ".join((inspect.getdoc(documented) or "").replace("`", "").split())
    sentence = re.match(r".+?[.;:](?= |$)", said)
    assert sentence, documented
    return sentence[0]


@pytest.mark.parametrize("name", [name for name in ablate.__all__ if not name.startswith("_")])
def test_every_public_name_is_there_with_what_it_says_of_itself(reference: Path, name: str) -> None:
    assert first_sentence(getattr(ablate, name)) in shown(reference / "ablate.html", name)


def test_every_result_is_there_with_what_it_says_of_itself(reference: Path) -> None:
    from ablate import workflow

    page = reference / "ablate" / "workflow.html"
    for name in workflow.__all__:
        assert first_sentence(getattr(workflow, name)) in shown(page, name)


def test_every_error_and_every_model_of_a_study_is_there(reference: Path) -> None:
    from ablate import errors
    from ablate.spec import models

    for module, page in ((errors, "errors.html"), (models, "spec/models.html")):
        for name, value in vars(module).items():
            own = inspect.isclass(value) and value.__module__ == module.__name__
            if own and not name.startswith("_"):
                assert first_sentence(value) in shown(reference / "ablate" / page, name)


@pytest.mark.parametrize("model", [ablate.Search, ablate.Ablation])
def test_every_field_of_a_study_is_explained(reference: Path, model: type) -> None:
    page = shown(reference / "ablate.html", model.__name__)
    text = (reference / "ablate.html").read_text(encoding="utf-8")
    for field in model.model_fields:  # type: ignore[attr-defined]
        entry = rf'<div id="{model.__name__}\.{field}" class="classattr">.*?class="docstring"'
        found = re.search(entry, text, re.DOTALL)
        assert found, field
        assert found[0].count('class="classattr"') == 1, f"{field} has no docstring"
    assert "PydanticUndefined" not in page
    assert "<function" not in page
