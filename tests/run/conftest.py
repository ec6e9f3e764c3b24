"""Let assertions in the shared suite explain themselves."""

import pytest

pytest.register_assert_rewrite("tests.run.launcher_suite")
