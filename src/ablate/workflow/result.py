"""What all results have in common: a frame, and a form that a notebook shows."""

from abc import ABC, abstractmethod
from html import escape

import pandas as pd


class Result(ABC):
    """The result of a command: typed fields, and the whole as a frame."""

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """Return the result as a frame with one row per thing it is about."""

    @abstractmethod
    def summary(self) -> str:
        """Say the result in a line or a few."""

    def _repr_html_(self) -> str:
        """Show the summary and the frame in a notebook; all text is escaped."""
        lines = "<br>".join(escape(line) for line in self.summary().splitlines())
        return f"<p>{lines}</p>{self.frame().to_html(index=False, border=0, na_rep='-')}"
