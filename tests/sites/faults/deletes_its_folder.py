# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
deletes_its_folder
==================

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

import os
import shutil

shutil.rmtree(os.getcwd())

# %%
# After it.

print("still here?", os.getcwd())
