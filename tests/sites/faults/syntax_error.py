# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
syntax_error
============

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

x = = 1
