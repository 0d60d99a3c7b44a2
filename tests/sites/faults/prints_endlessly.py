# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
prints_endlessly
================

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

while True:
    print("on and on")
