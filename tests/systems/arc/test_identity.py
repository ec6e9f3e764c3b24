"""A change that should not alter the computation does not: a short run gives the same losses.

On one machine they are the same to the last bit. Another processor has other instructions, which
round differently: across machines the losses agree within 1e-5.
"""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.systems.arc.identity import STEPS

RECORDED = Path(__file__).with_name("identity_losses.json")


def printed_losses() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.systems.arc.identity"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    losses: list[str] = json.loads(done.stdout)
    return losses


@cache
def losses_here() -> list[str]:
    return printed_losses()


def test_twenty_steps_give_the_recorded_losses() -> None:
    recorded = [float.fromhex(loss) for loss in json.loads(RECORDED.read_text(encoding="utf-8"))]
    assert len(recorded) == STEPS
    assert [float.fromhex(loss) for loss in losses_here()] == pytest.approx(recorded, rel=1e-5)
    assert recorded[-1] < recorded[0], "the run learns"


def test_two_runs_on_one_machine_give_the_same_losses_to_the_last_bit() -> None:
    assert printed_losses() == losses_here()
