"""What commands write into a checkout is no untracked file of it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout")
@pytest.mark.parametrize(
    "path",
    [
        "results/ablate.db",
        "results/ablate.db-wal",
        "results/artifacts/0a1b",
        "results/STUDY/0-0a1b2c3d/run.log",
        "results/STUDY/report/report.md",
        "lightning_logs/version_0/hparams.yaml",
        "docs/api/index.html",
    ],
)
def test_what_commands_write_is_ignored(path: str) -> None:
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "check-ignore", "--quiet", path], cwd=ROOT, check=False
    )
    assert done.returncode == 0
