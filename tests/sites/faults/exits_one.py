# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
exits_one
=========

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

import sys

sys.exit(1)
