# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
segfaults
=========

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

import ctypes

ctypes.string_at(0)
