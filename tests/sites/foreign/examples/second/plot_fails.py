"""
Fails as expected
=================

The page shows the traceback.
"""

print("before")

# %%
# Here it goes wrong.

1 / 0

# %%
# And here nothing is left to do.

print("after")
