# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
exits_hard
==========

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

import os

os._exit(3)
