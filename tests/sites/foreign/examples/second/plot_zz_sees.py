"""
What is left of the others
==========================

Nothing: settings, files and variables are a recipe's own.
"""

import os

import matplotlib.pyplot as plt

print("width:", plt.rcParams["lines.linewidth"])
print("variable:", os.environ.get("LEFT_BEHIND"))
print("file:", os.path.exists("left_behind.txt"))
