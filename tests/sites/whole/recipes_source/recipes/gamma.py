# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# tags = ["Training", "Basics"]
# timeout = 30
# ///
"""
The third recipe
================

Print one number.
"""

# %%
# A number.

print(3)
