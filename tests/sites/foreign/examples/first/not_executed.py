"""
Not executed
============

Its name does not begin with plot.
"""

raise RuntimeError("nobody runs this")
