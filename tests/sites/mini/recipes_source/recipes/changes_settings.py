# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
changes_settings
================

Harmless, though it leaves things behind.
"""

# %%
# The only cell.

import locale
import os
import random

os.environ["LEAK"] = "1"
locale.setlocale(locale.LC_ALL, "C")
random.seed(0)
import matplotlib

matplotlib.rcParams["figure.dpi"] = 7
print("changed the environment, the locale, a setting")
