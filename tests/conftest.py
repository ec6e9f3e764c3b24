"""What holds for every test: one thread per process, and hypothesis without a stopwatch."""

import os
import shutil
import tempfile

# Read once, when torch is first imported: spinning threads are far slower than one.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"

# What is kept of one session's probes is none of the next one's, nor of the user.
os.environ["ABLATE_EVIDENCE"] = tempfile.mkdtemp(prefix="ablate-evidence-")

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_unconfigure() -> None:
    """Leave nothing of what was kept for this session."""
    shutil.rmtree(os.environ["ABLATE_EVIDENCE"], ignore_errors=True)
