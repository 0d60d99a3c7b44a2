# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
zz_sees_nothing
===============

Harmless, though it leaves things behind.
"""

# %%
# The only cell.

import os
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

print("files:", [p.name for p in Path(".").iterdir() if p.suffix != ".py"])
print("LEAK:", os.environ.get("LEAK"))
print("hash:", hash("recipe") == hash("recipe"), "dpi:", matplotlib.rcParams["figure.dpi"])

fig, ax = plt.subplots()
ax.set(title="A line", xlabel="x", ylabel="y")
ax.plot([0, 1])
plt.show()
