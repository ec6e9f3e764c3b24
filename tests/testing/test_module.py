"""Hooks that keep their word pass the suite; each lie fails the test that is about it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ablate.spec import dump_yaml
from ablate.testing import ModuleSuite
from tests.testing import talkative

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

OF_MODULE = {
    "properties is no method": {"every_hook_is_a_method"},
    "raises": {"no_hook_raises", "properties_are_tests_by_name"},
    "one loss for all": {"example_losses_are_one_number_per_example"},
    "losses of the batch": {"example_losses_do_not_depend_on_other_examples"},
    "sees the future": {"outputs_do_not_depend_on_later_targets"},
    "changes its targets": {
        "autoregression_is_targets_and_a_function_of_them",
        "outputs_do_not_depend_on_later_targets",
        "example_losses_do_not_depend_on_other_examples",
    },
    "outputs of one position": {
        "autoregression_is_targets_and_a_function_of_them",
        "outputs_do_not_depend_on_later_targets",
    },
    "chance is nowhere": {"chance_loss_is_a_number", "the_first_loss_is_near_that_of_a_guess"},
    "chance is elsewhere": {"the_first_loss_is_near_that_of_a_guess"},
    "a property is a truth value": {"properties_are_tests_by_name"},
    "a property is violated": {"properties_hold"},
    "untrained is a text": {"untrained_names_parts_of_the_module"},
    "untrained is gone": {"untrained_names_parts_of_the_module"},
    "untrained is trained": {"what_is_untrained_gets_no_gradient"},
    "groups without numbers": {
        "group_metrics_are_means_with_numbers_of_examples",
        "group_metrics_agree_with_what_is_logged",
    },
    "groups of other means": {"group_metrics_agree_with_what_is_logged"},
    "groups of the hour": {"group_metrics_are_means_with_numbers_of_examples"},
}
OF_DATA = {
    "a fingerprint of numbers": {
        "a_fingerprint_is_texts_by_name",
        "different_examples_have_different_fingerprints",
    },
    "a fingerprint of nothing": {"different_examples_have_different_fingerprints"},
    "a fingerprint of the hour": {"equal_data_have_equal_fingerprints"},
    "keys of numbers": {"example_keys_are_texts_that_stay", "the_queries_of_contexts_are_examples"},
    "keys that change": {
        "example_keys_are_texts_that_stay",
        "the_queries_of_contexts_are_examples",
    },
    "contexts are texts": {"contexts_are_queries_with_the_keys_shown"},
    "queries of another kind": {"the_queries_of_contexts_are_examples"},
    "a property of the data is violated": {"properties_hold"},
}
SUITES = """
from ablate.testing import ModuleSuite
from tests.testing.talkative import config
"""
SUITE = """
class Test{number}(ModuleSuite):
    config = config({module!r}, {data!r})
"""


MEAN = {
    "model": {"class_path": "ablate.testing.toy.Mean"},
    "data": {"class_path": "ablate.testing.toy.Points"},
    "trainer": {"accelerator": "cpu"},
}


class TestAllHooks(ModuleSuite):
    config = talkative.config()


class TestNoHooks(ModuleSuite):
    config = MEAN


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder of its own."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
def test_each_lie_fails_the_tests_that_are_about_it(tmp_path):
    lies = [(lie, "none") for lie in OF_MODULE] + [("none", lie) for lie in OF_DATA]
    suites = (SUITE.format(number=n, module=lie[0], data=lie[1]) for n, lie in enumerate(lies))
    (tmp_path / "test_lies.py").write_text(SUITES + "".join(suites))
    done = run_pytest(tmp_path, "-rf", "--tb=no")
    found = re.findall(r"FAILED test_lies.py::Test(\d+)::test_(\w+)", done.stdout)
    expected = OF_MODULE | OF_DATA
    failed = {
        lie: {test for n, test in found if int(n) == number} for number, lie in enumerate(expected)
    }
    assert failed == expected, done.stdout


def test_a_config_is_read_from_its_file(tmp_path):
    (tmp_path / "mine.yaml").write_text(dump_yaml(talkative.config()))
    (tmp_path / "test_mine.py").write_text(
        "from ablate.testing import ModuleSuite\n\n"
        "class TestMine(ModuleSuite):\n    config = 'mine.yaml'\n"
    )
    done = run_pytest(tmp_path, "-k", "method")
    assert done.returncode == 0, done.stdout
