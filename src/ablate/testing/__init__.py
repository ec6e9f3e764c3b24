"""Suites of tests for your own parts: inherit from one and give it your part as a fixture.

- `StorageSuite`: what a database must do for the store.
- `LauncherSuite`: what a launcher must do for the coordinator.
- `ModuleSuite`: whether the hooks of a LightningModule and a LightningDataModule have the right
  shape and say the truth.

The suites need pytest and hypothesis, which the extra `testing` installs.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from ablate.lazy import lazily

if TYPE_CHECKING:
    from ablate.testing.launcher import LauncherSuite
    from ablate.testing.module import ModuleSuite
    from ablate.testing.storage import StorageSuite

__all__ = ["LauncherSuite", "ModuleSuite", "StorageSuite"]

_HOMES = {"LauncherSuite": "launcher", "ModuleSuite": "module", "StorageSuite": "storage"}

if _missing := [name for name in ("pytest", "hypothesis") if find_spec(name) is None]:
    raise ImportError(
        f"ablate.testing needs {' and '.join(_missing)}: pip install 'ablate-hpo[testing]'"
    )

import pytest  # noqa: E402 - only where it is installed

# A suite's assertions explain themselves, as those of a test file do.
pytest.register_assert_rewrite(*(f"{__name__}.{home}" for home in _HOMES.values()))

# Each needs other libraries.
__getattr__ = lazily(__name__, _HOMES)
