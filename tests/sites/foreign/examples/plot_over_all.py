"""
Above the sections
==================

It leads to :ref:`sphx_glr_auto_examples_first_plot_cosine.py` and names :func:`numpy.arange`.
"""

import numpy as np

np.arange(3)
