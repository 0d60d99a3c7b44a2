# /// script
# requires-python = ">=3.11"
# dependencies = ["matplotlib"]
# [tool.recipe]
# tags = ["Basics"]
# timeout = 30
# ///
"""
The first recipe
================

Draw one line.

It leads to :ref:`sphx_glr_recipes_recipes_beta.py`.
"""

# %%
# A line.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(2, 1))
ax.plot([0, 1])
ax.set(title="A line", xlabel="x", ylabel="y")
plt.show()
print("drawn")
