"""What became of records: evidence, tables, figures, pages."""

import os
import sys

# Tables and figures need what is installed here: a numpy of another Python that PYTHONPATH names would end them. What
# is named there is found all the same if nothing here has that name. The folder of this package stays in front.
_here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_named = {folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder} - {_here}
sys.path.sort(key=_named.__contains__)
