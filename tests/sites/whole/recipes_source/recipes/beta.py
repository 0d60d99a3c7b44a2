# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# tags = ["Data"]
# after = ["alpha"]
# timeout = 30
# errors = ["a value is wrong"]
# searched_as = ["second"]
# ///
"""
The second recipe
=================

Read what lies beside it.
"""

# %%
# Values, of a module and of a file.

from pathlib import Path

from _beside import VALUE

print(VALUE, Path("values.txt").read_text().strip())
try:
    raise ValueError("a value is wrong")
except ValueError as error:
    print(error)
