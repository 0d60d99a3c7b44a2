# /// script
# requires-python = ">=3.11"
# dependencies = []
# [tool.recipe]
# timeout = 20
# ///
"""
opens_a_window
==============

A fault that the build must survive.
"""

# %%
# Before the fault.

print("before")

# %%
# The fault.

import tkinter

tkinter.Tk()
