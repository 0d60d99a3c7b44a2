"""Commands of this project: ``python -m tools.NAME``, or the make target that calls it.

Nothing in ``recipe_gallery`` or ``recipe_site`` imports from here.
"""

import sys
from io import TextIOWrapper

# They show what recipes printed; a letter that a console lacks is shown by its number.
if isinstance(sys.stdout, TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")
