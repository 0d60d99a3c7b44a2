# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
leaves_a_process
================

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

import subprocess
import sys

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600.625)"])
print("started")
