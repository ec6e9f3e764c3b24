"""A search that is killed at random moments loses nothing, repeats nothing, and ends the same.

The long form, with 200 kills, is `benchmarks/chaos.py`.
"""

from pathlib import Path

import pytest

from tests.chaos.harness import torment


@pytest.mark.long
def test_a_search_on_sqlite_survives_random_kills(tmp_path: Path) -> None:
    outcome = torment(tmp_path, f"sqlite:///{tmp_path}/tormented.db", trials=8, kills=6, seed=1)
    assert sum(outcome.kills.values()) == 6
    assert outcome.wrong == 0, outcome
