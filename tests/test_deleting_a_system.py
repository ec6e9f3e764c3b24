"""Deleting a system is deleting what bears its name: the rest stands without it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from ablate.spec.files import beside

ROOT = Path(__file__).parents[1]
COPIED = ("src", "tests", "configs", "studies", "docs", "benchmarks")
SYSTEMS = sorted(path.parent.name for path in ROOT.glob("src/ablate/systems/*/module.py"))

every_system = pytest.mark.parametrize("system", SYSTEMS)


def named_after(system: str, root: Path) -> Iterator[Path]:
    """Yield the files and folders that have the system's name, alone or followed by more."""
    name = re.compile(rf"{system}([._-].*)?")
    for folder in COPIED:
        yield from (path for path in (root / folder).rglob("*") if name.fullmatch(path.name))


def configs_of(system: str, root: Path) -> set[Path]:
    """Return the configs that name a class of the system."""
    return {
        path
        for path in (root / "configs").rglob("*.yaml")
        if f"ablate.systems.{system}." in path.read_text(encoding="utf-8")
    }


def studies_over(configs: set[Path], root: Path) -> Iterator[Path]:
    """Yield the studies that are based on one of the configs."""
    for path in (root / "studies").glob("*.yaml"):
        based_on = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]
        names = [based_on] if isinstance(based_on, str) else based_on
        if configs & {beside(path.parent, name).resolve() for name in names}:
            yield path


def without(system: str, root: Path) -> Path:
    """Copy this repository to `root` and delete a system there."""
    for folder in COPIED:
        leftovers = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / folder, root / folder, ignore=leftovers)
    shutil.copy(ROOT / "pyproject.toml", root)
    configs = configs_of(system, root)
    for path in {*named_after(system, root), *configs, *studies_over(configs, root)}:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # its folder may be gone already
    return root


def packages_of(extra: str) -> list[str]:
    """Return the packages that come with an extra, as they are imported; none if it isn't one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    distributions = {re.split(r"[^\w-]", needed)[0] for needed in extras.get(extra, ())}
    return [
        package
        for package, providers in packages_distributions().items()
        # A distribution may bring its own tests along, under the name of ours.
        if distributions & set(providers) and not (ROOT / package).exists()
    ]


def run_tests(root: Path, missing: list[str], names: str) -> None:
    """Collect all tests of a copy of the repository, some packages not to be had; run some."""
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}));"
        f"import pytest; sys.exit(pytest.main(['-q', '-k', {names!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@every_system
def test_a_system_has_a_config_a_study_and_tests(system: str) -> None:
    configs = configs_of(system, ROOT)
    assert configs
    assert list(studies_over(configs, ROOT))
    assert (ROOT / "tests" / "systems" / system).is_dir()


@pytest.mark.long
@every_system
def test_without_a_system_nothing_speaks_of_it_and_the_rest_stands(
    system: str, tmp_path: Path
) -> None:
    root = without(system, tmp_path / "repository")
    speaks = re.compile(rf"ablate[./]systems[./]{system}\b")
    code = (path for folder in COPIED for path in (root / folder).rglob("*"))
    left = [
        str(path.relative_to(root))
        for path in code
        if path.suffix in {".py", ".yaml"} and speaks.search(path.read_text(encoding="utf-8"))
    ]
    assert left == []
    checks = "test_every_study_prepares or test_what_the_table_says"
    run_tests(root, packages_of(system), checks)
