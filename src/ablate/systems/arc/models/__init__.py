"""Networks of the ARC system; `build.py` composes them by name."""
