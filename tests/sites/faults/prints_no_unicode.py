# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
prints_no_unicode
=================

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

print("half a pair: \ud800")
