"""The sections that installed packages add to reports.

A package adds one by an entry point of the group `ablate.sections`: a function from the frames of
an ablation or of a search to the sections that it has to say, perhaps none.
"""

from collections.abc import Callable, Iterable

from ablate.analysis import Frames
from ablate.plugins import installed
from ablate.reports.blocks import Section

GROUP = "ablate.sections"


def added_sections(frames: Frames) -> list[Section]:
    """Return the sections of installed packages. Raises RequestError where one can't be loaded."""
    makers: Iterable[Callable[[Frames], Iterable[Section]]]
    makers = installed(GROUP, callable, "function from frames to sections").values()
    return [section for make in makers for section in make(frames)]
