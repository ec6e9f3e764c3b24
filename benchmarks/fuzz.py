"""Mutate studies, configs and commands thousands of times and count what is not refused well.

Every case is read, or typed as a command, in a process of limited memory. A fault is a traceback,
a hang, too much memory, a written file, or a message that helps nobody. Cases are seeded: those at
fault are named, and `python benchmarks/fuzz.py read-17` does one of them again.

    python benchmarks/fuzz.py [files] [share of commands in percent]
"""

import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fuzz.harness import Project, Verdict

FILES = 1_000
GIGABYTES = 12


def main(files: int = FILES, commands: int = 10) -> None:
    """Judge so many mutated files, and half as many commands typed, and print what was at fault."""
    resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES * 2**30,) * 2)
    typed = files * commands // 100
    seeds = [f"read-{number}" for number in range(files - typed)]
    seeds += [f"command-{number}" for number in range(typed)]
    seeds += [f"words-{number}" for number in range(typed)]
    endings: Counter[str] = Counter()
    faults: list[Verdict] = []
    slowest = 0.0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        project = Project(Path(name))
        for seed in seeds:
            began = time.process_time()
            verdict = project.judge(seed)
            slowest = max(slowest, time.process_time() - began)
            endings[verdict.fault or verdict.ending] += 1
            if verdict.fault:
                faults.append(verdict)
                print(verdict, file=sys.stderr, flush=True)
    print(f"{files} files and {typed} commands in {time.monotonic() - started:.0f} s")
    for ending, count in endings.most_common():
        print(f"  {ending:40} {count}")
    print(f"  slowest: {slowest:.1f} s of computing")


def again(seed: str) -> None:
    """Do the case of one seed again, and show the file."""
    with tempfile.TemporaryDirectory() as name:
        project = Project(Path(name))
        if not seed.startswith("words"):
            path, data = project.mutated_file(seed)
            print(f"--- {path}", data[:4_000].decode(errors="backslashreplace"), "---", sep="\n")
        verdict = project.judge(seed)
        print(verdict.ending, verdict, sep="\n")


if __name__ == "__main__":
    given = sys.argv[1:]
    if given and "-" in given[0]:
        again(given[0])
    else:
        main(*map(int, given[:2]))
