# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
raises
======

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

raise ValueError("the value is wrong")
