# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "matplotlib"]
# [tool.recipe]
# tags = ["Basics"]
# timeout = 60
# ///
"""
Title, a verb or the name the community knows
=============================================

Say what a reader can do afterwards, in one sentence of at most 110 characters.

Why it matters: what hurts without it. Two or three sentences that a reader who has been
bitten recognizes, and a reader who has not wants to avoid.
"""

# %%
# Setting: the smallest data that shows the effect
# ------------------------------------------------
#
# Import what is needed, fix the seed, and make data that a reader takes in at a glance.
# Here: nine measurements, one of which went wrong.

import matplotlib.pyplot as plt
import torch

torch.manual_seed(0)
values = 10 + torch.rand(9)
values[4] = 1000
print("values", [round(value) for value in values.tolist()])

# %%
# See the problem
# ---------------
#
# Do it the naive way and print the bad number. A reader believes what is computed, so
# the prose names the effect and leaves the digits to the output.

mean = values.mean()
print(f"mean {mean:.0f}")

# %%
# The idea
# --------
#
# Say the one new thing in a sentence, and change one line. Link each name of the
# reference where it first stands: :class:`torch.Tensor` is one that every recipe knows.

median = values.median()
print(f"median {median:.0f}")

# %%
# Proof
# -----
#
# Measure the same again, beside the first. Assert both: the naive way is bad, and the
# new way is good, against something else. Here it is the mean of the right values.

truth = values[values < 100].mean()
print(f"off by: mean {abs(mean - truth):.0f}, median {abs(median - truth):.0f}")
assert abs(mean - truth) > 100
torch.testing.assert_close(median, truth, atol=1, rtol=0)

# %%
# A figure has a title, which is also its text for those who cannot see it, names for
# both axes, and more than colour to tell things apart.

fig, axis = plt.subplots(figsize=(6, 3), layout="constrained")
axis.bar(["mean", "median", "truth"], [mean.item(), median.item(), truth.item()])
axis.set(xlabel="summary", ylabel="value", title="One bad value moves the mean only")
plt.show()

# %%
# When it is not so
# -----------------
#
# Name the case in which the idea does not help, and show it if one cell is enough.
#
# In your project
# ---------------
#
# At most 12 lines as one would write them today, which are executed. Put in a
# ``device`` if they train a model, and mark the new line.


def typical(measurements):
    return measurements.median().item()  # not the mean


print(f"typical: {typical(values):.0f}")

# %%
# Learn more
# ----------
#
# Say what to read next, and why.
#
# - :ref:`sphx_glr_recipes_recipes_zeroing_out_gradients.py`
# - :ref:`sphx_glr_recipes_recipes_defining_a_neural_network.py`
