# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 15
# ///
"""
hangs
=====

A fault that the build must survive.
"""

# %%
# Before the fault.

import subprocess
import sys

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600.625)"])
print("before")

# %%
# The fault.

import time

time.sleep(600.625)
