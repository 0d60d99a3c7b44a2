# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
writes_a_file
=============

Harmless, though it leaves things behind.
"""

# %%
# The only cell.

from pathlib import Path

Path("left.txt").write_text("left")
print("wrote a file")
