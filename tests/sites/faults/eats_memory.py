# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# memory = 0.7
# ///
"""
eats_memory
===========

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

blocks = []
while True:
    blocks.append(bytearray(50_000_000))
