"""Scripts that build a LightningCLI of their own are found by their text."""

from pathlib import Path

import pytest

from ablate.spec.scripts import advice, notice, own_clis

PLAIN = """
from lightning.pytorch.cli import LightningCLI
import modules

def main():
    LightningCLI(save_config_kwargs={"overwrite": True}, subclass_mode_model=True)

if __name__ == "__main__":
    main()
"""
HOOKS = """
from lightning.pytorch.cli import LightningCLI as CLI

class MyCLI(CLI):
    def add_arguments_to_parser(self, parser):
        parser.link_arguments("data.batch_size", "model.batch_size")

class Quiet(CLI):
    pass
"""
BUILDER = f"{HOOKS}\ndef main(args=None):\n    return MyCLI(args=args)\n"


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    return tmp_path / "studies"


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (PLAIN, None),
        ("import nothing", None),
        (HOOKS, None),
        (f"{HOOKS}\nQuiet()", None),
        (f"{HOOKS}\nMyCLI()", "MyCLI"),
        (f"{HOOKS}\nclass Deeper(Quiet, MyCLI): pass\nDeeper(run=False)", "Deeper"),
        (
            "from lightning.pytorch.cli import LightningCLI\nfrom m import Model\n"
            "cli = LightningCLI(Model, run=False)",
            "LightningCLI",
        ),
        (
            "import lightning.pytorch.cli as c\n"
            "if __name__ == '__main__':\n    c.LightningCLI(trainer_defaults={'max_epochs': 2})",
            "LightningCLI",
        ),
        ("from builder import main\nmain()", "MyCLI"),
        ("from builder import other\nother()", "MyCLI"),
        ("def f(:\n LightningCLI", None),
    ],
)
def test_a_script_is_found_by_what_it_builds(studies: Path, script: str, name: str | None) -> None:
    (studies.parent / "builder.py").write_text(BUILDER)
    (studies.parent / "train.py").write_text(script)
    found = own_clis(studies)
    assert [(cli.entry(studies), cli.name) for cli in found] == (
        [("../train.py", name)] if name else []
    )


def test_a_notice_says_what_to_write(studies: Path) -> None:
    assert notice(studies) is None
    (studies.parent / "train.py").write_text(f"{HOOKS}\nMyCLI()")
    (studies / "other.py").write_text(f"{HOOKS}\nMyCLI()")
    for folder in ("tests", ".hidden", "venv"):
        (studies.parent / folder).mkdir()
        (studies.parent / folder / "train.py").write_text(f"{HOOKS}\nMyCLI()")
    assert notice(studies) == (
        "other.py builds a LightningCLI of its own (MyCLI); runs use the plain one. Name it: "
        "cli: other.py (or ../train.py), or say that the plain one is meant: cli: lightning"
    )


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model": {"lr": 0.1}}, "model names no class_path"),
        ({"model": {"class_path": "m.M"}, "data": {"root": "x"}}, "data names no class_path"),
        ({"my_early_stopping": {"patience": 3}}, "plain LightningCLI has no 'my_early_stopping'"),
        ({"trainer": {"max_epochs": "${epochs}"}}, r"trainer.max_epochs is '\$\{epochs\}'"),
    ],
)
def test_a_config_of_an_own_cli_is_told_apart(studies: Path, config: dict, why: str) -> None:
    (studies.parent / "train.py").write_text(f"{HOOKS}\nMyCLI()")
    said = advice(config, studies)
    assert said is not None
    assert why.replace("\\", "") in said
    assert "cli: ../train.py" in said


@pytest.mark.parametrize("config", [{"modle": {}}, {"model": {"class_pth": "m.M"}}, {"model": 5}])
def test_a_slip_of_the_pen_is_no_own_cli(studies: Path, config: dict) -> None:
    assert advice(config, studies) is None
