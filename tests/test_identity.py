"""A change that should not alter the computation does not: a short run, compared bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.identity import EVERYWHERE, STEPS

HERE = Path(__file__).parent


def test_twenty_steps_give_the_recorded_losses_to_the_last_bit() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.identity"],
        cwd=HERE.parent,
        env={**os.environ, **EVERYWHERE},
        capture_output=True,
        text=True,
        check=True,
    )
    recorded = json.loads((HERE / "identity_losses.json").read_text())
    assert len(recorded) == STEPS
    found = json.loads(done.stdout)
    assert found == recorded
    assert float.fromhex(found[-1]) < float.fromhex(found[0]), "the run learns"
