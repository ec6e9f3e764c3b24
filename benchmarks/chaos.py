"""Kill workers and coordinators of one search 200 times and count what it lost.

python benchmarks/chaos.py [kills] [trials] [storage URL, default SQLite]
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.chaos.harness import torment


def main(kills: int = 200, trials: int = 120, url: str | None = None) -> None:
    """Torment a search and print what was killed and what went wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.monotonic()
        outcome = torment(folder, url or f"sqlite:///{folder}/tormented.db", trials, kills, seed=0)
    kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(outcome.kills.items()))
    print(f"{sum(outcome.kills.values())} kills ({kinds}) over {trials} trials")
    print(f"  {outcome.further_attempts} further attempts continued what was killed")
    for name in ("lost", "duplicated", "stuck", "doubled", "different", "half_written"):
        print(f"  {name:12} {getattr(outcome, name)}")
    print(f"  in {time.monotonic() - started:.0f} s, the peaceful search included")


if __name__ == "__main__":
    given = sys.argv[1:]
    main(*map(int, given[:2]), *given[2:3])
