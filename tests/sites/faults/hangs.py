# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 3
# ///
"""
hangs
=====

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

import time

time.sleep(600)
