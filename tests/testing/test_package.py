"""`ablate.testing` says what it needs."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(name)

import importlib.util
known = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in {absent!r} else known(name, *a)
try:
    import ablate.testing
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("absent", [["pytest"], ["hypothesis"], ["pytest", "hypothesis"]])
def test_what_is_not_installed_is_said(absent):
    code = WITHOUT.format(absent=absent)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"ablate.testing needs {' and '.join(absent)}: pip install 'ablate-hpo[testing]'\n"
    )


def test_no_other_package_needs_pytest():
    code = "import sys, ablate.cli, ablate.workflow.audits; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
