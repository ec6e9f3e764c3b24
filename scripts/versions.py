"""Run the tests of the resolver at both ends of the supported range of what it rests on.

`make versions` runs this in `.venv`. Each end gets an environment of its own in a temporary
folder: the packages of `.venv`, as pinned in `constraints.txt`, with one of them replaced.
"""

import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("jsonargparse", "lightning")
TESTS = ("tests/run/test_lightning_cli.py", "tests/run/test_config_errors.py")


def main() -> int:
    """Try both ends for each package; return 1 if the tests failed at any of them."""
    verdicts = []
    for name in PACKAGES:
        requirement = supported(name)
        lowest = next(part.version for part in requirement.specifier if part.operator == ">=")
        for end, wanted in (("lowest", f"{name}=={lowest}"), ("newest", str(requirement))):
            with tempfile.TemporaryDirectory(prefix="ablate-versions-") as folder:
                print(f"--- {end} {name}: {wanted}", flush=True)
                verdicts.append(verdict(Path(folder), name, wanted, end))
                print(verdicts[-1], flush=True)
    print("\n".join(["", *verdicts]))
    return int(any(": passed" not in line for line in verdicts))


def supported(name: str) -> Requirement:
    """Return what pyproject.toml says of a package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = map(Requirement, project["dependencies"])
    return next(requirement for requirement in requirements if requirement.name == name)


def verdict(folder: Path, name: str, wanted: str, end: str) -> str:
    """Install a version into an environment in `folder`, run the tests and say how they ended."""
    python = environment(folder / "environment")
    pinned = (ROOT / "constraints.txt").read_text().splitlines(keepends=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(line for line in pinned if not line.startswith(f"{name}==")))
    install = ("pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade", wanted)
    if ran(python, *install, "-c", str(constraints)):
        return f"{name} ({end}, {wanted}): could not be installed"
    ask = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    done = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    version = done.stdout.strip()
    failed = ran(python, "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    return f"{name} {version} ({end}): {'FAILED' if failed else 'passed'}"


def environment(folder: Path) -> Path:
    """Make an environment that sees every package of this one, and return its interpreter."""
    venv.create(folder, with_pip=True, symlinks=True)
    scheme = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    base = sysconfig.get_path("purelib")
    (packages / "base.pth").write_text(f"import site; site.addsitedir({base!r})\n")
    return Path(sysconfig.get_path("scripts", "venv", scheme)) / "python"


def ran(python: Path, *command: str) -> int:
    """Run a module in an environment from the root of the project; return its exit status."""
    return subprocess.run([python, "-m", *command], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
