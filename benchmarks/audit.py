"""How long an audit takes, the first time and again with nothing changed.

python benchmarks/audit.py [study]
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import ablate

ROOT = Path(__file__).parents[1]


def seconds(study: str, storage: str) -> float:
    """Audit a study with two workers and return how long that took."""
    began = time.perf_counter()
    ablate.audit(study, storage=storage, workers=2)
    return time.perf_counter() - began


def main() -> None:
    """Audit a study twice, with an empty cache at first."""
    study = sys.argv[1] if len(sys.argv) > 1 else "trial-69"
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ABLATE_EVIDENCE"] = folder
        storage = f"sqlite:///{folder}/none.db"
        first, again = (seconds(study, storage) for _ in range(2))
    print(f"{study}: {first:.1f} s the first time, {again:.1f} s again")


if __name__ == "__main__":
    main()
