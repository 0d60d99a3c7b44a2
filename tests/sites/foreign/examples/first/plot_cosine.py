"""
A cosine with *emphasis*
========================

Draws one figure. It has a second sentence.
"""

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 6)
plt.plot(x, np.cos(x))
plt.title("A <cosine> & more")
plt.show()

# %%
# Data beside
# -----------
#
# Read with :func:`numpy.loadtxt`, see :ref:`second`.

values = np.loadtxt("values.txt")
print("sum:", values.sum())
half = Fraction(1, 2)
half
