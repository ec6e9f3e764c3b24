"""A module that goes to another folder when it is imported."""

import os
import tempfile

from tests.run.modules import SaysWhere

os.chdir(tempfile.gettempdir())


class Wanders(SaysWhere):
    """A run of this module, which is in the folder that the module went to."""
