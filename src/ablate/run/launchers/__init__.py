"""Where jobs run: a small seam, and one file for each launcher behind it."""

from ablate.run.launchers.in_process import InProcessLauncher
from ablate.run.launchers.local import LocalLauncher
from ablate.run.launchers.seam import Handler, Launcher

__all__ = ["Handler", "InProcessLauncher", "Launcher", "LocalLauncher"]
